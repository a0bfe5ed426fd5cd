"""What the core of a segment asks its driver to do, and what the driver tells it of the NIC."""

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from typing import NewType, TypeAlias

from speaker.seam.messages import (
    Address,
    AddressForgotten,
    ConflictReport,
    NeighbourForgotten,
    NeighbourReport,
    OwnerReport,
)

Mac = NewType("Mac", bytes)
"""A MAC address, 6 bytes."""

Interface: TypeAlias = IPv4Interface | IPv6Interface
SegmentReport: TypeAlias = (
    OwnerReport | AddressForgotten | NeighbourReport | NeighbourForgotten | ConflictReport
)


@dataclass(frozen=True, slots=True)
class Link:
    """The NIC as netlink shows it. `up` means carrier and administratively up."""

    up: bool
    mac: Mac
    prefixes: tuple[Interface, ...] = ()


@dataclass(frozen=True, slots=True)
class SendHello:
    """Multicast this UDP payload to 224.0.0.254 with TTL 255 now."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer ARP/NDP for the address from now on."""

    address: Address


@dataclass(frozen=True, slots=True)
class Silence:
    """Stop answering for the address and drop what is left of its gratuitous schedule."""

    address: Address


@dataclass(frozen=True, slots=True)
class Announce:
    """Start the schedule of gratuitous frames for the address, anew if it runs already.

    Only given between `Answer` and `Silence` of the address.
    """

    address: Address


@dataclass(frozen=True, slots=True)
class Witness:
    """Ask `mac` by *unicast* ARP request (or NS) whether it still has the address.

    Its answer comes back by `receive_sighting`. One frame; the core repeats.
    """

    address: Address
    mac: Mac


@dataclass(frozen=True, slots=True)
class ProbeStranger:
    """Ask the segment for the address by broadcast, from the node's own address.

    One frame; the core repeats. The address need not be wanted or owned (a probe for an unused one
    unmasks a proxy), so answers for it are to be let through to `receive_sighting` for one second.
    """

    address: Address


@dataclass(frozen=True, slots=True)
class SeekLife:
    """Ask the gateways and known hosts of the NIC by ARP/NS; any answer is `receive_life`."""


@dataclass(frozen=True, slots=True)
class Report:
    """Pass the message to the brain."""

    message: SegmentReport


Action: TypeAlias = (
    SendHello | Answer | Silence | Announce | Witness | ProbeStranger | SeekLife | Report
)
