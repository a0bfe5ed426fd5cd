"""The packet's bytes: vectors both ways, every truncation, every guard, random bytes."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.bfd.packet import (
    ControlPacket,
    Diagnostic,
    DropReason,
    State,
    encode_packet,
    parse_packet,
)

FRR_DOWN = bytes.fromhex("20400318 8dd20ed0 00000000 000f4240 000f4240 0000c350".replace(" ", ""))
"What FRR's bfdd sends first: Down, multiplier 3, 1 s, 1 s, echo 50 ms."

FRR_UP_FINAL = bytes.fromhex(
    "20d00318 8dd20ed0 00000007 000186a0 000186a0 0000c350".replace(" ", "")
)
"Its answer to a Poll: Up, 100 ms × 3."

FRR_TIMED_OUT = bytes.fromhex(
    "21400318 8dd20ed0 00000000 000f4240 000493e0 0000c350".replace(" ", "")
)
"What it sends when it has heard nothing for its detection time."

VECTORS = {
    FRR_DOWN: ControlPacket(State.DOWN, 3, 0x8DD20ED0, 0, 1_000_000, 1_000_000, 50_000),
    FRR_UP_FINAL: ControlPacket(
        State.UP, 3, 0x8DD20ED0, 7, 100_000, 100_000, 50_000, final=True
    ),
    FRR_TIMED_OUT: ControlPacket(
        State.DOWN, 3, 0x8DD20ED0, 0, 1_000_000, 300_000, 50_000,
        diagnostic=Diagnostic.CONTROL_DETECTION_TIME_EXPIRED,
    ),
}  # fmt: skip

packets = st.builds(
    ControlPacket,
    state=st.sampled_from(State),
    detect_multiplier=st.integers(1, 255),
    my_discriminator=st.integers(1, 2**32 - 1),
    your_discriminator=st.integers(0, 2**32 - 1),
    desired_min_tx_us=st.integers(0, 2**32 - 1),
    required_min_rx_us=st.integers(0, 2**32 - 1),
    required_min_echo_rx_us=st.integers(0, 2**32 - 1),
    diagnostic=st.integers(0, 31),
    poll=st.booleans(),
    final=st.booleans(),
    control_plane_independent=st.booleans(),
    demand=st.booleans(),
)


@pytest.mark.parametrize("octets", VECTORS, ids=["down", "up-final", "timed-out"])
def test_a_vector_is_read_and_written(octets: bytes) -> None:
    assert parse_packet(octets) == VECTORS[octets]
    assert encode_packet(VECTORS[octets]) == octets


@pytest.mark.parametrize("octets", VECTORS, ids=["down", "up-final", "timed-out"])
def test_every_truncation_is_too_short(octets: bytes) -> None:
    for length in range(len(octets)):
        assert parse_packet(octets[:length]) is DropReason.TOO_SHORT


@given(packets)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back(packet: ControlPacket) -> None:
    assert parse_packet(encode_packet(packet)) == packet


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_random_bytes_never_raise(octets: bytes) -> None:
    assert isinstance(parse_packet(octets), ControlPacket | DropReason)


def test_octets_after_the_packet_are_not_its_own() -> None:
    assert parse_packet(FRR_DOWN + b"\xff" * 9) == VECTORS[FRR_DOWN]


def changed(position: int, value: int) -> bytes:
    """FRR's first packet with one octet different."""
    octets = bytearray(FRR_DOWN)
    octets[position] = value
    return bytes(octets)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        pytest.param(changed(0, 0x00), DropReason.BAD_VERSION, id="version 0"),
        pytest.param(changed(0, 0x40), DropReason.BAD_VERSION, id="version 2"),
        pytest.param(changed(3, 23), DropReason.BAD_LENGTH, id="length below the minimum"),
        pytest.param(changed(3, 25), DropReason.BAD_LENGTH, id="length beyond the payload"),
        pytest.param(changed(1, 0x44), DropReason.BAD_LENGTH, id="A bit needs 26 octets"),
        pytest.param(changed(2, 0), DropReason.ZERO_DETECT_MULTIPLIER, id="multiplier 0"),
        pytest.param(changed(1, 0x41), DropReason.MULTIPOINT, id="multipoint"),
        pytest.param(
            FRR_DOWN[:4] + bytes(4) + FRR_DOWN[8:],
            DropReason.ZERO_DISCRIMINATOR,
            id="no discriminator",
        ),
    ],
)
def test_a_guard_of_rfc_5880_6_8_6_drops(octets: bytes, reason: DropReason) -> None:
    assert parse_packet(octets) is reason


def test_the_first_guard_that_fails_is_named() -> None:
    worst = bytes([0x00, 0x41, 0, 23]) + bytes(20)
    assert parse_packet(worst) is DropReason.BAD_VERSION


def test_reserved_diagnostics_are_legal() -> None:
    packet = replace(VECTORS[FRR_DOWN], diagnostic=31)
    assert parse_packet(encode_packet(packet)) == packet


def test_a_diagnostic_reads_as_words() -> None:
    text = Diagnostic.CONTROL_DETECTION_TIME_EXPIRED.text
    assert text == "control-detection-time-expired"
    assert Diagnostic.NONE.text == ""
