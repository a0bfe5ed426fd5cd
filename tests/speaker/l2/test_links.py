import socket
import struct
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.l2.ethernet import Mac
from speaker.l2.links import (
    AddressChange,
    Done,
    Event,
    Link,
    LinkGone,
    LinkTable,
    MessageType,
    Neighbour,
    NetlinkError,
    Route,
    Unusable,
    parse_netlink,
)

MAC = Mac.parse("02:00:00:00:00:65")
UP = 0x1 | 0x2 | 0x40 | 0x10000
TENTATIVE = 0x40


def message(kind: int, fixed: bytes, attributes: Mapping[int, bytes]) -> bytes:
    """One netlink message, its attributes padded to four octets."""
    body = fixed
    for number, value in attributes.items():
        body += struct.pack("=HH", 4 + len(value), number) + value
        body += bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def link_message(
    name: str = "lan0", flags: int = UP, *, master: int = 0, hardware: int = 1, family: int = 0
) -> bytes:
    fixed = struct.pack("=BxHiII", family, hardware, 2, flags, 0)
    attributes = {1: MAC.octets, 3: name.encode() + b"\0", 4: struct.pack("=I", 9000)}
    if master:
        attributes[10] = struct.pack("=I", master)
    return message(MessageType.NEW_LINK, fixed, attributes)


def address_message(text: str, *, present: bool = True, flags: int = 0, index: int = 2) -> bytes:
    interface = ip_interface(text)
    family = socket.AF_INET if interface.version == 4 else socket.AF_INET6
    kind = MessageType.NEW_ADDRESS if present else MessageType.DELETED_ADDRESS
    fixed = struct.pack("=BBBBI", family, interface.network.prefixlen, flags, 0, index)
    return message(kind, fixed, {1: interface.ip.packed, 8: struct.pack("=I", flags)})


def neighbour_message(text: str, state: int = 0x02, mac: bytes = MAC.octets) -> bytes:
    address = ip_address(text)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    fixed = struct.pack("=BxxxiHBB", family, 2, state, 0, 1)
    return message(MessageType.NEW_NEIGHBOUR, fixed, {1: address.packed, 2: mac})


def route_message(gateway: str, prefix: int = 0) -> bytes:
    fixed = struct.pack("=BBBBBBBBI", socket.AF_INET, prefix, 0, 0, 254, 3, 0, 1, 0)
    attributes = {5: ip_address(gateway).packed, 4: struct.pack("=i", 2)}
    return message(MessageType.NEW_ROUTE, fixed, attributes)


def parse_one(octets: bytes) -> Event:
    (event,) = parse_netlink(octets)
    return event


VECTORS = (
    link_message(),
    address_message("192.168.4.101/24"),
    address_message("fe80::65/64"),
    neighbour_message("192.168.4.1"),
    route_message("192.168.4.1"),
    message(MessageType.DELETED_LINK, struct.pack("=BxHiII", 0, 1, 2, 0, 0), {}),
    message(MessageType.ERROR, struct.pack("=i", -1) + bytes(16), {}),
)


def test_a_link_is_read_with_its_name_mac_and_mtu() -> None:
    read = parse_one(link_message())

    assert read == Link(2, "lan0", MAC, UP, 1, enslaved=False, mtu=9000)
    assert isinstance(read, Link)
    assert read.unusable is None


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        pytest.param(link_message(flags=UP & ~0x1), Unusable.DOWN, id="down"),
        pytest.param(link_message(flags=UP & ~0x10000), Unusable.NO_CARRIER, id="no-carrier"),
        pytest.param(link_message(flags=UP | 0x80), Unusable.NO_ARP, id="no-arp"),
        pytest.param(link_message(master=7), Unusable.ENSLAVED, id="port-of-a-bridge"),
        pytest.param(link_message(hardware=772), Unusable.NOT_ETHERNET, id="loopback-type"),
        pytest.param(link_message("lo"), Unusable.NAME, id="lo"),
        pytest.param(link_message("veth1a2b"), Unusable.NAME, id="veth"),
        pytest.param(link_message("cali123"), Unusable.NAME, id="calico"),
        pytest.param(link_message("docker0"), Unusable.NAME, id="docker"),
        pytest.param(link_message("lan0"), None, id="lan0"),
        pytest.param(link_message("mgmt0"), None, id="mgmt0"),
        pytest.param(link_message("lo1"), None, id="only-lo-itself"),
        pytest.param(link_message("eno1.100"), None, id="vlan"),
        pytest.param(link_message("bond0"), None, id="bond"),
    ],
)
def test_which_nics_take_part(octets: bytes, reason: Unusable | None) -> None:
    read = parse_one(octets)

    assert isinstance(read, Link)
    assert read.unusable is reason


