"""A speaker's bgp process and a real router in two namespaces; the test plays brain and wire."""

import asyncio
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from speaker.seam.driver import Dialler, Process
from speaker.seam.messages import (
    BgpFault,
    Message,
    PeerIntent,
    RouteIntent,
    SessionReport,
    SessionState,
)

FRR = Path("/usr/lib/frr")
SPEAKER, ROUTER = "10.9.0.1", "10.9.0.2"
SPEAKER6, ROUTER6 = "fd09::1", "fd09::2"

WAIT_S = 120.0
"Long enough for any machine: a limit of behaviour is said where it is meant."

SEEN_S = 5
"A router's state that lasts so long is seen by asking, also on a busy machine."

needs_lab = [pytest.mark.netns]


def run(*command: str, check: bool = True) -> str:
    """Run a command and return its output; its errors are in the exception."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


def spawn(namespace: str, *command: str) -> "subprocess.Popen[bytes]":
    """Start a command in a namespace; its words are thrown away."""
    words = ["ip", "netns", "exec", namespace, *command]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def until(
    condition: Callable[[], Any], what: str, limit_s: float = WAIT_S, every_s: float = 0.02
) -> Any:
    """Wait until the condition gives something true, and return it."""
    ends = time.monotonic() + limit_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < ends, f"not within {limit_s} s: {what}; last answer: {found!r}"
        await asyncio.sleep(every_s)


class Namespaces:
    """Two namespaces joined by a cable, `lan0` on both ends.

    The process id is in their names: several test runs may go on at once.
    """

    def __init__(self, tag: str) -> None:
        self._prefix = f"herald-{tag}"
        self.speaker = f"{self._prefix}-{os.getpid()}-s"
        self.router = f"{self._prefix}-{os.getpid()}-r"

    def make(self) -> None:
        """Make them, with addresses of both families."""
        self.remove()
        self._remove_orphans()
        for name in (self.speaker, self.router):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        cable = ["type", "veth", "peer", "name", "lan0", "netns", self.router]
        run("ip", "-n", self.speaker, "link", "add", "lan0", *cable)
        ends = ((self.speaker, SPEAKER, SPEAKER6), (self.router, ROUTER, ROUTER6))
        for name, four, six in ends:
            run("ip", "-n", name, "addr", "add", f"{four}/24", "dev", "lan0")
            run("ip", "-n", name, "addr", "add", f"{six}/64", "dev", "lan0", "nodad")
            run("ip", "-n", name, "link", "set", "lan0", "up")

    def remove(self) -> None:
        """Remove what there is of them."""
        for name in (self.speaker, self.router):
            run("ip", "netns", "del", name, check=False)

    def _remove_orphans(self) -> None:
        """Remove those of test runs that were killed."""
        for line in run("ip", "netns").splitlines():
            name = line.partition(" ")[0]
            maker = name.removeprefix(f"{self._prefix}-").partition("-")[0]
            if name.startswith(f"{self._prefix}-") and maker.isdigit() and not is_there(maker):
                run("ip", "netns", "del", name, check=False)


def kill_and_wait(pid: int) -> None:
    """Kill a process that need not be a child, and wait until nothing of it runs."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        ended, _, _ = select.select([descriptor], [], [], WAIT_S)
        assert ended, f"{pid} lives on after SIGKILL"
    finally:
        os.close(descriptor)


def is_there(pid: str) -> bool:
    """Tell whether a process of that id runs."""
    return Path("/proc", pid).exists()


