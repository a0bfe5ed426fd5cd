"""The first milestone of the wire process: exactly one node answers, and when it dies another."""

import os
import signal
from pathlib import Path

import pytest

from speaker.seam.messages import Drain, InterfaceReport
from tests.lab.attempts import once_more_when_starved
from tests.lab.wire_lab import VIP, VIP6, intent, run, until, wire_lab

pytestmark = pytest.mark.netns

CAP_NET_RAW = 13


@once_more_when_starved
async def test_exactly_one_of_two_nodes_answers_and_when_its_wire_dies_the_other() -> None:
    async with wire_lab(2, intent(VIP), intent(VIP6)) as lab:
        owner = await lab.one_owner()
        (other,) = (node for node in lab.nodes if node is not owner)
        await lab.one_owner(VIP6)

        owner.kill()

        await until(other.owns, f"{other.node} takes over")
        assert await lab.watch.answers() == {lab.mac(other)}


@once_more_when_starved
async def test_arping_gets_one_answer_from_one_mac() -> None:
    async with wire_lab(2, intent(VIP)) as lab:
        owner = await lab.one_owner()
        shown = run(
            "ip", "netns", "exec", lab.watch.namespace, "arping", "-b", "-c", "2", "-w", "9",
            "-I", "lan0", str(VIP),
        )  # fmt: skip

        assert shown.lower().count(f"[{lab.mac(owner)}]") == 2
        assert "Received 2 response(s)" in shown


async def test_a_restarted_wire_answers_nothing_until_the_brain_has_ended_its_intent() -> None:
    async with wire_lab(1, intent(VIP)) as lab:
        (node,) = lab.nodes
        await lab.one_owner()
        await node.hang_up()
        node.kill()
        (node.folder / "wire.sock").unlink()  # that of the process before
        node.start()
        await until((node.folder / "wire.sock").exists, "wire listens")
        assert await lab.watch.answers_within(0.5) == set()

        node.dial()

        await lab.one_owner()


async def test_a_brain_that_dies_changes_nothing() -> None:
    async with wire_lab(1, intent(VIP)) as lab:
        (node,) = lab.nodes
        await lab.one_owner()

        await node.hang_up()

        for _ in range(5):
            assert await lab.watch.answers() == {lab.mac(node)}


@once_more_when_starved
async def test_sigterm_hands_over_and_exits_with_0() -> None:
    async with wire_lab(2, intent(VIP)) as lab:
        owner = await lab.one_owner()
        (other,) = (node for node in lab.nodes if node is not owner)

        owner.signal(signal.SIGTERM)

        await until(lambda: owner.status is not None, "the drained wire exits")
        assert owner.status == 0
        assert await lab.watch.answers() == {lab.mac(other)}


@once_more_when_starved
async def test_a_drain_message_hands_over_and_its_end_lets_the_node_take_part_again() -> None:
    async with wire_lab(2, intent(VIP)) as lab:
        owner = await lab.one_owner()
        (other,) = (node for node in lab.nodes if node is not owner)

        owner.say(Drain(active=True))
        await until(other.owns, "the other node takes over")
        await until(lambda: not owner.owns(), "the drained node lets go")
        owner.say(Drain(active=False))
        other.kill()

        await until(owner.owns, "the node takes part again")


@once_more_when_starved
async def test_a_brain_that_says_otherwise_does_not_stop_the_end() -> None:
    async with wire_lab(2, intent(VIP)) as lab:
        owner = await lab.one_owner()
        owner.intents.append(Drain(active=False))

        owner.signal(signal.SIGTERM)
        await owner.hang_up()
        owner.dial()

        await until(lambda: owner.status is not None, "the wire exits all the same")
        assert owner.status == 0


async def test_realtime_scheduling_is_had_when_asked_for() -> None:
    async with wire_lab(1, intent(VIP), flags=("--realtime",)) as lab:
        owner = await lab.one_owner()

        assert os.sched_getscheduler(owner.pid) == os.SCHED_RR


async def test_nics_are_reported_with_the_reason_why_they_take_no_part() -> None:
    async with wire_lab(1, intent(VIP)) as lab:
        (node,) = lab.nodes
        await lab.one_owner()
        run("ip", "-n", node.namespace, "link", "add", "spare0", "type", "veth", "peer", "spare1")

        await until(lambda: node.held(InterfaceReport, "spare0"), "the new NIC is reported")

        lan, spare = (node.held(InterfaceReport, name) for name in ("lan0", "spare0"))
        assert (lan.usable, lan.reason) == (True, "")
        assert "192.168.4.101/24" in lan.addresses
        assert (spare.usable, spare.reason) == (False, "down")


@once_more_when_starved
async def test_the_capability_net_raw_is_enough() -> None:
    async with wire_lab(2, intent(VIP), intent(VIP6), start=False) as lab:
        for node in lab.nodes:
            node.wrapper = ("setpriv", "--bounding-set=-all,+net_raw")
            node.start()
            node.dial()
        owner = await lab.one_owner()
        (other,) = (node for node in lab.nodes if node is not owner)

        assert effective_capabilities(owner.pid) == 1 << CAP_NET_RAW
        await lab.one_owner(VIP6)
        owner.kill()
        await until(other.owns, f"{other.node} takes over")


def effective_capabilities(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("CapEff:")[1].split()[0], 16)
