"""BFD of the wire process against FRR's bfdd; the test plays brain and bgp."""

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

from speaker.seam.driver import Listener, Process
from speaker.seam.messages import (
    BfdForgotten,
    BfdIntent,
    BfdRemoved,
    BfdReport,
    BfdState,
    Message,
    Withdrawn,
)
from tests.lab.bgp_lab import (
    ROUTER,
    ROUTER6,
    SPEAKER,
    SPEAKER6,
    WAIT_S,
    Frr,
    Namespaces,
    needs_lab,
    run,
)
from tests.lab.wire_lab import WireProcess, identity, until

pytestmark = needs_lab

GRACE_S = 60
DETECTED_S = 6.0
"Ten times 100 ms, and what a busy machine takes; not the 10 s of the slow intervals."

CONFIG = f"""bfd
 profile fast
  detect-multiplier 10
  receive-interval 100
  transmit-interval 100
 peer {SPEAKER}
  profile fast
 peer {SPEAKER6} local-address {ROUTER6}
  profile fast
 peer {SPEAKER} multihop local-address {ROUTER}
  profile fast
"""


@dataclass
class Bgp:
    """Plays bgp: what wire tells it."""

    folder: Path
    heard: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        process = Process(
            name="bgp", whole=lambda _: [], hear=lambda _, message: self.heard.append(message)
        )
        self.listener = Listener(self.folder / "bgp.sock", process, ("wire",))

    def states(self, peer: str) -> list[BfdState]:
        """Return the states of a peer it has been told, in order."""
        told = [m for m in self.heard if isinstance(m, BfdReport)]
        return [report.state for report in told if report.peer == ip_address(peer)]


@dataclass
class BfdLab:
    namespaces: Namespaces
    frr: Frr
    wire: WireProcess
    bgp: Bgp

    async def up(self, peer: str = ROUTER, own: str = SPEAKER) -> None:
        """Wait until all know of a session that is up with fast intervals."""
        await until(lambda: self.state(peer) is BfdState.UP, f"{peer} is up", limit_s=WAIT_S)
        await until(lambda: self.bgp.states(peer)[-1:] == [BfdState.UP], "bgp knows", WAIT_S)
        await until(lambda: self.frr_state(own).get("status") == "up", "FRR says so", WAIT_S)
        await until(
            lambda: self.frr_state(own).get("remote-transmit-interval") == 100, "the Poll", WAIT_S
        )

    def state(self, peer: str = ROUTER) -> BfdState | None:
        report = self.wire.held(BfdReport, ip_address(peer))
        return report.state if report else None

    def frr_state(self, peer: str = SPEAKER) -> dict[str, Any]:
        peers = json.loads(self.frr.ask("show bfd peers json") or "[]")
        found = [p for p in peers if p["peer"] == peer and not p["multihop"]]
        return found[0] if found else {}


def new_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="herald-wire-bfd-"))
    folder.chmod(0o755)  # FRR's user has its files there
    return folder


@contextlib.asynccontextmanager
async def bfd_lab(*intents: BfdIntent) -> AsyncIterator[BfdLab]:
    folder = new_folder()
    namespaces = Namespaces("wireb")
    frr = Frr(namespaces.router, folder / "frr")
    wire = WireProcess(namespaces.speaker, "node1", folder)
    bgp = Bgp(folder)
    listening = asyncio.create_task(bgp.listener.run())
    try:
        namespaces.make()
        frr.start(CONFIG)
        wire.intents = [identity("node1"), *intents]
        wire.start("--grace-s", str(GRACE_S))
        wire.dial()
        yield BfdLab(namespaces, frr, wire, bgp)
    except BaseException:
        sys.stderr.write(wire.log.read_text()[-3000:] if wire.log.exists() else "")
        raise
    finally:
        await wire.hang_up()
        wire.kill()
        listening.cancel()
        await asyncio.wait([listening])
        frr.stop()
        namespaces.remove()
        shutil.rmtree(folder, ignore_errors=True)


