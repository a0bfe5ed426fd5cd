"""The packet's bytes: vectors both ways, every truncation, every guard, random bytes."""

from dataclasses import replace
from typing import Any

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

OURS, FRRS = 0x45B8027E, 0x5D44CD16
CAPTURED = {
    # what FRR 8.4's bfdd sent to us
    "down": "20400318 5d44cd16 00000000 000f4240 000f4240 0000c350",
    "up-poll": "20e00318 5d44cd16 45b8027e 000186a0 000186a0 0000c350",
    "up-final": "20d00318 5d44cd16 45b8027e 000186a0 000186a0 0000c350",
    "up": "20c00318 5d44cd16 45b8027e 000186a0 000186a0 0000c350",
    "timed-out": "21400318 5d44cd16 00000000 000f4240 000f4240 0000c350",
    "shutdown": "20000318 5d44cd16 45b8027e 000186a0 000186a0 0000c350",
}
FRR_DOWN = bytes.fromhex(CAPTURED["down"])


def frr(state: State, interval_us: int, yours: int = OURS, **changes: Any) -> ControlPacket:
    """A packet of FRR's at multiplier 3 and 50 ms of echo."""
    return ControlPacket(state, 3, FRRS, yours, interval_us, interval_us, 50_000, **changes)


VECTORS = {
    "down": frr(State.DOWN, 1_000_000, yours=0),
    "up-poll": frr(State.UP, 100_000, poll=True),
    "up-final": frr(State.UP, 100_000, final=True),
    "up": frr(State.UP, 100_000),
    "timed-out": frr(
        State.DOWN, 1_000_000, 0, diagnostic=Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
    ),
    "shutdown": frr(State.ADMIN_DOWN, 100_000),
}

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


@pytest.mark.parametrize("name", VECTORS)
def test_a_captured_packet_is_read_and_written(name: str) -> None:
    octets = bytes.fromhex(CAPTURED[name])
    assert parse_packet(octets) == VECTORS[name]
    assert encode_packet(VECTORS[name]) == octets


@pytest.mark.parametrize("name", VECTORS)
def test_every_truncation_is_too_short(name: str) -> None:
    octets = bytes.fromhex(CAPTURED[name])
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
    assert parse_packet(FRR_DOWN + b"\xff" * 9) == VECTORS["down"]


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
    packet = replace(VECTORS["down"], diagnostic=31)
    assert parse_packet(encode_packet(packet)) == packet


def test_a_diagnostic_reads_as_words() -> None:
    text = Diagnostic.CONTROL_DETECTION_TIME_EXPIRED.text
    assert text == "control-detection-time-expired"
    assert Diagnostic.NONE.text == ""
