"""What the wire process sends and hears on a real segment, judged from a watcher on it."""

import random
import socket
from ipaddress import IPv4Address

import pytest

from netns_lab.netns import inside
from speaker.l2.arp import ArpPacket, Operation, arp_request, parse_arp
from speaker.l2.ethernet import EtherType, Mac, header
from speaker.l2.gratuitous import MAX_NEIGHBOR_ADVERTISEMENT
from speaker.l2.ndp import (
    UNSPECIFIED,
    Advertisement,
    parse_ndp,
    solicitation,
    solicited_node,
)
from speaker.l2.udp import GROUP, GROUP_MAC, hello_frame
from speaker.seam.messages import AddressRemoved, InterfaceReport, OwnerReport
from tests.lab.attempts import once_more_when_starved
from tests.lab.wire_lab import (
    SILENCE_S,
    VIP,
    VIP6,
    WATCHER4,
    WATCHER6,
    WireLab,
    WireProcess,
    intent,
    run,
    until,
    wire_lab,
)
from tests.speaker.l2.dissector import rebuilt, undissected

pytestmark = pytest.mark.netns

ROUTER = IPv4Address("192.168.4.1")


def announcements(frames: list[bytes], address: IPv4Address = VIP) -> list[ArpPacket]:
    found = [parse_arp(frame) for frame in frames]
    return [
        p for p in found if isinstance(p, ArpPacket) and p.is_announcement and p.sender == address
    ]


async def test_the_kernel_of_a_client_finds_the_address_in_both_families() -> None:
    async with wire_lab(1, intent(VIP), intent(VIP6)) as lab:
        owner = await lab.one_owner()
        await until(lambda: owner.owns(VIP6), "the IPv6 address is owned")
        with inside(lab.watch.namespace):
            four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)

        def resolved() -> bool:
            # Each time: a kernel gives up after three questions until it has something to send.
            four.sendto(b"?", (str(VIP), 9))
            six.sendto(b"?", (str(VIP6), 9))
            shown = run("ip", "-n", lab.watch.namespace, "neigh", "show", "dev", "lan0")
            lines = [line for line in shown.splitlines() if str(lab.mac(owner)) in line]
            return {line.split()[0] for line in lines} >= {str(VIP), str(VIP6)}

        with four, six:
            await until(resolved, "the client's kernel has both MACs")


async def test_solicitations_of_every_kind_are_answered() -> None:
    async with wire_lab(1, intent(VIP6)) as lab:
        unasked: list[Advertisement] = []

        def all_sent() -> bool:
            unasked.extend(told())
            return len(unasked) >= MAX_NEIGHBOR_ADVERTISEMENT

        def told() -> list[Advertisement]:
            found = [parse_ndp(frame) for frame in lab.watch.heard()]
            return [p for p in found if isinstance(p, Advertisement) and p.target == VIP6]

        # They look as answers to a node without an address do.
        await until(all_sent, "all that it announces without being asked")
        (node,) = lab.nodes
        mac = lab.mac(node)
        unicast = solicitation(VIP6, mac=lab.watch.mac, sender=WATCHER6, to=mac)
        dad = solicitation(VIP6, mac=lab.watch.mac, sender=UNSPECIFIED)

        def answered(asked: bytes, *, solicited: bool) -> bool:
            lab.watch.send(asked)  # each time: a wire that stood still drops what it was asked
            return any((each.mac, each.solicited) == (mac, solicited) for each in told())

        await until(lambda: answered(unicast, solicited=True), "an answer to one host")
        lab.watch.heard()
        await until(lambda: answered(dad, solicited=False), "an answer to all")


@once_more_when_starved
async def test_candidates_are_in_the_solicited_node_group_before_they_own() -> None:
    async with wire_lab(2, intent(VIP6)) as lab:
        await lab.one_owner(VIP6)

        def joined(node: WireProcess) -> bool:
            shown = run("ip", "-n", node.namespace, "maddr", "show", "dev", "lan0")
            return str(solicited_node(VIP6)) in shown and str(GROUP_MAC) in shown

        await until(lambda: all(map(joined, lab.nodes)), "both are in the groups")


async def test_an_owner_announces_in_both_forms_and_tells_the_gateway_first() -> None:
    async with wire_lab(1, intent(VIP), start=False) as lab:
        (node,) = lab.nodes
        router = Mac.parse("02:00:00:00:00:01")
        at = ["dev", "lan0"]
        run("ip", "-n", node.namespace, "route", "add", "default", "via", str(ROUTER), *at)
        neighbour = ["lladdr", str(router), "nud", "permanent"]
        run("ip", "-n", node.namespace, "neigh", "add", str(ROUTER), *neighbour, *at)
        # a bridge floods what is sent to a MAC it has never seen, so the watcher sees it too
        lab.watch.heard()
        node.start()
        node.dial()
        await lab_owner(lab)
        heard: list[bytes] = []

        def twelve() -> bool:
            heard.extend(lab.watch.heard())
            return len([p for p in announcements(heard) if p.destination != router]) >= 12

        await until(twelve, "six announcements in two forms")
        told = announcements(heard)

        assert (told[0].destination, told[0].operation) == (router, Operation.REPLY)
        assert {p.operation for p in told if p.destination != router} == set(Operation)
        assert all(p.sender_mac == lab.mac(node) for p in told)