def wanted(peer: str = ROUTER, local: str = SPEAKER, **changes: Any) -> BfdIntent:
    values: dict[str, Any] = {"transmit_ms": 100, "receive_ms": 100, "multiplier": 10}
    return BfdIntent(ip_address(peer), ip_address(local), **(values | changes))


async def test_sessions_of_both_families_come_up_and_go_down_with_the_path() -> None:
    async with bfd_lab(wanted(), wanted(ROUTER6, SPEAKER6)) as lab:
        await lab.up()
        await lab.up(ROUTER6, SPEAKER6)

        run("ip", "-n", lab.namespaces.router, "link", "set", "lan0", "down")
        await until(lambda: lab.state() is BfdState.DOWN, "the path is down", limit_s=DETECTED_S)
        await until(lambda: lab.bgp.states(ROUTER)[-1] is BfdState.DOWN, "bgp knows")


async def test_a_dead_bfdd_is_noticed_within_its_detection_time_and_its_return_too() -> None:
    async with bfd_lab(wanted()) as lab:
        await lab.up()

        lab.frr.stop("bfdd")
        down = "the neighbour is down"
        await until(lambda: lab.state() is BfdState.DOWN, down, limit_s=DETECTED_S)
        lab.frr.start_daemon("bfdd")

        await lab.up()


async def test_a_multihop_session_comes_up() -> None:
    async with bfd_lab(wanted(multihop=True, minimum_ttl=250)) as lab:
        up = "the session is up"
        await until(lambda: lab.state() is BfdState.UP, up, limit_s=WAIT_S)


async def test_sigterm_keeps_bfd_up_until_bgp_has_withdrawn_and_then_says_admin_down() -> None:
    async with bfd_lab(wanted()) as lab:
        await lab.up()

        lab.wire.signal(signal.SIGTERM)
        await asyncio.sleep(0.7)
        assert lab.wire.status is None
        assert lab.frr_state()["status"] == "up"
        lab.bgp.listener.send(Withdrawn(), to="wire")

        await until(lambda: lab.wire.status is not None, "the wire exits", limit_s=GRACE_S / 2)
        assert lab.wire.status == 0
        shown = await until(
            lambda: (s := lab.frr_state())["status"] == "down" and s, "FRR knows", WAIT_S
        )
        assert "admin" in str(shown).lower() or "neighbor" in str(shown["diagnostic"]).lower()


async def test_an_unwanted_session_ends_without_the_look_of_a_failure() -> None:
    async with bfd_lab(wanted()) as lab:
        await lab.up()
        lab.wire.tell(BfdRemoved(IPv4Address(ROUTER)))

        await until(lambda: lab.frr_state()["status"] == "down", "FRR's side ends", WAIT_S)
        await until(lambda: lab.state() is None, "the brain forgets it", WAIT_S)
        await until(lambda: BfdForgotten(IPv4Address(ROUTER)) in lab.bgp.heard, "bgp too", WAIT_S)
        assert lab.bgp.states(ROUTER)[-1] is not BfdState.DOWN


async def test_garbage_on_the_bfd_ports_is_counted_and_moves_nothing() -> None:
    async with bfd_lab(wanted()) as lab:
        await lab.up()
        before = len(lab.bgp.states(ROUTER))
        program = (
            "import socket,os;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);"
            "s.setsockopt(0,2,255);"
            f"[s.sendto(os.urandom(n%60),('{SPEAKER}',3784)) for n in range(600)];"
            "s.setsockopt(0,2,64);"
            f"[s.sendto(b'\\x20\\xc0\\x03\\x18'+bytes(20),('{SPEAKER}',3784)) for n in range(100)]"
        )
        run("ip", "netns", "exec", lab.namespaces.router, sys.executable, "-c", program)

        def counted() -> float:
            return sum(v for k, v in lab.wire.metrics().items() if "bfd_dropped" in k)

        await until(lambda: counted() >= 100, "the garbage is counted", WAIT_S)
        assert lab.state() is BfdState.UP
        assert lab.bgp.states(ROUTER)[before:] == []
