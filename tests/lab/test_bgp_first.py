"""The bgp process against a real FRR: announce, repair, drain."""

import os
import signal
import time

from speaker.seam.messages import Withdrawn
from tests.lab.bgp_lab import SEEN_S, BgpLab, bgp_lab, frr_config, needs_lab, peer, route, until

pytestmark = needs_lab
VIP = "192.168.4.10/32"


async def test_a_route_is_announced_and_withdrawn() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.brain.say(peer(), route(VIP, communities=("64512:7", "large:64512:1:2")))
        lab.brain.start()

        found = await until(lambda: lab.frr.route(VIP), "the route in FRR")
        assert found["community"]["list"] == ["64512:7"]
        assert found["largeCommunity"]["list"] == ["64512:1:2"]
        assert found["nexthops"][0]["ip"] == "10.9.0.1"
        await until(lambda: lab.brain.is_up("router"), "the session's report")
        await until(lambda: announced(lab) == [VIP], "what it announces")


def announced(lab: BgpLab) -> list[str]:
    report = lab.brain.session("router")
    return [str(prefix) for prefix in report.announced] if report else []


async def test_ready_when_the_router_has_the_routes() -> None:
    async with bgp_lab("") as lab:
        lab.brain.say(peer(), route(VIP))
        lab.brain.start()
        waits = "not ready: not all routes at router yet\n"
        await until(lambda: lab.speaker.page("/readyz") == waits, "what is waited for")
        lab.frr.start(frr_config())

        await until(lambda: lab.speaker.page("/readyz") == "ok\n", "readiness")
        await until(lambda: lab.frr.route(VIP), "the route in FRR")


async def test_a_killed_exabgp_is_repaired() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.brain.say(peer(), route(VIP))
        lab.brain.start()
        await until(lambda: lab.frr.route(VIP), "the route in FRR")
        before = lab.speaker.exabgp
        os.kill(before, signal.SIGKILL)

        await until(lambda: lab.speaker.exabgp not in (0, before), "another ExaBGP")
        await until(lambda: lab.frr.established() == 2, "the next session")
        await until(lambda: lab.frr.route(VIP), "the route again")
        await until(lambda: lab.brain.is_up("router"), "the session's report")
        assert lab.speaker.metrics()["herald_bgp_exabgp_lost_total"] == 1


async def test_sigterm_de_prefers_waits_withdraws_and_ends() -> None:
    async with bgp_lab(frr_config(), "--bgp-wait-s", str(SEEN_S)) as lab:
        lab.brain.say(peer(), route(VIP))
        lab.brain.start()
        lab.wire.start()
        await until(lambda: lab.frr.route(VIP), "the route in FRR")
        await until(lambda: lab.wire.connected, "wire's connection")
        began = time.monotonic()
        lab.speaker.terminate()

        path = await until(
            lambda: (found := lab.frr.route(VIP)).get("community") and found, "GSHUT"
        )
        assert path["community"]["list"] == ["gracefulShutdown"]
        assert path["aspath"]["string"] == "64512 64512 64512 64512"
        assert path["metric"] == 4294967295
        await until(lambda: not lab.frr.route(VIP), "withdrawal")
        assert time.monotonic() - began >= SEEN_S
        await until(lambda: Withdrawn() in lab.wire.heard, "word to wire")
        await until(lab.speaker.ended, "its end")
        assert lab.speaker.status == 0