async def lab_owner(lab: WireLab) -> None:
    """Wait without asking, so that nothing but announcements is heard."""
    await until(lab.owners, "an owner")


async def test_frames_about_other_addresses_never_reach_the_process() -> None:
    async with wire_lab(1, intent(VIP)) as lab:
        owner = await lab.one_owner()
        before = owner.metrics()
        for number in range(2000):
            other = IPv4Address(int(IPv4Address("192.168.5.0")) + number)
            lab.watch.send(arp_request(other, mac=lab.watch.mac, sender=WATCHER4))
        assert await lab.watch.answers() == {lab.mac(owner)}

        more = {k: v - before.get(k, 0) for k, v in owner.metrics().items() if "dropped" in k}
        # What a wire that stood still drops is what the watcher has asked it before.
        assert sum(v for k, v in more.items() if "stale" not in k) == 0
        assert sum(more.values()) < 100


@once_more_when_starved
async def test_garbage_of_every_kind_is_counted_and_changes_nothing() -> None:
    async with wire_lab(2, intent(VIP), intent(VIP6)) as lab:
        owner = await lab.one_owner()
        noise = random.Random(1)
        mac, to = lab.watch.mac, lab.mac(owner)
        payloads = [noise.randbytes(noise.randrange(0, 400)) for _ in range(300)]
        for payload in payloads:
            lab.watch.send(hello_frame(payload, mac=mac, sender=WATCHER4))
            lab.watch.send(hello_frame(b"HRLD\1" + payload, mac=mac, sender=WATCHER4)[:60])
            for kind in (EtherType.ARP, EtherType.IPV6, EtherType.IPV4):
                lab.watch.send(header(to, mac, kind) + payload)
        valid = solicitation(VIP6, mac=mac, sender=WATCHER6)
        asked = arp_request(VIP, mac=mac, sender=WATCHER4)
        for length in range(14, 60):
            lab.watch.send(valid[:length])
            lab.watch.send(asked[:length])
        for _ in range(100):
            lab.watch.send(valid[:55] + noise.randbytes(len(valid) - 55))

        def hellos_dropped() -> bool:
            names = (k for k, v in owner.metrics().items() if 'part="hello"' in k and v > 0)
            return any("bad-magic" in name or "too-short" in name for name in names)

        await until(hellos_dropped, "the garbage is counted")
        assert await lab.one_owner() is owner
        assert owner.metrics()["herald_wire_stalls"] == 0


async def test_an_address_can_be_meant_for_one_nic_alone() -> None:
    async with wire_lab(1, intent(VIP, interfaces=("other0",)), intent(VIP6)) as lab:
        (node,) = lab.nodes
        await lab.one_owner(VIP6)

        assert node.held(OwnerReport, (VIP, "lan0")) is None
        assert await lab.watch.answers_within(SILENCE_S, VIP) == set()


async def test_a_nic_that_no_intent_names_takes_no_part() -> None:
    async with wire_lab(1, intent(VIP, interfaces=("other0",))) as lab:
        (node,) = lab.nodes

        report = await until(
            lambda: (r := node.held(InterfaceReport, "lan0")) and r.reason == "not-wanted" and r,
            "the NIC is not wanted",
        )
        assert not report.usable


async def test_a_removed_address_is_silent_at_once_and_a_new_one_is_answered() -> None:
    async with wire_lab(1, intent(VIP)) as lab:
        (node,) = lab.nodes
        await lab.one_owner()
        other = IPv4Address("192.168.4.11")

        node.tell(AddressRemoved(VIP))
        node.tell(intent(other))

        await until(lambda: node.owns(other), "the new address is owned")
        assert await lab.watch.answers(other) == {lab.mac(node)}
        assert await lab.watch.answers_within(SILENCE_S, VIP) == set()


def of_the_speaker(frame: bytes, mac: Mac) -> bool:
    """Tell the process's frames from those of the node's kernel."""
    if frame[6:12] != mac.octets:
        return False
    if frame[12:14] == b"\x08\x06" or frame[30:34] == GROUP.packed:
        return True
    return frame[12:14] == b"\x86\xdd" and frame[62:78] == VIP6.packed


@once_more_when_starved
async def test_an_independent_dissector_reads_every_frame_a_speaker_really_sends() -> None:
    async with wire_lab(2, intent(VIP), intent(VIP6), start=False) as lab:
        lab.watch.heard()
        for node in lab.nodes:
            node.start()
            node.dial()
        sent: list[bytes] = []
        macs = [lab.mac(node) for node in lab.nodes]

        def all_kinds() -> bool:
            heard = lab.watch.heard()
            sent.extend(f for f in heard if any(of_the_speaker(f, mac) for mac in macs))
            lab.watch.send(arp_request(VIP, mac=lab.watch.mac, sender=WATCHER4))
            lab.watch.send(solicitation(VIP6, mac=lab.watch.mac, sender=WATCHER6))
            kinds = {frame[12:14].hex() for frame in sent}
            return kinds == {"0800", "0806", "86dd"} and len(sent) > 100

        await until(all_kinds, "frames of every kind")

        assert [frame.hex() for frame in sent if undissected(frame)] == []
        assert [frame.hex() for frame in sent if rebuilt(frame) != frame] == []