class Frr:
    """zebra, bgpd and bfdd in the router's namespace."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self._namespace = namespace
        self._folder = folder

    def start(self, config: str, *bgpd_flags: str) -> None:
        """Start the daemons with this config."""
        self._folder.mkdir()
        file = self._folder / "frr.conf"
        file.write_text(config)
        for path in (self._folder, file):
            shutil.chown(path, "frr", "frr")
        for daemon in ("zebra", "bgpd", "bfdd"):
            self.start_daemon(daemon, *(bgpd_flags if daemon == "bgpd" else ()))

    def start_daemon(self, daemon: str, *flags: str) -> None:
        """Start one daemon with the config of the start."""
        here = str(self._folder)
        more = ["--bfdctl", f"{here}/bfdd.sock"] if daemon == "bfdd" else []
        run(
            "ip", "netns", "exec", self._namespace, str(FRR / daemon), "-d",
            "--vty_socket", here, "-i", f"{here}/{daemon}.pid", "-z", f"{here}/zserv.api",
            "-f", f"{here}/frr.conf", *more, *flags,
        )  # fmt: skip

    def stop(self, daemon: str = "*") -> None:
        """Kill the daemons that this started, and see that their sockets are closed."""
        for file in self._folder.glob(f"{daemon}.pid"):
            with contextlib.suppress(ProcessLookupError, ValueError):
                kill_and_wait(int(file.read_text()))
            file.unlink()

    def ask(self, *commands: str) -> str:
        """Return what vtysh says."""
        words = [word for command in commands for word in ("-c", command)]
        return run(
            "ip", "netns", "exec", self._namespace, "vtysh", "--vty_socket",
            str(self._folder), *words,
        )  # fmt: skip

    def json(self, command: str) -> Any:
        """Return the answer to a command that can give JSON."""
        return json.loads(self.ask(f"{command} json") or "{}")

    def configure(self, *lines: str) -> None:
        """Change the running config."""
        self.ask("configure terminal", *lines)

    def route(self, prefix: str) -> dict[str, Any]:
        """Return the path to a prefix; empty if there is none."""
        family = "ipv6" if ":" in prefix else "ipv4"
        paths = self.json(f"show bgp {family} unicast {prefix}").get("paths", [])
        return paths[0] if paths else {}

    def neighbor(self, address: str = SPEAKER) -> dict[str, Any]:
        """Return what it says of a neighbour that it knows."""
        [found] = self.json(f"show bgp neighbors {address}").values()
        return dict(found)

    def established(self, address: str = SPEAKER) -> int:
        """Count the sessions that a neighbour has had; the next counts when it is up."""
        return int(self.neighbor(address)["connectionsEstablished"])

    def prefixes(self, family: str = "ipv4") -> set[str]:
        """Return all prefixes learnt."""
        return set(self.json(f"show bgp {family} unicast").get("routes", {}))


@dataclass
class Brain:
    """Plays brain (or wire): what it says, and what it was told."""

    folder: Path
    name: str = "brain"
    intents: list[Message] = field(default_factory=list)
    heard: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._process = Process(
            name=self.name,
            whole=lambda _peer: list(self.intents),
            hear=lambda _peer, message: self.heard.append(message),
        )
        self._dialler = Dialler(self.folder / "bgp.sock", self._process, "bgp")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Dial."""
        self._task = asyncio.create_task(self._dialler.run())

    async def stop(self) -> None:
        """Die."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def say(self, *messages: Message) -> None:
        """Add to the intent and tell it."""
        for message in messages:
            self.intents.append(message)
            self._dialler.send(message)

    def tell(self, message: Message) -> None:
        """Say something that is no intent."""
        self._dialler.send(message)

    @property
    def connected(self) -> bool:
        """Whether bgp has answered on the present connection: what is said now arrives."""
        return self._dialler.connected

    def reasons(self, peer: str) -> list[str]:
        """Return all reasons that were told of a peer's session, the last one last."""
        told = [m for m in self.heard if isinstance(m, SessionReport)]
        return [report.reason for report in told if report.peer == peer]

    def session(self, peer: str) -> SessionReport | None:
        """Return the last report on a peer."""
        return self._process.mirror("bgp").get(SessionReport, peer)

    def is_up(self, peer: str) -> bool:
        """Tell whether the peer's session is up."""
        report = self.session(peer)
        return report is not None and report.state is SessionState.UP

    def fault(self, peer: str) -> str:
        """Return what can't be done for a peer."""
        found = self._process.mirror("bgp").get(BgpFault, peer)
        return found.text if found else ""


