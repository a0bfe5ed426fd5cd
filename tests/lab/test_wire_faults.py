"""Cables, freezes, deleted NICs, junk on the seam, restarts: what the wire makes of them."""

import asyncio
import signal
import socket
import time
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address

import pytest

from speaker.l2.arp import arp_request
from speaker.l2.ethernet import Mac
from speaker.seam.messages import InterfaceReport
from tests.lab.attempts import once_more_when_starved
from tests.lab.wire_lab import (
    LIMIT_S,
    SILENCE_S,
    VIP,
    VIP6,
    WATCHER4,
    WireLab,
    answer_in,
    expected,
    intent,
    run,
    until,
    wire_lab,
)

pytestmark = pytest.mark.netns

ASK_EVERY_S = 0.005
LOST_S = 1.0
"""A carrier lost for longer than a detection time: whoever finds it again sooner goes on."""


async def answers_during(lab: WireLab, seconds: float) -> tuple[int, list[Mac]]:
    """Ask all the time; return how often, and who answered.

    Questions are counted, not seconds: a machine that had no time for either side lost nothing.
    """
    watch, asked, heard = lab.watch, 0, []
    watch.heard()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        watch.send(arp_request(VIP, mac=watch.mac, sender=WATCHER4))
        asked += 1
        await asyncio.sleep(ASK_EVERY_S)
        heard += watch.heard()
    await asyncio.sleep(SILENCE_S)
    heard += watch.heard()
    return asked, [mac for frame in heard if (mac := answer_in(frame, VIP)) is not None]


@once_more_when_starved
async def test_a_pulled_cable_moves_the_address_and_a_plugged_one_takes_nothing_back() -> None:
    async with wire_lab(2, intent(VIP)) as lab:
        owner = await lab.one_owner()
        (other,) = (node for node in lab.nodes if node is not owner)

        lab.cable(owner, plugged=False)
        await until(other.owns, "the other node takes over")
        await until(lambda: not owner.owns(), "the unplugged node lets go")
        await until(lambda: owner.held(InterfaceReport, "lan0").reason == "no-carrier", "why")
        assert not owner.held(InterfaceReport, "lan0").usable
        await asyncio.sleep(LOST_S)
        lab.cable(owner, plugged=True)

        await until(lambda: owner.held(InterfaceReport, "lan0").usable, "carrier is seen")
        _, answers = await answers_during(lab, 1.5)
        assert set(answers) == {lab.mac(other)}


@once_more_when_starved
async def test_a_frozen_owner_is_replaced_and_on_waking_drops_what_it_slept_through() -> None:
    async with wire_lab(2, intent(VIP)) as lab:
        owner = await lab.one_owner()
        (other,) = (node for node in lab.nodes if node is not owner)

        owner.signal(signal.SIGSTOP)
        await until(other.owns, "the other node takes over")
        await asyncio.sleep(1)
        asking = asyncio.create_task(answers_during(lab, 1.0))
        await asyncio.sleep(0.3)
        owner.signal(signal.SIGCONT)
        asked, answers = await asking

        assert set(answers) == {lab.mac(other)}
        assert (asked - len(answers)) * ASK_EVERY_S < 0.3
        assert owner.metrics()["herald_wire_stalls"] >= 1


async def test_a_nic_that_is_deleted_and_made_anew_takes_part_again() -> None:
    async with wire_lab(1, intent(VIP)) as lab:
        (node,) = lab.nodes
        await lab.one_owner()
        before = lab.mac(node)

        run("ip", "-n", node.namespace, "link", "del", "lan0")
        await until(lambda: node.owner() is None, "the address is forgotten on the NIC")
        await until(lambda: node.held(InterfaceReport, "lan0").reason == "gone", "it is told")
        switch = f"{lab.prefix}-lan"
        cable = ["type", "veth", "peer", "name", "lan0", "netns", node.namespace]
        run("ip", "-n", switch, "link", "add", node.node, *cable)
        run("ip", "-n", switch, "link", "set", node.node, "master", "br0", "up")
        run("ip", "-n", node.namespace, "addr", "add", "192.168.4.101/24", "dev", "lan0")
        run("ip", "-n", node.namespace, "link", "set", "lan0", "up")

        await lab.one_owner()
        assert lab.mac(node) != before


async def test_a_nic_that_comes_and_goes_all_the_time_breaks_nothing() -> None:
    sixes = [intent(IPv6Address(int(VIP6) + 7 * i)) for i in range(40)]
    async with wire_lab(1, intent(VIP), *sixes) as lab:
        (node,) = lab.nodes
        await lab.one_owner()
        switch = f"{lab.prefix}-lan"
        cable = ["type", "veth", "peer", "name", "lan0", "netns", node.namespace]
        for turn in range(8):
            run("ip", "-n", node.namespace, "link", "del", "lan0")
            node.say(intent(IPv6Address(int(VIP6) + 70_000 * turn)))
            run("ip", "-n", switch, "link", "add", node.node, *cable)
            run("ip", "-n", switch, "link", "set", node.node, "master", "br0", "up")
            run("ip", "-n", node.namespace, "addr", "add", "192.168.4.101/24", "dev", "lan0")
            for state in ("up", "down", "up"):
                run("ip", "-n", node.namespace, "link", "set", "lan0", state)

        await lab.comes_to_answer(node)
        assert node.status is None


