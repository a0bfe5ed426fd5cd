from ipaddress import IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.l2.ethernet import FrameDrop, Mac
from speaker.l2.ndp import (
    ALL_NODES,
    UNSPECIFIED,
    Advertisement,
    Solicitation,
    advertisement,
    multicast_mac,
    parse_ndp,
    solicitation,
    solicited_node,
)
from tests.speaker.l2.vectors import (
    CLIENT,
    CLIENT6,
    CLIENT_LINK_LOCAL,
    NA_WITHOUT_OPTION,
    NDP_VECTORS,
    NODE,
    NODE6,
    NS_DAD,
    NS_MULTICAST,
    NS_UNICAST,
    with_checksum,
)


def changed(frame: bytes, at: int, octets: bytes) -> bytes:
    return with_checksum(frame[:at] + octets + frame[at + len(octets) :])


def test_a_solicitation_of_linux_is_read_and_made_alike() -> None:
    assert parse_ndp(NS_MULTICAST) == Solicitation(CLIENT6, NODE6, NODE, NODE)
    assert solicitation(CLIENT6, mac=NODE, sender=NODE6) == NS_MULTICAST


def test_a_unicast_solicitation_of_linux_is_read() -> None:
    assert parse_ndp(NS_UNICAST) == Solicitation(NODE6, CLIENT_LINK_LOCAL, CLIENT, CLIENT)


def test_a_dad_probe_with_a_nonce_is_read() -> None:
    read = parse_ndp(NS_DAD)

    assert read == Solicitation(CLIENT6, UNSPECIFIED, None, CLIENT)
    assert isinstance(read, Solicitation)
    assert read.is_dad


def test_an_advertisement_without_option_speaks_for_its_frame() -> None:
    read = parse_ndp(NA_WITHOUT_OPTION)

    assert isinstance(read, Advertisement)
    assert (read.target, read.mac, read.solicited) == (NODE6, NODE, True)


def test_an_unsolicited_advertisement_overrides_and_goes_to_all_nodes() -> None:
    read = parse_ndp(advertisement(NODE6, NODE))

    assert read == Advertisement(NODE6, NODE6, NODE, NODE, solicited=False, override=True)
    assert advertisement(NODE6, NODE)[:6] == multicast_mac(ALL_NODES).octets


def test_a_solicited_advertisement_goes_to_the_asker_alone() -> None:
    frame = advertisement(NODE6, NODE, destination=CLIENT_LINK_LOCAL, to=CLIENT)
    read = parse_ndp(frame)

    assert isinstance(read, Advertisement)
    assert read.solicited
    assert frame[:6] == CLIENT.octets


def test_a_probe_of_ours_carries_no_source_option() -> None:
    read = parse_ndp(solicitation(CLIENT6, mac=NODE, sender=UNSPECIFIED))

    assert read == Solicitation(CLIENT6, UNSPECIFIED, None, NODE)


def test_a_witness_is_asked_by_unicast() -> None:
    frame = solicitation(CLIENT6, mac=NODE, sender=NODE6, to=CLIENT)

    assert frame[:6] == CLIENT.octets
    assert frame[38:54] == CLIENT6.packed


def test_the_solicited_node_group_has_the_last_24_bits() -> None:
    group = solicited_node(IPv6Address("2001:db8::1:800:200e:8c6c"))

    assert group == IPv6Address("ff02::1:ff0e:8c6c")
    assert multicast_mac(group) == Mac.parse("33:33:ff:0e:8c:6c")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        pytest.param(changed(NS_MULTICAST, 12, b"\x08\x00"), FrameDrop.ETHER_TYPE, id="ether-type"),
        pytest.param(changed(NS_MULTICAST, 14, b"\x40"), FrameDrop.IP_VERSION, id="version"),
        pytest.param(changed(NS_MULTICAST, 20, b"\x2c"), FrameDrop.IP_PROTOCOL, id="fragment"),
        pytest.param(changed(NS_MULTICAST, 21, b"\xfe"), FrameDrop.TTL, id="forwarded"),
        pytest.param(changed(NS_MULTICAST, 55, b"\x01"), FrameDrop.ICMP_CODE, id="code"),
        pytest.param(changed(NS_MULTICAST, 54, b"\x85"), FrameDrop.ICMP_TYPE, id="router"),
        pytest.param(changed(NS_MULTICAST, 62, b"\xff"), FrameDrop.NDP_TARGET, id="group-target"),
        pytest.param(changed(NS_MULTICAST, 79, b"\x00"), FrameDrop.NDP_OPTION, id="option-0"),
        pytest.param(changed(NS_MULTICAST, 79, b"\x02"), FrameDrop.NDP_OPTION, id="option-long"),
        pytest.param(changed(NS_DAD, 78, b"\1\1\2"), FrameDrop.NDP_DAD, id="dad-source"),
        pytest.param(changed(NS_MULTICAST, 80, b"\3"), FrameDrop.NDP_OPTION, id="group-mac"),
        pytest.param(changed(NS_DAD, 38, NODE6.packed), FrameDrop.NDP_DAD, id="dad-unicast"),
        pytest.param(
            NS_MULTICAST[:-1] + b"\x66", FrameDrop.ICMP_CHECKSUM, id="one-bit-of-the-option"
        ),
    ],
)
def test_a_message_that_rfc_4861_calls_invalid_is_dropped(frame: bytes, reason: FrameDrop) -> None:
    assert parse_ndp(frame) is reason


@pytest.mark.parametrize("frame", NDP_VECTORS)
def test_every_truncation_is_dropped(frame: bytes) -> None:
    for length in range(len(frame)):
        assert isinstance(parse_ndp(frame[:length]), FrameDrop)


@pytest.mark.parametrize("frame", NDP_VECTORS)
def test_every_truncation_with_right_lengths_and_checksum_is_dropped_or_whole(frame: bytes) -> None:
    for length in range(55, len(frame)):
        read = parse_ndp(with_checksum(frame[:length]) if length >= 58 else frame[:length])

        assert isinstance(read, FrameDrop) or length == 78  # the message without its option


@given(st.binary(max_size=64))
@settings(max_examples=60)
def test_random_bytes_never_raise(body: bytes) -> None:
    assert isinstance(parse_ndp(body), FrameDrop)
    parse_ndp(with_checksum(NS_MULTICAST[:58] + body))
    parse_ndp(with_checksum(NS_MULTICAST[:78] + body))


@given(
    st.ip_addresses(v=6).map(lambda a: IPv6Address(int(a))).filter(lambda a: not a.is_multicast),
    st.ip_addresses(v=6).map(lambda a: IPv6Address(int(a))).filter(lambda a: not a.is_multicast),
)
@settings(max_examples=40)
def test_what_is_made_is_read_back(target: IPv6Address, sender: IPv6Address) -> None:
    asked = parse_ndp(solicitation(target, mac=NODE, sender=sender))
    option = None if sender == UNSPECIFIED else NODE

    assert asked == Solicitation(target, sender, option, NODE)
    assert parse_ndp(advertisement(target, NODE, destination=sender, to=CLIENT)) == Advertisement(
        target, target, NODE, NODE, solicited=True, override=True
    )
