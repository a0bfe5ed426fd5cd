from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.l2.arp import ArpPacket, Operation, arp_announcement, arp_request, parse_arp
from speaker.l2.ethernet import BROADCAST, UNKNOWN, FrameDrop, Mac
from tests.speaker.l2.vectors import (
    ARP_ANNOUNCEMENT,
    ARP_GRATUITOUS_REPLY,
    ARP_PROBE,
    ARP_REQUEST,
    ARP_VECTORS,
    CLIENT,
    CLIENT4,
    NODE,
    NODE4,
    VIP4,
)

MACS = st.binary(min_size=6, max_size=6).map(lambda b: Mac(bytes([b[0] & 0xFE | 2]) + b[1:]))
ADDRESSES = st.ip_addresses(v=4).map(lambda a: IPv4Address(int(a)))


def test_a_request_of_linux_is_read_and_made_alike() -> None:
    read = parse_arp(ARP_REQUEST)

    assert read == ArpPacket(Operation.REQUEST, NODE, NODE4, UNKNOWN, CLIENT4, source=NODE)
    assert arp_request(CLIENT4, mac=NODE, sender=NODE4)[: len(ARP_REQUEST)] == ARP_REQUEST


def test_a_probe_has_no_sender() -> None:
    read = parse_arp(ARP_PROBE)

    assert isinstance(read, ArpPacket)
    assert read.sender == IPv4Address(0)
    assert read.target == VIP4
    assert not read.is_announcement


@pytest.mark.parametrize("frame", [ARP_ANNOUNCEMENT, ARP_GRATUITOUS_REPLY])
def test_an_announcement_is_known_in_both_forms(frame: bytes) -> None:
    read = parse_arp(frame)

    assert isinstance(read, ArpPacket)
    assert read.is_announcement
    assert read.sender_mac == CLIENT


def test_the_reply_form_of_an_announcement_is_that_of_arping() -> None:
    made = arp_announcement(CLIENT4, CLIENT, Operation.REPLY)

    assert made[: len(ARP_GRATUITOUS_REPLY)] == ARP_GRATUITOUS_REPLY


def test_the_request_form_of_an_announcement_leaves_the_target_open() -> None:
    read = parse_arp(arp_announcement(CLIENT4, CLIENT, Operation.REQUEST))

    assert isinstance(read, ArpPacket)
    assert read.target_mac == UNKNOWN
    assert read.destination == BROADCAST


def test_a_frame_is_padded_to_the_ethernet_minimum() -> None:
    assert len(arp_request(VIP4, mac=NODE, sender=NODE4)) == 60


@pytest.mark.parametrize(
    ("at", "octets", "reason"),
    [
        pytest.param(12, b"\x08\x00", FrameDrop.ETHER_TYPE, id="ipv4"),
        pytest.param(14, b"\x00\x06", FrameDrop.ARP_FORMAT, id="hardware-type"),
        pytest.param(16, b"\x86\xdd", FrameDrop.ARP_FORMAT, id="protocol-type"),
        pytest.param(18, b"\x08", FrameDrop.ARP_FORMAT, id="hardware-length"),
        pytest.param(19, b"\x10", FrameDrop.ARP_FORMAT, id="protocol-length"),
        pytest.param(20, b"\x00\x08", FrameDrop.ARP_OPERATION, id="inverse-arp"),
        pytest.param(22, b"\xff" * 6, FrameDrop.ARP_SENDER, id="broadcast-sender"),
        pytest.param(22, b"\x00" * 6, FrameDrop.ARP_SENDER, id="zero-sender"),
    ],
)
def test_a_frame_that_is_not_ipv4_over_ethernet_is_dropped(
    at: int, octets: bytes, reason: FrameDrop
) -> None:
    frame = ARP_REQUEST[:at] + octets + ARP_REQUEST[at + len(octets) :]

    assert parse_arp(frame) is reason


@pytest.mark.parametrize("frame", ARP_VECTORS)
def test_every_truncation_is_dropped(frame: bytes) -> None:
    for length in range(len(frame)):
        assert parse_arp(frame[:length]) is FrameDrop.TRUNCATED


@given(st.binary(max_size=80))
@settings(max_examples=60)
def test_random_bytes_never_raise(body: bytes) -> None:
    assert isinstance(parse_arp(body), FrameDrop)
    parse_arp(bytes(12) + b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01" + body)


@given(st.sampled_from(Operation), MACS, ADDRESSES, MACS, ADDRESSES, MACS, MACS)
@settings(max_examples=40)
def test_what_is_made_is_read_back(
    operation: Operation,
    sender_mac: Mac,
    sender: IPv4Address,
    target_mac: Mac,
    target: IPv4Address,
    source: Mac,
    destination: Mac,
) -> None:
    packet = ArpPacket(operation, sender_mac, sender, target_mac, target, source, destination)

    assert parse_arp(packet.encode()) == packet
