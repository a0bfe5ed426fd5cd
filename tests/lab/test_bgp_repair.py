"""Whatever happens to ExaBGP or the brain, the routes in a real FRR come back, or never go."""

import asyncio
import os
import signal
import socket
import time
from functools import partial
from ipaddress import ip_network
from itertools import accumulate
from typing import Any

from speaker.bgp.reconciler import RESTART_PAUSES_S
from speaker.seam.codec import encode
from speaker.seam.messages import Begin, Drain, PeerRemoved, RouteRemoved
from tests.lab.bgp_lab import (
    SEEN_S,
    BgpLab,
    bgp_lab,
    children,
    frr_config,
    needs_lab,
    peer,
    route,
    until,
)

pytestmark = needs_lab
VIP = "192.168.4.10/32"
OTHER = "192.168.4.11/32"
LONG_HOLD_S, SOON_S = 180, 60.0
"A hold time that ends no session within the time that a test waits."


async def announced(lab: BgpLab, **changes: Any) -> None:
    """Have one route in FRR, and chosen: it shows a path before it has run its selection."""
    lab.brain.say(peer(**changes), route(VIP))
    lab.brain.start()
    await until(lambda: lab.frr.route(VIP).get("bestpath"), "the route in FRR")
    await until(lambda: lab.brain.is_up("router"), "the session's report")


async def test_a_stopped_exabgp_is_replaced_before_the_hold_time_ends() -> None:
    async with bgp_lab(frr_config()) as lab:
        await announced(lab, hold_time_s=LONG_HOLD_S)
        before = lab.speaker.exabgp
        os.kill(before, signal.SIGSTOP)

        await until(lambda: lab.frr.established() == 2, "the next session", limit_s=SOON_S)
        assert lab.speaker.exabgp not in (0, before)
        await until(lambda: lab.frr.route(VIP) and lab.brain.is_up("router"), "the route again")
        assert lab.speaker.metrics()["herald_bgp_exabgp_lost_total"] == 1


async def test_a_route_is_withdrawn_though_exabgp_is_stopped() -> None:
    async with bgp_lab(frr_config()) as lab:
        await announced(lab)
        os.kill(lab.speaker.exabgp, signal.SIGSTOP)
        lab.brain.intents = [peer(), route(OTHER)]
        await lab.brain.stop()
        lab.brain.start()

        await until(lambda: lab.frr.prefixes() == {OTHER}, "only the new route")


async def test_a_killed_api_process_costs_no_session() -> None:
    async with bgp_lab(frr_config()) as lab:
        await announced(lab)
        exabgp = lab.speaker.exabgp
        for _ in range(3):
            [helper] = children(exabgp)
            os.kill(helper, signal.SIGKILL)
            await until(partial(has_one_other_child, exabgp, helper), "another one")
        lab.brain.say(route(OTHER))

        await until(lambda: len(lab.frr.prefixes()) == 2, "the next route")
        assert lab.speaker.exabgp == exabgp
        assert lab.frr.established() == 1


async def test_a_config_that_exabgp_refuses_stops_only_its_peer() -> None:
    async with bgp_lab(frr_config()) as lab:
        bad = peer("bad", "10.9.0.77", hold_time_s=2)
        lab.brain.say(peer(), bad, route(VIP, "router", "bad"))
        lab.brain.start()

        await until(lambda: lab.frr.route(VIP), "the good peer's route")
        text = await until(lambda: lab.brain.fault("bad"), "the bad peer's fault")
        assert "BGPPeer bad: ExaBGP refuses it" in text
        assert "holdtime must be zero or at least 3 seconds" in text
        assert not lab.brain.fault("router")


