"""What the three processes of a speaker tell each other.

The brain says *may*: what this node wants to be true (intents). wire and bgp say *does*: what is
true on the segment and in the sessions (reports). Every message is one frozen value; `speaker.seam
.codec` makes one JSON line of it and back. An intent replaces the earlier one with the same key.

After a connect the sender gives `Begin`, all its intents, `End`; until `End` the receiver goes on
with what it had. Afterwards only changes are sent. Addresses are `ipaddress` values, times are
seconds (`_s`) or milliseconds (`_ms`) as durations, never as points in time: each process has its
own clock.
"""

from dataclasses import dataclass
from typing import TypeAlias

from speaker.seam.intents import (
    Address,
    AddressIntent,
    AddressRemoved,
    BfdIntent,
    BfdRemoved,
    CountersWanted,
    Drain,
    Expected,
    ExpectedNode,
    Freshness,
    HelloKey,
    Identity,
    OnConflict,
    PeerIntent,
    PeerRemoved,
    Prefix,
    RouteIntent,
    RouteRemoved,
    RouteVariant,
)
from speaker.seam.reports import (
    GONE,
    NOT_WANTED,
    AddressForgotten,
    BfdForgotten,
    BfdReport,
    BfdState,
    BgpFault,
    ConflictReport,
    Counters,
    InterfaceForgotten,
    InterfaceReport,
    NeighbourForgotten,
    NeighbourReport,
    OwnerReport,
    OwnerState,
    SessionForgotten,
    SessionReport,
    SessionState,
    Withdrawn,
)

__all__ = [
    "GONE",
    "NOT_WANTED",
    "SCHEMA",
    "Address",
    "AddressForgotten",
    "AddressIntent",
    "AddressRemoved",
    "Begin",
    "BfdForgotten",
    "BfdIntent",
    "BfdRemoved",
    "BfdReport",
    "BfdState",
    "BgpFault",
    "ConflictReport",
    "Counters",
    "CountersWanted",
    "Drain",
    "End",
    "Expected",
    "ExpectedNode",
    "Freshness",
    "HelloKey",
    "Identity",
    "InterfaceForgotten",
    "InterfaceReport",
    "Message",
    "NeighbourForgotten",
    "NeighbourReport",
    "OnConflict",
    "OwnerReport",
    "OwnerState",
    "PeerIntent",
    "PeerRemoved",
    "Prefix",
    "RouteIntent",
    "RouteRemoved",
    "RouteVariant",
    "SessionForgotten",
    "SessionReport",
    "SessionState",
    "Withdrawn",
]

SCHEMA = 1
"""Version of the message schema; a receiver refuses any other."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A whole intent follows; `epoch` is new for each connect."""

    epoch: str
    sender: str = ""
    "The process that speaks: `brain`, `wire` or `bgp`. The one that dialled speaks first."
    unknown: tuple[str, ...] = ()
    "Types of messages the sender cannot speak about yet: what is held of them stays."


@dataclass(frozen=True, slots=True)
class End:
    """The whole intent of `epoch` has been sent: it is now in force, what it lacks is gone."""

    epoch: str


Message: TypeAlias = (
    Begin
    | End
    | Identity
    | AddressIntent
    | AddressRemoved
    | Expected
    | Freshness
    | Drain
    | BfdIntent
    | BfdRemoved
    | OwnerReport
    | AddressForgotten
    | NeighbourReport
    | NeighbourForgotten
    | ConflictReport
    | InterfaceReport
    | InterfaceForgotten
    | BfdReport
    | BfdForgotten
    | CountersWanted
    | Counters
    | PeerIntent
    | PeerRemoved
    | RouteIntent
    | RouteRemoved
    | SessionReport
    | SessionForgotten
    | BgpFault
    | Withdrawn
)
