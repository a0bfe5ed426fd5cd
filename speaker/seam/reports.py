"""What wire and bgp say: what is true on the segment and in the sessions."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from speaker.seam.intents import Address, Prefix


class OwnerState(Enum):
    """What this node sees of an address on one NIC."""

    OWNED = "owned"
    "This node answers for it."
    OTHER = "other"
    "A live neighbour claims it."
    VACANT = "vacant"
    "Nobody claims it."
    HELD = "held"
    "A stranger answers for it: this node keeps off."


@dataclass(frozen=True, slots=True)
class OwnerReport:
    """Who owns an address on one NIC; keyed by both."""

    address: Address
    interface: str
    state: OwnerState
    owner: str = ""
    "Node name; empty if nobody."
    cause: str = ""
    "Value of `speaker.l2.cause.Cause`: why it came to be so."
    generation: int = 0
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class AddressForgotten:
    """The NIC or the address is gone: forget its OwnerReport."""

    address: Address
    interface: str
    cause: str = ""
    "As `OwnerReport.cause`: why nobody can have it here any more."


@dataclass(frozen=True, slots=True)
class NeighbourReport:
    """A speaker heard on a NIC; keyed by node and interface."""

    node: str
    interface: str
    alive: bool
    two_way: bool
    interval_ms: int
    draining: bool = False
    starting: bool = False


@dataclass(frozen=True, slots=True)
class NeighbourForgotten:
    """The node is not remembered on the NIC any more: forget its NeighbourReport."""

    node: str
    interface: str


@dataclass(frozen=True, slots=True)
class ConflictReport:
    """A stranger (or a proxy) answers for an address; `mac` is None when it has ended."""

    address: Address
    interface: str
    mac: str | None
    proxy: bool = False


GONE = "gone"
NOT_WANTED = "not-wanted"
"""Reasons of an InterfaceReport that lie not in the NIC's own state."""


@dataclass(frozen=True, slots=True)
class InterfaceReport:
    """A NIC wire takes part on, or not, and why not."""

    interface: str
    usable: bool
    reason: str = ""
    addresses: tuple[str, ...] = ()
    "With prefix lengths."


@dataclass(frozen=True, slots=True)
class InterfaceForgotten:
    """The NIC has been gone for long: forget its InterfaceReport."""

    interface: str


class BfdState(Enum):
    """RFC 5880 6.2."""

    ADMIN_DOWN = "admin-down"
    DOWN = "down"
    INIT = "init"
    UP = "up"


@dataclass(frozen=True, slots=True)
class BfdReport:
    """State of a BFD session; keyed by `peer`."""

    peer: Address
    state: BfdState
    diagnostic: str = ""
    """RFC 5880 4.1 in words. With DOWN or INIT it says how a session that was Up failed, and is
    empty for one that never was; with ADMIN_DOWN it says whose wish that is."""


@dataclass(frozen=True, slots=True)
class BfdForgotten:
    """No session with `peer` is wanted any more: forget its BfdReport."""

    peer: Address


@dataclass(frozen=True, slots=True)
class Counters:
    """Monotonic counters and gauges by name; labels are in the name after a colon.

    Those of thousands of addresses are longer than a line may be: they come in parts.
    """

    values: Mapping[str, float]
    part: int = 0
    "From 0, one after the other."
    more: bool = False
    "Another part follows."


class SessionState(Enum):
    """State of a BGP session as bgp sees it."""

    DOWN = "down"
    CONNECTING = "connecting"
    UP = "up"
    HELD_DOWN = "held-down"
    "BFD says that the peer is down."


@dataclass(frozen=True, slots=True)
class SessionReport:
    """State of one session; `announced` are the prefixes read back from ExaBGP for this peer."""

    peer: str
    state: SessionState
    reason: str = ""
    announced: tuple[Prefix, ...] = ()
    pending: int = 0


@dataclass(frozen=True, slots=True)
class BgpFault:
    """Something bgp could not do, as a sentence; empty when it can again."""

    peer: str
    text: str


@dataclass(frozen=True, slots=True)
class SessionForgotten:
    """The peer is not wanted any more: forget its SessionReport and its BgpFault."""

    peer: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """bgp to wire while draining: all routes are withdrawn, BFD may go AdminDown."""
