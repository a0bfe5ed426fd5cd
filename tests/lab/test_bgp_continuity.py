"""Sessions that fail and come back: BFD, graceful restart, many routes. The test plays wire."""

import asyncio
import os
import signal
import time
from ipaddress import IPv4Network, ip_address, ip_network

import pytest

from speaker.seam.messages import BfdReport, BfdState, RouteIntent, RouteRemoved, SessionState
from tests.lab.bgp_lab import (
    ROUTER,
    SPEAKER6,
    BgpLab,
    bgp_lab,
    frr_config,
    needs_lab,
    peer,
    route,
    until,
)

pytestmark = needs_lab
VIP = "192.168.4.10/32"
THOUSAND = [f"10.64.{i // 250}.{i % 250}/32" for i in range(1000)]


def bfd(state: BfdState, diagnostic: str = "") -> BfdReport:
    """Wire's word on the router."""
    return BfdReport(ip_address(ROUTER), state, diagnostic)


FAILED = bfd(BfdState.DOWN, "control-detection-time-expired")


def state_of(lab: BgpLab) -> SessionState | None:
    """What the brain was told of the session."""
    report = lab.brain.session("router")
    return report.state if report else None


async def test_bfd_down_withdraws_and_holds_the_peer_until_it_is_up() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.brain.say(peer(bfd=True, hold_time_s=180), route(VIP))
        lab.wire.say(bfd(BfdState.DOWN))
        lab.wire.start()
        await until(lambda: lab.wire.connected, "wire's connection")
        lab.brain.start()
        await until(lambda: lab.frr.route(VIP), "a route though BFD never was up")
        lab.wire.say(bfd(BfdState.UP))
        lab.wire.say(FAILED)
        await until(lambda: not lab.frr.route(VIP), "withdrawal")
        await until(lambda: state_of(lab) is SessionState.HELD_DOWN, "the session's report")
        await stays_away(lab, 1.0)
        lab.wire.say(bfd(BfdState.INIT, "control-detection-time-expired"))
        await stays_away(lab, 0.3)
        lab.wire.say(bfd(BfdState.UP))

        await until(lambda: lab.frr.route(VIP), "the route again")
        assert lab.frr.established() == 1, "BFD alone took the route away"


