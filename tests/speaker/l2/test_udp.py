from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.l2.ethernet import FrameDrop, internet_checksum
from speaker.l2.udp import Datagram, hello_frame, parse_hello_frame
from tests.speaker.l2.vectors import NODE, NODE4

FRAME = hello_frame(b"hello of node1", mac=NODE, sender=NODE4)


def changed(at: int, octets: bytes) -> bytes:
    """Change octets behind the Ethernet header and mend the IP header's checksum."""
    frame = FRAME[: 14 + at] + octets + FRAME[14 + at + len(octets) :]
    header = frame[14:24] + b"\0\0" + frame[26:34]
    return frame[:24] + internet_checksum(header).to_bytes(2, "big") + frame[26:]


def test_a_hello_is_read_back() -> None:
    assert parse_hello_frame(FRAME) == Datagram(b"hello of node1", NODE, NODE4)


def test_a_hello_goes_to_the_group_that_no_switch_snoops_away() -> None:
    assert FRAME[:6].hex(":") == "01:00:5e:00:00:fe"
    assert FRAME[30:34] == IPv4Address("224.0.0.254").packed
    assert FRAME[22] == 255


def test_a_nic_without_an_address_sends_from_none() -> None:
    read = parse_hello_frame(hello_frame(b"", mac=NODE, sender=IPv4Address(0)))

    assert read == Datagram(b"", NODE, IPv4Address(0))


def test_padding_behind_the_datagram_is_ignored() -> None:
    assert parse_hello_frame(FRAME + bytes(18)) == parse_hello_frame(FRAME)


def test_a_checksum_of_zero_means_none_was_computed() -> None:
    assert isinstance(parse_hello_frame(changed(26, b"\0\0")), Datagram)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        pytest.param(FRAME[:12] + b"\x86\xdd" + FRAME[14:], FrameDrop.ETHER_TYPE, id="ether-type"),
        pytest.param(changed(0, b"\x65"), FrameDrop.IP_VERSION, id="version"),
        pytest.param(changed(0, b"\x44"), FrameDrop.IP_HEADER, id="short-header"),
        pytest.param(changed(2, b"\0\x1b"), FrameDrop.IP_HEADER, id="short-total"),
        pytest.param(changed(2, b"\xff\xff"), FrameDrop.TRUNCATED, id="long-total"),
        pytest.param(FRAME[:24] + b"\1\2" + FRAME[26:], FrameDrop.IP_CHECKSUM, id="checksum"),
        pytest.param(changed(9, b"\x06"), FrameDrop.IP_PROTOCOL, id="tcp"),
        pytest.param(changed(6, b"\x20\0"), FrameDrop.IP_FRAGMENT, id="first-fragment"),
        pytest.param(changed(6, b"\0\x01"), FrameDrop.IP_FRAGMENT, id="later-fragment"),
        pytest.param(changed(16, b"\xe0\0\0\x01"), FrameDrop.DESTINATION, id="all-hosts"),
        pytest.param(changed(8, b"\xfe"), FrameDrop.TTL, id="forwarded"),
        pytest.param(changed(22, b"\0\x35"), FrameDrop.UDP_PORT, id="port"),
        pytest.param(changed(24, b"\0\x07"), FrameDrop.UDP_LENGTH, id="udp-short"),
        pytest.param(changed(24, b"\x01\0"), FrameDrop.UDP_LENGTH, id="udp-long"),
        pytest.param(changed(30, b"X"), FrameDrop.UDP_CHECKSUM, id="payload"),
    ],
)
def test_a_datagram_that_is_no_hello_of_this_segment_is_dropped(
    frame: bytes, reason: FrameDrop
) -> None:
    assert parse_hello_frame(frame) is reason


def test_every_truncation_is_dropped() -> None:
    for length in range(len(FRAME)):
        assert isinstance(parse_hello_frame(FRAME[:length]), FrameDrop)


def test_every_truncation_with_right_lengths_is_dropped() -> None:
    for length in range(34, len(FRAME)):
        frame = changed(2, (length - 14).to_bytes(2, "big"))[:length]

        assert isinstance(parse_hello_frame(frame), FrameDrop)


@given(st.binary(max_size=64))
@settings(max_examples=60)
def test_random_bytes_never_raise(body: bytes) -> None:
    assert isinstance(parse_hello_frame(body), FrameDrop)
    parse_hello_frame(FRAME[:14] + body)
    parse_hello_frame(FRAME[:34] + body)


@given(st.binary(max_size=1472))
@settings(max_examples=40)
def test_any_payload_is_read_back(payload: bytes) -> None:
    read = parse_hello_frame(hello_frame(payload, mac=NODE, sender=NODE4))

    assert read == Datagram(payload, NODE, NODE4)
