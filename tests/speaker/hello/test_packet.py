import hmac
import struct
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.hello.entry import Claim, Entry, Grade, Line, encode_lines
from speaker.hello.packet import (
    HEADER,
    MAX_ECHOES,
    MAX_PAYLOAD,
    Changes,
    Double,
    DropReason,
    Hello,
    Keyring,
    build_hello,
    parse_hello,
    room_for_lines,
)
from speaker.l2.doubles import MAX_TOLD
from speaker.l2.udp import IPV4_BYTES, UDP_BYTES
from tests.speaker.hello.vectors import ENCODED, HELLOS, KEY_ID, RING, VECTORS

ADDRESSES = st.ip_addresses(v=4) | st.ip_addresses(v=6)
CLAIMS = st.builds(
    Claim,
    generation=st.integers(0, 2**64 - 1),
    provisional=st.booleans(),
    leaving=st.booleans(),
    uid_hash=st.integers(0, 2**32 - 1),
)
ENTRIES = st.builds(
    Entry,
    grade=st.sampled_from(Grade),
    weight=st.integers(-0x7FFF, 0x7FFF),
    claim=st.none() | CLAIMS,
    held=st.booleans(),
)


def vector(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name])


def resign(signed: bytes) -> bytes:
    return signed + hmac.digest(RING.keys[KEY_ID], signed, "sha256")


@pytest.mark.parametrize("name", HELLOS)
def test_the_format_on_the_wire_has_not_changed(name: str) -> None:
    hello = HELLOS[name]
    lines = ENCODED if hello.changes or hello.chunk else b""
    assert build_hello(hello, RING, KEY_ID, lines).hex() == VECTORS[name]
    assert parse_hello(vector(name), RING) == hello


@pytest.mark.parametrize("name", HELLOS)
def test_every_truncation_is_dropped(name: str) -> None:
    whole = vector(name)
    for length in range(len(whole)):
        assert isinstance(parse_hello(whole[:length], RING), DropReason)


@pytest.mark.parametrize("name", HELLOS)
def test_a_truncation_that_is_signed_is_dropped_or_ends_between_tlvs(name: str) -> None:
    signed = vector(name)[:-32]
    ends, at = {HEADER.size}, HEADER.size
    while at < len(signed):
        at += 3 + struct.unpack_from("!BH", signed, at)[1]
        ends.add(at)
    for length in range(HEADER.size, len(signed)):
        parsed = parse_hello(resign(signed[:length]), RING)
        assert isinstance(parsed, DropReason) or length in ends


@pytest.mark.parametrize("name", HELLOS)
def test_every_flipped_byte_is_dropped(name: str) -> None:
    whole = bytearray(vector(name))
    for at in range(len(whole)):
        whole[at] ^= 0x41
        assert isinstance(parse_hello(bytes(whole), RING), DropReason)
        whole[at] ^= 0x41


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=100)
def test_no_bytes_raise(junk: bytes, signed: bool) -> None:
    head = vector("owner")[: HEADER.size]
    payload = resign(head + junk) if signed else junk
    parse_hello(payload, RING)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b"", DropReason.TOO_SHORT, id="empty"),
        pytest.param(bytes(1473), DropReason.TOO_LONG, id="longer than a frame"),
        pytest.param(bytes(100), DropReason.BAD_MAGIC, id="another protocol"),
        pytest.param(b"HRLD\x02" + bytes(100), DropReason.BAD_VERSION, id="another version"),
        pytest.param(
            b"HRLD\x01" + bytes(100), DropReason.OTHER_CLUSTER, id="another cluster, before HMAC"
        ),
    ],
)
def test_what_is_not_ours_is_dropped_for_its_reason(payload: bytes, reason: DropReason) -> None:
    assert parse_hello(payload, RING) is reason


def test_a_key_that_is_not_in_force_and_a_wrong_key_are_told_apart() -> None:
    payload = vector("owner")
    assert parse_hello(payload, Keyring(RING.cluster, {8: bytes(32)})) is DropReason.UNKNOWN_KEY
    assert parse_hello(payload, Keyring(RING.cluster, {7: bytes(32)})) is DropReason.BAD_HMAC


def test_unknown_tlvs_are_skipped_and_a_repeated_one_is_not() -> None:
    signed = vector("owner")[:-32]
    assert parse_hello(resign(signed + b"\xee\x00\x02hi"), RING) == HELLOS["owner"]
    assert parse_hello(resign(signed + signed[HEADER.size :]), RING) is DropReason.MALFORMED


@pytest.mark.parametrize("node", ["", "Node1", "a b", "-a", "x" * 254, "node\n"])
def test_a_node_name_that_kubernetes_would_not_allow_is_malformed(node: str) -> None:
    payload = build_hello(replace(HELLOS["starting"], node=node), RING, KEY_ID)
    assert parse_hello(payload, RING) is DropReason.MALFORMED


@given(st.lists(st.tuples(ADDRESSES, st.none() | ENTRIES), max_size=30))
@settings(max_examples=50)
def test_lines_survive_the_wire(lines: list[Line]) -> None:
    encoded, count = encode_lines(lines, 10_000)
    hello = replace(HELLOS["starting"], changes=Changes(0, 1, tuple(lines)))
    assert count == len(lines)
    assert parse_hello(build_hello(hello, RING, KEY_ID, encoded), RING) == hello


@pytest.mark.parametrize("doubles", [0, MAX_TOLD])
def test_a_full_datagram_fits_the_smallest_mtu_that_ipv6_works_on(doubles: int) -> None:
    sixes = (ip_address(0xFD00 << 112 | each) for each in range(doubles))
    hello = replace(
        HELLOS["owner"],
        node="n" * 63,
        echoes={each: (each, each) for each in range(MAX_ECHOES)},
        doubles=tuple(Double(each, 1, 1, False) for each in sixes),
    )
    lines = [
        (ip_address(0x0A000000 + each), Entry(Grade.ON_SUBNET, 0, Claim(each)))
        for each in range(200)
    ]
    encoded, count = encode_lines(lines, room_for_lines(hello))
    hello = replace(hello, changes=Changes(0, 1, tuple(lines[:count])))
    payload = build_hello(hello, RING, KEY_ID, encoded)
    assert MAX_PAYLOAD - 20 <= len(payload) <= MAX_PAYLOAD
    assert IPV4_BYTES + UDP_BYTES + len(payload) <= 1280
    assert isinstance(parse_hello(payload, RING), Hello)
