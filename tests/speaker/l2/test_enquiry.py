from ipaddress import IPv4Address, IPv6Address, ip_interface

from speaker.l2.arp import ArpPacket, parse_arp
from speaker.l2.enquiry import question
from speaker.l2.ethernet import BROADCAST
from speaker.l2.links import Link
from speaker.l2.ndp import UNSPECIFIED, Solicitation, multicast_mac, parse_ndp, solicited_node
from tests.speaker.l2.vectors import CLIENT, CLIENT6, NODE, VIP4

LINK = Link(
    2, "lan0", NODE, addresses=(ip_interface("192.168.4.101/24"), ip_interface("fe80::65/64"))
)
BARE = Link(2, "lan0", NODE)


def arp(frame: bytes | None) -> ArpPacket:
    packet = parse_arp(frame or b"")
    assert isinstance(packet, ArpPacket)
    return packet


def ndp(frame: bytes | None) -> Solicitation:
    packet = parse_ndp(frame or b"")
    assert isinstance(packet, Solicitation)
    return packet


def test_a_witness_is_asked_alone_and_from_the_nodes_own_address() -> None:
    asked = arp(question(VIP4, LINK, CLIENT))

    assert (asked.destination, asked.sender) == (CLIENT, IPv4Address("192.168.4.101"))
    assert question(CLIENT6, LINK, CLIENT)[:6] == CLIENT.octets  # type: ignore[index]  # a frame


def test_strangers_are_looked_for_everywhere() -> None:
    assert arp(question(VIP4, LINK)).destination == BROADCAST
    assert ndp(question(CLIENT6, LINK)).sender == IPv6Address("fe80::65")


def test_a_nic_without_addresses_asks_as_a_probe_does() -> None:
    assert arp(question(VIP4, BARE)).sender == IPv4Address(0)
    assert ndp(question(CLIENT6, BARE)).sender == UNSPECIFIED


def test_a_nic_without_addresses_asks_the_group_even_for_a_witness() -> None:
    frame = question(CLIENT6, BARE, CLIENT)

    assert frame is not None
    assert frame[:6] == multicast_mac(solicited_node(CLIENT6)).octets


def test_a_nic_without_a_mac_asks_nothing() -> None:
    assert question(VIP4, Link(2, "lan0", None)) is None