async def test_an_enslaved_nic_takes_no_part_until_it_is_free_again() -> None:
    async with wire_lab(1, intent(VIP)) as lab:
        (node,) = lab.nodes
        await lab.one_owner()
        run("ip", "-n", node.namespace, "link", "add", "docker0", "type", "bridge")
        run("ip", "-n", node.namespace, "link", "set", "lan0", "master", "docker0")

        def reason() -> str:
            return str(node.held(InterfaceReport, "lan0").reason)

        await until(lambda: reason() == "enslaved", "the NIC is out")
        assert await lab.watch.answers_within(SILENCE_S) == set()
        run("ip", "-n", node.namespace, "link", "set", "lan0", "nomaster")

        await lab.one_owner()


async def test_a_wire_that_restarts_takes_up_its_own_addresses() -> None:
    async with wire_lab(1, intent(VIP)) as lab:
        (node,) = lab.nodes
        await lab.one_owner()
        stored = node.folder / "wire-claims.json"
        await until(lambda: stored.exists() and str(VIP) in stored.read_text(), "it is stored")
        await node.hang_up()
        node.kill()

        node.start()
        node.dial()

        await until(node.owns, "the address is answered again")
        report = node.owner()
        assert report is not None
        assert report.cause == "resumed"


async def test_junk_on_the_seam_ends_that_connection_and_nothing_else() -> None:
    async with wire_lab(1, intent(VIP)) as lab:
        (node,) = lab.nodes
        await lab.one_owner()
        for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 5000, b'{"v":9,"t":"Begin"}\n', b"[]\n"):
            with socket.socket(socket.AF_UNIX) as talking:
                talking.settimeout(LIMIT_S)
                talking.connect(str(node.folder / "wire.sock"))
                talking.sendall(junk + b"\n")
                assert talking.recv(100) == b""

        assert await lab.one_owner() is node
        faults: Mapping[str, float] = {
            k: v for k, v in node.metrics().items() if "seam_faults" in k
        }
        assert sum(faults.values()) >= 4


@once_more_when_starved
async def test_a_hundred_addresses_move_together() -> None:
    vips = [IPv4Address(int(IPv4Address("192.168.4.120")) + i) for i in range(100)]
    async with wire_lab(2, *(intent(vip) for vip in vips)) as lab:

        def settled() -> bool:
            return all(sum(node.owns(vip) for node in lab.nodes) == 1 for vip in vips)

        await until(settled, "each address has one owner")
        first, second = sorted(lab.nodes, key=lambda node: sum(map(node.owns, vips)))
        second.kill()
        began = time.monotonic()

        await until(lambda: all(map(first.owns, vips)), "the survivor has all")
        assert time.monotonic() - began < 1.5


async def test_two_nics_on_one_segment_are_one_segment() -> None:
    async with wire_lab(1, intent(VIP), start=False) as lab:
        (node,) = lab.nodes
        cable = ["type", "veth", "peer", "name", "lan1", "netns", node.namespace]
        switch = f"{lab.prefix}-lan"
        run("ip", "-n", switch, "link", "add", "twin", *cable)
        run("ip", "-n", switch, "link", "set", "twin", "master", "br0", "up")
        run("ip", "-n", node.namespace, "link", "set", "lan1", "up")
        node.start()
        node.dial()

        def owning() -> list[str]:
            return [nic for nic in ("lan0", "lan1") if node.owns(VIP, nic)]

        await until(lambda: len(owning()) == 1, "one NIC owns the address")
        ends = time.monotonic() + 1
        while time.monotonic() < ends:
            assert len(owning()) <= 1
            assert len(await lab.watch.answers()) == 1
        await until(lambda: len(owning()) == 1, "one NIC owns the address still")


async def test_a_node_that_hears_none_of_those_it_expects_waits_for_a_sign_of_life() -> None:
    async with wire_lab(1, intent(VIP), start=False) as lab:
        (node,) = lab.nodes
        node.intents[1] = expected(3, but=1)
        run("ip", "-n", lab.watch.namespace, "link", "set", "lan0", "down")
        node.start()
        node.dial()

        def cause() -> str:
            report = node.owner()
            return report.cause if report is not None else ""

        await until(lambda: cause() == "waiting-for-life", "it waits")
        await asyncio.sleep(1)
        assert not node.owns()

        run("ip", "-n", lab.watch.namespace, "link", "set", "lan0", "up")  # its kernel says so

        await until(node.owns, "a frame of another host is enough")
        report = node.owner()
        assert report is not None
        assert report.provisional
