"""The BFD Control packet: bytes to value and back.

Owns the format and the checks that need no session. Which session a packet belongs to, and what it
does there, is for `table` and `session`. Authentication isn't supported: such packets are dropped.

RFC 5880 4.1 (format), 6.8.6 (order of the checks).
"""

import struct
from dataclasses import dataclass
from enum import Enum, IntEnum

VERSION = 1
MINIMUM_LENGTH = 24
AUTHENTICATED_MINIMUM_LENGTH = 26
_LAYOUT = struct.Struct("!BBBBIIIII")

_POLL = 0x20
_FINAL = 0x10
_CONTROL_PLANE_INDEPENDENT = 0x08
_AUTHENTICATION = 0x04
_DEMAND = 0x02
_MULTIPOINT = 0x01


class State(IntEnum):
    """RFC 5880 4.1, field Sta."""

    ADMIN_DOWN = 0
    DOWN = 1
    INIT = 2
    UP = 3


class Diagnostic(IntEnum):
    """RFC 5880 4.1, field Diag: the sender's reason for its last change of state."""

    NONE = 0
    CONTROL_DETECTION_TIME_EXPIRED = 1
    ECHO_FUNCTION_FAILED = 2
    NEIGHBOR_SIGNALED_SESSION_DOWN = 3
    FORWARDING_PLANE_RESET = 4
    PATH_DOWN = 5
    CONCATENATED_PATH_DOWN = 6
    ADMINISTRATIVELY_DOWN = 7
    REVERSE_CONCATENATED_PATH_DOWN = 8

    @property
    def text(self) -> str:
        """The words shown to people; empty for NONE."""
        return self.name.lower().replace("_", "-") if self else ""


class DropReason(Enum):
    """Why a packet was discarded."""

    TOO_SHORT = "too-short"
    BAD_VERSION = "bad-version"
    BAD_LENGTH = "bad-length"
    ZERO_DETECT_MULTIPLIER = "zero-detect-multiplier"
    MULTIPOINT = "multipoint"
    ZERO_DISCRIMINATOR = "zero-discriminator"
    UNKNOWN_DISCRIMINATOR = "unknown-discriminator"
    NO_DISCRIMINATOR_IN_STATE = "no-discriminator-in-state"
    UNKNOWN_PEER = "unknown-peer"
    WRONG_PEER = "wrong-peer"
    LOW_TTL = "low-ttl"
    AUTHENTICATED = "authenticated"
    ADMIN_DOWN = "admin-down"


@dataclass(frozen=True, slots=True)
class ControlPacket:
    """One BFD Control packet. All intervals are microseconds, as on the wire."""

    state: State
    detect_multiplier: int
    my_discriminator: int
    your_discriminator: int
    desired_min_tx_us: int
    required_min_rx_us: int
    required_min_echo_rx_us: int = 0
    diagnostic: int = 0
    "Kept as a number: values that RFC 5880 reserves are legal to receive."
    poll: bool = False
    final: bool = False
    control_plane_independent: bool = False
    authenticated: bool = False
    demand: bool = False


def parse_packet(payload: bytes) -> ControlPacket | DropReason:
    """Return the packet, or why it must be discarded."""
    if len(payload) < MINIMUM_LENGTH:
        return DropReason.TOO_SHORT
    head, flags, multiplier, length, mine, yours, tx_us, rx_us, echo_us = _LAYOUT.unpack_from(
        payload
    )
    # RFC 5880 6.8.6, in its order
    if head >> 5 != VERSION:
        return DropReason.BAD_VERSION
    authenticated = bool(flags & _AUTHENTICATION)
    if length < (AUTHENTICATED_MINIMUM_LENGTH if authenticated else MINIMUM_LENGTH):
        return DropReason.BAD_LENGTH
    if length > len(payload):
        return DropReason.BAD_LENGTH
    if multiplier == 0:
        return DropReason.ZERO_DETECT_MULTIPLIER
    if flags & _MULTIPOINT:
        return DropReason.MULTIPOINT
    if mine == 0:
        return DropReason.ZERO_DISCRIMINATOR
    return ControlPacket(
        state=State(flags >> 6),
        detect_multiplier=multiplier,
        my_discriminator=mine,
        your_discriminator=yours,
        desired_min_tx_us=tx_us,
        required_min_rx_us=rx_us,
        required_min_echo_rx_us=echo_us,
        diagnostic=head & 0x1F,
        poll=bool(flags & _POLL),
        final=bool(flags & _FINAL),
        control_plane_independent=bool(flags & _CONTROL_PLANE_INDEPENDENT),
        authenticated=authenticated,
        demand=bool(flags & _DEMAND),
    )


def encode_packet(packet: ControlPacket) -> bytes:
    """Return the packet's bytes; one without authentication, since we have none to send."""
    flags = packet.state << 6
    flags |= _POLL if packet.poll else 0
    flags |= _FINAL if packet.final else 0
    flags |= _CONTROL_PLANE_INDEPENDENT if packet.control_plane_independent else 0
    flags |= _DEMAND if packet.demand else 0
    return _LAYOUT.pack(
        VERSION << 5 | packet.diagnostic,
        flags,
        packet.detect_multiplier,
        MINIMUM_LENGTH,
        packet.my_discriminator,
        packet.your_discriminator,
        packet.desired_min_tx_us,
        packet.required_min_rx_us,
        packet.required_min_echo_rx_us,
    )
