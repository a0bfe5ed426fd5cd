"""wire and bgp as two real processes against FRR's bgpd and bfdd; the test is the brain of both."""

import contextlib
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from speaker.seam.messages import BfdIntent, BfdRemoved, BfdReport, BfdState, SessionState
from tests.lab.bgp_lab import (
    ROUTER,
    SPEAKER,
    BgpLab,
    bgp_lab,
    frr_config,
    needs_lab,
    peer,
    route,
    run,
    until,
)
from tests.lab.kernel_routes import KernelRoutes, kernel_of
from tests.lab.wire_lab import WireProcess, identity

pytestmark = needs_lab
VIP = "192.168.4.10/32"
PROFILE = """bfd
 profile fast
  detect-multiplier 10
  receive-interval 100
  transmit-interval 100
"""
"With 3 in place of 10 a process that gets no time for 0.3 s would be a failure of the path."

GRACE_S = 120
HOLD_S = 180
"So long that nothing ends by either within the time that a test waits."

SOON_S = 60.0
KNOWN = frr_config("bfd", "bfd profile fast") + PROFILE
"The router names this node."

DYNAMIC = f"""log file /dev/null
router bgp 64513
 bgp router-id {ROUTER}
 no bgp ebgp-requires-policy
 neighbor nodes peer-group
 neighbor nodes remote-as 64512
 neighbor nodes bfd
 neighbor nodes bfd profile fast
 bgp listen range 10.9.0.0/24 peer-group nodes
 address-family ipv4 unicast
  neighbor nodes activate
{PROFILE}"""
"It takes whoever comes, and runs BFD only with those that have a BGP session."
INTENT = BfdIntent(
    ip_address(ROUTER), ip_address(SPEAKER), transmit_ms=100, receive_ms=100, multiplier=10
)


@dataclass
class WholeLab:
    """Both processes, and the router's kernel."""

    bgp: BgpLab
    wire: WireProcess
    kernel: KernelRoutes

    def bfd(self) -> BfdState | None:
        """The session's state as wire tells it."""
        report = self.wire.held(BfdReport, ip_address(ROUTER))
        return report.state if report else None

    def session(self) -> SessionState | None:
        """The session's state as bgp tells it."""
        report = self.bgp.brain.session("router")
        return report.state if report else None


@contextlib.asynccontextmanager
async def whole_lab(*flags: str, config: str = KNOWN) -> AsyncIterator[WholeLab]:
    """Run both, with BFD up and the route in the router's kernel."""
    async with bgp_lab(config, *flags) as bgp, kernel_of(bgp.namespaces.router) as kernel:
        wire = WireProcess(bgp.namespaces.speaker, "node1", bgp.folder)
        wire.intents = [identity("node1"), INTENT]
        try:
            wire.start("--grace-s", str(GRACE_S))
            wire.dial()
            bgp.brain.say(peer(bfd=True, hold_time_s=HOLD_S), route(VIP))
            bgp.brain.start()
            lab = WholeLab(bgp, wire, kernel)
            await kernel.until({VIP})
            await until(lambda: lab.bfd() is BfdState.UP, "BFD up")
            await until(lambda: fast(bgp), "the fast interval")
            kernel.catch_up()
            await kernel.until({VIP})
            yield lab
        finally:
            await wire.hang_up()
            wire.kill()


def fast(lab: BgpLab) -> bool:
    """Tell whether bfdd has taken our fast interval."""
    found = lab.frr.json("show bfd peers") or [{}]
    return bool(found[0].get("remote-transmit-interval", 1000) == 100)


def cut(lab: WholeLab) -> None:
    """Lose every packet, with the carrier up: a switch in between has died."""
    rules = "table inet cut { chain all { type filter hook %s priority 0; policy drop; }; }"
    for hook in ("input", "output"):
        words = (rules % hook).replace(" all ", f" {hook} ")
        run("ip", "netns", "exec", lab.bgp.namespaces.speaker, "nft", words)


def heal(lab: WholeLab) -> None:
    """End `cut`."""
    delete = ("nft", "delete", "table", "inet", "cut")
    run("ip", "netns", "exec", lab.bgp.namespaces.speaker, *delete)


@pytest.mark.parametrize("config", [KNOWN, DYNAMIC], ids=["known", "dynamic"])
async def test_a_cut_path_withdraws_by_bfd_and_all_comes_back(config: str) -> None:
    async with whole_lab(config=config) as lab:
        cut(lab)
        await lab.kernel.until({VIP}, there=False, limit_s=SOON_S)
        await until(lambda: lab.session() is SessionState.HELD_DOWN, "held down")
        heal(lab)

        await lab.kernel.until({VIP})
        await until(lambda: lab.bfd() is BfdState.UP, "BFD up again")


async def test_a_dead_bfdd_withdraws_and_holds_the_session_down() -> None:
    async with whole_lab() as lab:
        lab.bgp.frr.stop("bfdd")
        await lab.kernel.until({VIP}, there=False)
        await until(lambda: lab.session() is SessionState.HELD_DOWN, "held down")
        lab.bgp.frr.start_daemon("bfdd")

        await lab.kernel.until({VIP})


async def test_wire_and_bgp_stopped_together_withdraw_before_bfd_ends() -> None:
    async with whole_lab("--bgp-wait-s", "1") as lab:
        began = time.monotonic()
        lab.wire.signal(signal.SIGTERM)
        lab.bgp.speaker.terminate()
        gone = await lab.kernel.until({VIP}, there=False, limit_s=SOON_S)

        assert gone - began >= 1.0, "de-preferred for the wait"
        await until(lab.bgp.speaker.ended, "bgp's end")
        assert lab.bgp.speaker.status == 0


async def test_bfd_that_was_taken_away_and_given_back_protects_a_dynamic_neighbour_again() -> None:
    async with whole_lab(config=DYNAMIC) as lab:
        lab.wire.tell(BfdRemoved(INTENT.peer))
        await lab.kernel.until({VIP}, there=False)
        await lab.kernel.until({VIP})
        await until(lambda: lab.bfd() is None, "BFD forgotten")
        lab.wire.tell(INTENT)

        await until(lambda: bfdd_says_up(lab.bgp), "BFD up at the router")


def bfdd_says_up(lab: BgpLab) -> bool:
    """Tell whether the router has a session with us that is up."""
    found = lab.frr.json("show bfd peers")
    return bool(found and found[0]["status"] == "up")
