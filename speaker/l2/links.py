"""The node's NICs as rtnetlink tells of them, and which of them take part.

Pure: bytes of RTM_* messages go in, a table of links comes out. A NIC takes part when it is an
Ethernet segment that hosts share: up, with carrier, not enslaved to a bridge or bond, not one of
the virtual devices that container networks make. The names refused are those MetalLB excludes.

The layouts are those of linux/netlink.h, linux/rtnetlink.h, if_link.h, if_addr.h and neighbour.h.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, IntEnum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_address,
    ip_interface,
)

from speaker.l2.ethernet import Mac

Address = IPv4Address | IPv6Address
InterfaceAddress = IPv4Interface | IPv6Interface

EXCLUDED_NAMES = re.compile(
    r"(docker|cbr|dummy|virbr|lxcbr|veth|cali|tunl|flannel|kube-ipvs|cni|nodelocaldns|lxc"
    r"|kube-bridge|kube-dummy-if|vxlan|cilium_|ovn|genev).*|lo"
)
"""Devices of container networks and bridges for guests: no other host is behind them."""

_ETHERNET = 1
_UP, _NOARP, _LOWER_UP = 0x1, 0x80, 0x10000
_PERMANENT_STATES = 0x80 | 0x40 | 0x10 | 0x08 | 0x04 | 0x02
"NUD_PERMANENT, NOARP, PROBE, DELAY, STALE, REACHABLE: the kernel knows the MAC."
_TENTATIVE_OR_FAILED = 0x40 | 0x08
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")


class MessageType(IntEnum):
    """rtnetlink messages that are read."""

    ERROR = 2
    DONE = 3
    NEW_LINK = 16
    DELETED_LINK = 17
    NEW_ADDRESS = 20
    DELETED_ADDRESS = 21
    NEW_ROUTE = 24
    NEW_NEIGHBOUR = 28


class Unusable(Enum):
    """Why a NIC takes no part."""

    NAME = "name-excluded"
    NOT_ETHERNET = "not-ethernet"
    NO_ARP = "no-arp"
    ENSLAVED = "enslaved"
    DOWN = "down"
    NO_CARRIER = "no-carrier"


@dataclass(frozen=True, slots=True)
class Link:
    """One network device."""

    index: int
    name: str
    mac: Mac | None
    flags: int = 0
    hardware: int = _ETHERNET
    enslaved: bool = False
    mtu: int = 1500
    addresses: tuple[InterfaceAddress, ...] = ()

    @property
    def unusable(self) -> Unusable | None:
        """Why it takes no part; None when it does. What can't change is said first."""
        if EXCLUDED_NAMES.fullmatch(self.name):
            return Unusable.NAME
        if self.hardware != _ETHERNET or self.mac is None or not self.mac.is_unicast:
            return Unusable.NOT_ETHERNET
        if self.flags & _NOARP:
            return Unusable.NO_ARP
        if self.enslaved:
            return Unusable.ENSLAVED
        if not self.flags & _UP:
            return Unusable.DOWN
        if not self.flags & _LOWER_UP:
            return Unusable.NO_CARRIER
        return None

    def address(self, version: int) -> Address | None:
        """Return the first address of the family: for IPv6 the link-local one if there is one."""
        of = [a.ip for a in self.addresses if a.version == version]
        return next((a for a in of if version == 6 and a.is_link_local), of[0] if of else None)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A station whose MAC the kernel knows."""

    index: int
    address: Address
    mac: Mac


@dataclass(frozen=True, slots=True)
class Route:
    """A default route out of a NIC."""

    index: int
    gateway: Address


@dataclass(frozen=True, slots=True)
class NetlinkError:
    """The kernel refused a request; `errno` 0 is an acknowledgement."""

    errno: int


@dataclass(frozen=True, slots=True)
class Done:
    """A dump is complete."""


@dataclass(frozen=True, slots=True)
class LinkGone:
    """A device was deleted or left this namespace."""

    index: int


@dataclass(frozen=True, slots=True)
class AddressChange:
    """An address came (True) or went (False)."""

    index: int
    address: InterfaceAddress
    present: bool


Event = Link | LinkGone | AddressChange | Neighbour | Route | NetlinkError | Done


def parse_netlink(received: bytes) -> list[Event]:
    """Return what one datagram of rtnetlink tells; unknown or broken messages tell nothing."""
    events: list[Event] = []
    while len(received) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(received)
        if length < _HEADER.size or length > len(received):
            break
        body = received[_HEADER.size : length]
        try:
            event = _parse_message(kind, body)
        except (struct.error, ValueError, IndexError):
            event = None
        if event is not None:
            events.append(event)
        received = received[(length + 3) & ~3 :]
    return events


def _parse_message(kind: int, body: bytes) -> Event | None:  # one column, like the header files
    if kind == MessageType.NEW_LINK:
        return _parse_link(body)
    if kind == MessageType.DELETED_LINK:
        return None if body[0] else LinkGone(struct.unpack_from("=i", body, 4)[0])
    if kind in (MessageType.NEW_ADDRESS, MessageType.DELETED_ADDRESS):
        return _parse_address(body, present=kind == MessageType.NEW_ADDRESS)
    if kind == MessageType.NEW_NEIGHBOUR:
        return _parse_neighbour(body)
    if kind == MessageType.NEW_ROUTE:
        return _parse_route(body)
    if kind == MessageType.ERROR:
        return NetlinkError(-struct.unpack_from("=i", body)[0])
    return Done() if kind == MessageType.DONE else None


def _attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    while len(octets) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(octets)
        if length < _ATTRIBUTE.size or length > len(octets):
            return
        yield kind & 0x3FFF, octets[_ATTRIBUTE.size : length]
        octets = octets[(length + 3) & ~3 :]


def _parse_link(body: bytes) -> Link | None:
    family, hardware, index, flags = struct.unpack_from("=BxHiI", body)
    if family:  # AF_BRIDGE repeats the link from its port's point of view
        return None
    attributes = dict(_attributes(body[16:]))
    mac = attributes.get(1, b"")
    return Link(
        index=index,
        name=attributes[3].rstrip(b"\0").decode("utf-8", "replace") if 3 in attributes else "",
        mac=Mac(mac) if len(mac) == 6 else None,
        flags=flags,
        hardware=hardware,
        enslaved=any(attributes.get(10, b"")),
        mtu=int.from_bytes(attributes.get(4, b"\xdc\x05\0\0"), "little"),
    )


def _parse_address(body: bytes, *, present: bool) -> AddressChange | None:
    _, prefix, _, _, index = struct.unpack_from("=BBBBI", body)
    attributes = dict(_attributes(body[8:]))
    packed = attributes.get(2) or attributes.get(1)  # the own end of a point-to-point link first
    if packed is None:
        return None
    flags = int.from_bytes(attributes[8], "little") if 8 in attributes else body[2]
    interface = ip_interface((ip_address(packed), prefix))
    usable = present and not (interface.version == 6 and flags & _TENTATIVE_OR_FAILED)
    return AddressChange(index, interface, usable)


def _parse_neighbour(body: bytes) -> Neighbour | None:
    index, state = struct.unpack_from("=4xiH", body)
    attributes = dict(_attributes(body[12:]))
    if not state & _PERMANENT_STATES or len(attributes.get(2, b"")) != 6 or 1 not in attributes:
        return None
    mac = Mac(attributes[2])
    return Neighbour(index, ip_address(attributes[1]), mac) if mac.is_unicast else None


def _parse_route(body: bytes) -> Route | None:
    if body[1]:  # not the default route
        return None
    attributes = dict(_attributes(body[12:]))
    if 5 not in attributes or 4 not in attributes:
        return None
    return Route(int.from_bytes(attributes[4], "little"), ip_address(attributes[5]))


@dataclass(slots=True)
class LinkTable:
    """All links of the node, kept by events."""

    links: dict[int, Link] = field(default_factory=dict)

    def apply(self, event: Event) -> bool:
        """Take an event in; tell whether a link is different now."""
        if isinstance(event, Link):
            before = self.links.get(event.index)
            after = replace(event, addresses=before.addresses if before else ())
            self.links[event.index] = after
            return before != after
        if isinstance(event, LinkGone):
            return self.links.pop(event.index, None) is not None
        if isinstance(event, AddressChange):
            return self._apply_address(event)
        return False

    def by_name(self) -> dict[str, Link]:
        """Return the links by name."""
        return {link.name: link for link in self.links.values()}

    def _apply_address(self, change: AddressChange) -> bool:
        link = self.links.get(change.index)
        if link is None:
            return False
        others = tuple(a for a in link.addresses if a != change.address)
        addresses = (*others, change.address) if change.present else others
        if set(addresses) == set(link.addresses):
            return False
        self.links[change.index] = replace(link, addresses=addresses)
        return True
