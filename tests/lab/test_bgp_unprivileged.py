"""The bgp process as its container runs it: a user of its own, no capability, no privilege."""

import shutil
import subprocess
import sys
from pathlib import Path

import exabgp as exabgp_package

from tests.lab.bgp_lab import bgp_lab, frr_config, needs_lab, peer, route, until
from tests.lab.required import skip_without

USER = "65532"
AS_USER = (
    "setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--bounding-set", "-all",
    "--no-new-privs",
)  # fmt: skip
INTERPRETERS = (sys.executable, "/usr/bin/python3.11", "/usr/bin/python3")


def interpreter() -> str:
    """Return an interpreter of this version that another user may run; empty if there is none."""
    code = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for path in INTERPRETERS:
        # the first program after setpriv may still be started with root's rights, so a shell is it
        words = [*AS_USER, "sh", "-c", '"$0" -c "$1"', path, code]
        if subprocess.run(words, capture_output=True, check=False).returncode == 0:
            return path
    return ""


pytestmark = [
    *needs_lab,
    skip_without(interpreter(), "no Python that another user may run"),
]
VIP = "192.168.4.10/32"
SPEAKER = Path(__file__).parents[2] / "speaker"


def readable_code(folder: Path) -> Path:
    """Copy what the process loads to where any user may read it: the tree may be in root's home."""
    exabgp = Path(exabgp_package.__file__).parent
    shutil.copytree(SPEAKER, folder / "speaker", ignore=shutil.ignore_patterns("__pycache__"))
    for each in (exabgp, *exabgp.parent.glob("exabgp-*.dist-info")):
        shutil.copytree(each, folder / each.name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def status_of(pid: int) -> str:
    """Return what the kernel says of the process."""
    return Path(f"/proc/{pid}/status").read_text()


async def test_a_session_with_a_password_needs_no_privilege() -> None:
    async with bgp_lab(frr_config("password secret")) as lab:
        lab.speaker.kill()
        for path in (lab.folder / "run").iterdir():
            path.unlink()
        shutil.chown(lab.folder / "run", int(USER), int(USER))
        (lab.folder / "bgp.sock").unlink(missing_ok=True)
        shutil.chown(lab.folder, int(USER), int(USER))
        lab.speaker.start(
            by=(*AS_USER, interpreter()),
            PYTHONPATH=str(readable_code(lab.folder / "code")),
            PYTHONDONTWRITEBYTECODE="1",
        )
        lab.brain.say(peer(password="secret"), route(VIP))
        lab.brain.start()

        await until(lambda: lab.frr.route(VIP), "the route in FRR")
        status = status_of(lab.speaker.exabgp)
        assert f"Uid:\t{USER}" in status
        assert "CapEff:\t0000000000000000" in status
        lab.speaker.terminate()
        await until(lab.speaker.ended, "its end")
        assert lab.speaker.status == 0