class Speaker:
    """`herald-speaker bgp` in its namespace."""

    def __init__(self, namespace: str, folder: Path) -> None:
        self._namespace = namespace
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None
        self.log = folder / "bgp.log"

    def start(
        self, *flags: str, by: tuple[str, ...] = (sys.executable,), **environment: str
    ) -> None:
        """Start it; `by` is the interpreter, with what goes before it."""
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [
                    "ip", "netns", "exec", self._namespace, *by, "-c",
                    "from speaker.main import main; main()", "bgp", "--node-name", "node1",
                    "--socket-dir", str(self._folder), "--run-dir", str(self._folder / "run"),
                    "--health-port", "17475", "--log-level", "debug", *flags,
                ],
                stderr=log, stdout=log, env={**os.environ, **environment},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._child is not None
        return self._child.pid

    @property
    def exabgp(self) -> int:
        """The process id of ExaBGP; 0 if there is none."""
        assert self._child is not None
        for child in children(self._child.pid):
            with contextlib.suppress(OSError):  # it may end between the two looks
                if b"launcher\0server" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return child
        return 0

    def terminate(self) -> None:
        """Send SIGTERM."""
        assert self._child is not None
        self._child.terminate()

    def ended(self) -> bool:
        """Tell whether it has ended."""
        return self._child is not None and self._child.poll() is not None

    @property
    def status(self) -> int | None:
        """Its exit status."""
        return self._child.returncode if self._child else None

    def kill(self) -> None:
        """Kill it."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def last_words(self) -> str:
        """Return the end of its log."""
        return self.log.read_text()[-6000:] if self.log.exists() else ""

    def metrics(self) -> dict[str, float]:
        """Return what /metrics says."""
        pairs = (line.rsplit(" ", 1) for line in self.page("/metrics").splitlines() if line)
        return {name: float(value) for name, value in pairs}

    def page(self, path: str) -> str:
        """Return what a page says; nothing while nobody answers."""
        ask = ["curl", "-s", "--max-time", "5", f"http://127.0.0.1:17475{path}"]
        return run("ip", "netns", "exec", self._namespace, *ask, check=False)


def children(pid: int) -> list[int]:
    """Return a process's children."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]
    return []


@dataclass
class BgpLab:
    """All of it."""

    namespaces: Namespaces
    frr: Frr
    speaker: Speaker
    brain: Brain
    wire: Brain
    folder: Path


def _new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="herald-bgp-"))
    folder.chmod(0o755)  # FRR's user has its files there
    (folder / "run").mkdir(mode=0o700)
    return folder


@contextlib.asynccontextmanager
async def bgp_lab(config: str, *flags: str, tag: str = "bgpt") -> AsyncIterator[BgpLab]:
    """Make the lab; `config` is FRR's. All is gone afterwards, also after a failure."""
    folder = _new_folder()
    namespaces = Namespaces(tag)
    frr = Frr(namespaces.router, folder / "frr")
    speaker = Speaker(namespaces.speaker, folder)
    lab = BgpLab(namespaces, frr, speaker, Brain(folder), Brain(folder, "wire"), folder)
    try:
        namespaces.make()
        if config:
            frr.start(config)
        speaker.start(*flags)
        yield lab
    except BaseException:
        sys.stderr.write(speaker.last_words())
        raise
    finally:
        await lab.brain.stop()
        await lab.wire.stop()
        speaker.kill()
        frr.stop()
        namespaces.remove()
        shutil.rmtree(folder, ignore_errors=True)


def frr_config(*lines: str, peer: str = SPEAKER, asn: int = 64512) -> str:
    """A router of AS 64513 with one external peer, both families; `lines` are the neighbour's."""
    about = "".join(f" neighbor {peer} {line}\n" for line in lines)
    return (
        "log file /dev/null\n"
        "router bgp 64513\n bgp router-id 10.9.0.2\n no bgp ebgp-requires-policy\n"
        f" no bgp network import-check\n neighbor {peer} remote-as {asn}\n{about}"
        f" address-family ipv4 unicast\n  neighbor {peer} activate\n exit-address-family\n"
        f" address-family ipv6 unicast\n  neighbor {peer} activate\n exit-address-family\n"
    )


def peer(name: str = "router", address: str = ROUTER, **changes: Any) -> PeerIntent:
    """An external peer at hold 9."""
    values: dict[str, Any] = {"my_asn": 64512, "peer_asn": 64513, "hold_time_s": 9,
                              "keepalive_s": 3, **changes}  # fmt: skip
    return PeerIntent(name, ip_address(address), **values)


def route(prefix: str, *peers: str, **changes: Any) -> RouteIntent:
    """A route for the named peers, or `router`."""
    return RouteIntent(ip_network(prefix), peers or ("router",), **changes)