def test_a_bridges_view_of_its_port_is_no_link() -> None:
    assert parse_netlink(link_message(family=socket.AF_BRIDGE)) == []


def test_addresses_come_and_go() -> None:
    table = LinkTable()
    table.apply(parse_one(link_message()))

    assert table.apply(parse_one(address_message("192.168.4.101/24")))
    assert not table.apply(parse_one(address_message("192.168.4.101/24")))
    assert table.apply(parse_one(address_message("fe80::65/64")))
    assert table.apply(parse_one(address_message("192.168.4.101/24", present=False)))
    assert table.links[2].addresses == (ip_interface("fe80::65/64"),)


def test_an_address_that_is_still_being_tried_is_not_there_yet() -> None:
    table = LinkTable()
    table.apply(parse_one(link_message()))

    assert not table.apply(parse_one(address_message("fd00:4::65/64", flags=TENTATIVE)))
    assert table.apply(parse_one(address_message("fd00:4::65/64")))


def test_questions_come_from_the_link_local_address_where_there_is_one() -> None:
    addresses = ("192.168.4.101/24", "fd00:4::65/64", "fe80::65/64")
    link = Link(2, "lan0", MAC, UP, addresses=tuple(map(ip_interface, addresses)))

    assert link.address(6) == IPv6Address("fe80::65")
    assert link.address(4) == IPv4Address("192.168.4.101")
    assert Link(2, "lan0", MAC).address(4) is None


def test_a_change_of_flags_keeps_the_addresses() -> None:
    table = LinkTable()
    table.apply(parse_one(link_message()))
    table.apply(parse_one(address_message("192.168.4.101/24")))

    assert table.apply(parse_one(link_message(flags=UP & ~0x10000)))
    assert table.by_name()["lan0"].addresses == (ip_interface("192.168.4.101/24"),)


def test_a_deleted_link_is_forgotten() -> None:
    table = LinkTable()
    table.apply(parse_one(link_message()))

    assert table.apply(LinkGone(2))
    assert not table.apply(LinkGone(2))
    assert not table.apply(parse_one(address_message("192.168.4.101/24")))


def test_routers_and_their_macs_are_read() -> None:
    assert parse_one(route_message("192.168.4.1")) == Route(2, ip_address("192.168.4.1"))
    assert parse_netlink(route_message("192.168.4.1", prefix=24)) == []
    assert parse_one(neighbour_message("fe80::1")) == Neighbour(2, ip_address("fe80::1"), MAC)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(neighbour_message("192.168.4.1", state=0x20), id="failed"),
        pytest.param(neighbour_message("192.168.4.1", state=0x01), id="incomplete"),
        pytest.param(neighbour_message("192.168.4.1", mac=b""), id="no-mac"),
        pytest.param(neighbour_message("192.168.4.1", mac=bytes(6)), id="zero-mac"),
    ],
)
def test_a_neighbour_whose_mac_is_not_known_is_not_listed(octets: bytes) -> None:
    assert parse_netlink(octets) == []


def test_the_end_of_a_dump_and_a_refusal_are_told_apart() -> None:
    done = message(MessageType.DONE, bytes(4), {})

    assert parse_netlink(link_message() + done)[1] == Done()
    assert parse_one(VECTORS[-1]) == NetlinkError(1)


def test_a_datagram_holds_many_messages() -> None:
    assert len(parse_netlink(b"".join(VECTORS))) == len(VECTORS)


@pytest.mark.parametrize("octets", VECTORS)
def test_every_truncation_tells_nothing(octets: bytes) -> None:
    for length in range(len(octets)):
        assert parse_netlink(octets[:length]) == []


@given(st.sampled_from(list(MessageType)), st.binary(max_size=60))
@settings(max_examples=80)
def test_random_bytes_never_raise(kind: MessageType, body: bytes) -> None:
    table = LinkTable()
    for event in parse_netlink(message(kind, body, {}) + body):
        table.apply(event)


def test_an_unknown_address_of_an_unknown_link_changes_nothing() -> None:
    change = AddressChange(9, ip_interface("10.0.0.1/8"), present=True)

    assert not LinkTable().apply(change)