async def test_a_refused_reload_leaves_sessions_and_can_be_mended() -> None:
    async with bgp_lab(frr_config()) as lab:
        await announced(lab)
        exabgp = lab.speaker.exabgp
        lab.brain.say(peer("bad", "10.9.0.77", hold_time_s=1))
        await until(lambda: lab.brain.fault("bad"), "the bad peer's fault")
        lab.brain.say(peer("bad", "10.9.0.77"))
        await until(lambda: lab.brain.session("bad") and not lab.brain.fault("bad"), "mended")
        lab.brain.say(PeerRemoved("bad"), route(OTHER))

        await until(lambda: len(lab.frr.prefixes()) == 2, "the next route")
        assert lab.speaker.exabgp == exabgp
        metrics = lab.speaker.metrics()
        assert metrics["herald_bgp_refused_configs_total"] == 1
        assert lab.frr.established() == 1


async def test_a_killed_brain_changes_nothing() -> None:
    async with bgp_lab(frr_config()) as lab:
        await announced(lab)
        await lab.brain.stop()
        before = lab.frr.json("show bgp ipv4 unicast")["tableVersion"]
        lab.brain.intents = [peer(), route(VIP), route(OTHER)]
        lab.brain.start()
        # The other route shows that the intent is carried out. FRR counts each change.
        await until(lambda: lab.frr.route(OTHER).get("bestpath"), "the next route")

        assert lab.frr.json("show bgp ipv4 unicast")["tableVersion"] == before + 1
        assert lab.frr.established() == 1


async def test_a_router_that_restarts_gets_its_routes_again() -> None:
    async with bgp_lab(frr_config()) as lab:
        await announced(lab)
        lab.frr.stop("bgpd")
        await until(lambda: not lab.brain.is_up("router"), "the session's end")
        lab.frr.start_daemon("bgpd")

        await until(lambda: lab.frr.route(VIP), "the route again")


async def test_a_killed_supervisor_leaves_no_process() -> None:
    async with bgp_lab(frr_config()) as lab:
        await announced(lab)
        exabgp = lab.speaker.exabgp
        [helper] = children(exabgp)
        lab.speaker.kill()

        await until(lambda: not any(map(is_running, (exabgp, helper))), "the end of both")
        await until(lambda: not lab.frr.route(VIP), "FRR's notice")


async def test_a_drained_node_takes_part_again() -> None:
    async with bgp_lab(frr_config(), "--bgp-wait-s", str(SEEN_S)) as lab:
        await announced(lab)
        lab.brain.say(Drain(active=True))
        await until(lambda: lab.frr.route(VIP).get("community"), "GSHUT")
        await until(lambda: not lab.frr.route(VIP), "withdrawal")
        assert lab.brain.is_up("router")
        lab.brain.say(Drain(active=False))

        back = await until(lambda: lab.frr.route(VIP), "the route again")
        assert "community" not in back


async def test_an_exabgp_that_does_not_start_is_reported_and_tried_again() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.speaker.kill()
        broken = lab.folder / "broken" / "exabgp"
        broken.mkdir(parents=True)
        (broken / "__init__.py").write_text("raise ImportError('no such thing today')\n")
        began = time.monotonic()
        lab.speaker.start(PYTHONPATH=str(broken.parent))
        lab.brain.say(peer(), route(VIP))
        lab.brain.start()

        def reason() -> str:
            report = lab.brain.session("router")
            return report.reason if report else ""

        await until(lambda: "no such thing today" in reason(), "the reason")
        await asyncio.sleep(1.0)
        lost = lab.speaker.metrics()["herald_bgp_exabgp_lost_total"]
        assert lost <= most_tries(time.monotonic() - began), "it backs off"
        broken.rename(broken.with_name("mended"))
        await until(lambda: lab.frr.route(VIP), "the route in FRR")
        await until(lambda: lab.brain.is_up("router") and not reason(), "the session's report")


def most_tries(seconds: float) -> int:
    """Return how often it may have been tried in this time, each try taking none."""
    pauses = (0.0, *RESTART_PAUSES_S, *[RESTART_PAUSES_S[-1]] * 100)
    return sum(begins <= seconds for begins in accumulate(pauses))