async def stays_away(lab: BgpLab, seconds: float) -> None:
    """See that FRR gets no route meanwhile."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        assert not lab.frr.route(VIP)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("report", "with_bfd"),
    [
        pytest.param(bfd(BfdState.ADMIN_DOWN, "neighbor-signaled-session-down"), True, id="admin"),
        pytest.param(bfd(BfdState.DOWN), True, id="never-up"),
        pytest.param(bfd(BfdState.DOWN, "too-many-bfd-sessions"), True, id="no-session"),
        pytest.param(FAILED, False, id="peer-without-bfd"),
    ],
)
async def test_what_is_no_failure_holds_nobody_down(report: BfdReport, with_bfd: bool) -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.wire.say(report)
        lab.wire.start()
        await until(lambda: lab.wire.connected, "wire's connection")
        lab.brain.say(peer(bfd=with_bfd), route(VIP))
        lab.brain.start()

        await until(lambda: lab.frr.route(VIP), "the route in FRR")


async def test_a_flapping_bfd_ends_with_the_route() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.brain.say(peer(bfd=True), route(VIP))
        lab.brain.start()
        lab.wire.start()
        await until(lambda: lab.frr.route(VIP), "the route in FRR")
        await until(lambda: lab.wire.connected, "wire's connection")
        for _ in range(10):
            lab.wire.tell(FAILED)
            lab.wire.tell(bfd(BfdState.UP))
            await asyncio.sleep(0.02)

        await until(lambda: lab.frr.route(VIP) and lab.brain.is_up("router"), "the route")


async def test_graceful_restart_keeps_the_route_while_exabgp_is_replaced() -> None:
    config = frr_config("graceful-restart")
    async with bgp_lab(config) as lab:
        lab.brain.say(peer(graceful_restart=True), *(route(p) for p in THOUSAND))
        lab.brain.start()
        await until(lambda: len(lab.frr.prefixes()) == 1000, "all routes")
        before = lab.speaker.exabgp
        os.kill(before, signal.SIGKILL)

        def nothing_is_lost() -> bool:
            assert len(lab.frr.prefixes()) == 1000
            return lab.frr.established() == 2 and not stale(lab)

        await until(nothing_is_lost, "a new session without stale routes")
        assert lab.speaker.exabgp not in (0, before)


def stale(lab: BgpLab) -> bool:
    """Tell whether FRR holds a route of the session before."""
    return " stale" in lab.frr.ask(f"show bgp ipv4 unicast {THOUSAND[-1].partition('/')[0]}/32")


async def test_graceful_restart_leaves_no_stale_route_after_a_drain() -> None:
    async with bgp_lab(frr_config("graceful-restart"), "--bgp-wait-s", "0") as lab:
        lab.brain.say(peer(graceful_restart=True), *(route(p) for p in THOUSAND))
        lab.brain.start()
        await until(lambda: len(lab.frr.prefixes()) == 1000, "all routes")
        lab.speaker.terminate()

        await until(lab.speaker.ended, "its end")
        # Stale ones would stay for the twenty seconds of the restart time.
        await until(lambda: lab.frr.prefixes() == set(), "no route", limit_s=10)


async def test_a_thousand_routes_come_change_and_go() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.brain.say(peer(), route(VIP))
        lab.brain.start()
        await until(lambda: lab.frr.route(VIP), "the first route")
        lab.brain.say(*(route(p) for p in THOUSAND))
        await until(lambda: len(lab.frr.prefixes()) == 1001, "all routes")
        lab.brain.say(*(route(p, communities=("1:2",)) for p in THOUSAND))
        last = THOUSAND[-1]
        await until(lambda: "community" in lab.frr.route(last), "the change")
        lab.brain.say(*(RouteRemoved(IPv4Network(p)) for p in THOUSAND))

        await until(lambda: lab.frr.prefixes() == {VIP}, "only the first")
        assert lab.speaker.metrics().get("herald_bgp_read_back_differences_total", 0) == 0


async def test_ten_thousand_routes_read_back_are_no_hang() -> None:
    async with bgp_lab(frr_config()) as lab:
        prefixes = [f"10.64.{i // 250}.{i % 250}/32" for i in range(10_000)]
        lab.brain.say(peer(), *(route(p) for p in prefixes))
        lab.brain.start()

        def learnt() -> bool:
            summary = lab.frr.json("show bgp ipv4 unicast summary")["peers"]["10.9.0.1"]
            return bool(summary["pfxRcd"] == len(prefixes))

        await until(learnt, "all routes")
        lab.frr.ask("clear bgp 10.9.0.1")
        await until(lambda: lab.frr.established() == 2, "the next session")
        await until(learnt, "all routes again")
        await until(lambda: lab.brain.is_up("router"), "the session's report")
        metrics = lab.speaker.metrics()
        assert metrics["herald_bgp_exabgp_lost_total"] == 0
        assert metrics["herald_bgp_read_back_differences_total"] == 0


async def test_a_thousand_ipv6_routes_are_read_back_from_the_wire_when_draining() -> None:
    async with bgp_lab(frr_config(), "--bgp-wait-s", "0") as lab:
        prefixes = [f"fd00:64::{i:x}/128" for i in range(1, 1001)]
        lab.brain.say(peer(), *(RouteIntent(ip_network(p), ("router",)) for p in prefixes))
        lab.brain.start()
        await until(lambda: len(lab.frr.prefixes("ipv6")) == 1000, "all routes")
        assert lab.frr.route(prefixes[0])["nexthops"][0]["ip"] == SPEAKER6
        lab.speaker.terminate()

        await until(lab.speaker.ended, "its end")
        assert lab.speaker.status == 0