async def test_junk_on_the_socket_is_counted_and_costs_nothing() -> None:
    async with bgp_lab(frr_config()) as lab:
        await announced(lab)
        begin = encode(Begin("1", "brain"))
        for junk in (b"\0\xff" * 999 + b"\n", b'{"v":99,"t":"End"}\n', begin + b"{}\n", begin[:9]):
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(str(lab.folder / "bgp.sock"))
                line.sendall(junk)
        await until(lambda: lab.brain.is_up("router"), "the brain's own connection")

        assert lab.frr.route(VIP)
        await until(lambda: len(kinds_of_faults(lab)) >= 2, "the junk is counted")


async def test_a_speaker_without_routes_leaves_without_waiting() -> None:
    async with bgp_lab(frr_config(), "--bgp-wait-s", "60") as lab:
        lab.brain.say(peer())
        lab.brain.start()
        await until(lambda: lab.brain.is_up("router"), "the session")
        lab.speaker.terminate()

        await until(lab.speaker.ended, "its end", limit_s=40)
        assert lab.speaker.status == 0


async def test_a_config_that_cannot_be_written_keeps_no_route_from_changing() -> None:
    async with bgp_lab(frr_config()) as lab:
        await announced(lab)
        folder = lab.folder / "run"
        folder.rename(lab.folder / "away")
        lab.brain.say(peer("other", "10.9.0.77"), route(OTHER))
        lab.brain.say(RouteRemoved(ip_network(VIP)))

        def reason() -> str:
            report = lab.brain.session("other")
            return report.reason if report else ""

        await until(lambda: lab.frr.prefixes() == {OTHER}, "the other route alone")
        await until(lambda: "config can't be written" in reason(), "the reason")
        assert lab.brain.is_up("router")
        (lab.folder / "away").rename(folder)
        await until(lambda: "no answer from 10.9.0.77" in reason(), "the other peer's own reason")


async def test_what_another_hand_withdrew_is_announced_again_after_reading_back() -> None:
    async with bgp_lab(frr_config()) as lab:
        await announced(lab)
        [helper] = children(lab.speaker.exabgp)
        # The answer must not be taken for that of a command of bgp's own: it sleeps meanwhile, and
        # what is left in the pipe of an API process that died is not for the next one's commands.
        os.kill(lab.speaker.pid, signal.SIGSTOP)
        pipe = os.open(f"/proc/{helper}/fd/1", os.O_WRONLY)
        os.write(pipe, f"withdraw route {VIP}\n".encode())
        os.close(pipe)
        await until(lambda: not lab.frr.route(VIP), "its loss")
        os.kill(helper, signal.SIGKILL)
        os.kill(lab.speaker.pid, signal.SIGCONT)

        await until(lambda: lab.frr.route(VIP), "the route again")
        await until(lambda: differences(lab) == 1, "the count")


def has_one_other_child(pid: int, child: int) -> bool:
    """Tell whether the process's only child is another one now."""
    found = children(pid)
    return len(found) == 1 and found != [child]


def kinds_of_faults(lab: BgpLab) -> list[str]:
    """What has been wrong on the seam."""
    return [name for name in lab.speaker.metrics() if name.startswith("herald_seam_faults_total")]


def differences(lab: BgpLab) -> float:
    """How many routes were not as believed."""
    return lab.speaker.metrics().get("herald_bgp_read_back_differences_total", 0)


async def test_a_peer_that_refuses_us_says_what_to_look_at() -> None:
    async with bgp_lab(frr_config(asn=64999)) as lab:
        lab.brain.say(peer(), route(VIP))
        lab.brain.start()

        words = "it does not take AS 64512"
        # The next try may be told of before we look.
        await until(lambda: any(words in each for each in lab.brain.reasons("router")), words)


def is_running(pid: int) -> bool:
    """Tell whether the process is there and no zombie."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
