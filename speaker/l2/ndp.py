"""Neighbour solicitations and advertisements (RFC 4861, RFC 4862 5.4): made and parsed.

Router discovery and redirects are the kernel's. Messages with IPv6 extension headers are dropped:
nobody sends neighbour discovery with them, and fragments are forbidden (RFC 6980).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv6Address

from speaker.l2.ethernet import (
    HEADER_BYTES,
    EtherType,
    FrameDrop,
    Mac,
    header,
    internet_checksum,
)

IPV6_BYTES = 40
MESSAGE_BYTES = 24
"Type, code, checksum, flags and target: what both messages start with."
HOP_LIMIT = 255
ICMPV6 = 58
ALL_NODES = IPv6Address("ff02::1")
UNSPECIFIED = IPv6Address("::")
_SOLICITED_NODE_PREFIX = bytes.fromhex("ff0200000000000000000001ff")
_SOURCE_OPTION = 1
_TARGET_OPTION = 2
_SOLICITED = 0x40000000
_OVERRIDE = 0x20000000


class MessageType(IntEnum):
    """ICMPv6 types of RFC 4861 4.3 and 4.4."""

    SOLICITATION = 135
    ADVERTISEMENT = 136


@dataclass(frozen=True, slots=True)
class Solicitation:
    """A neighbour solicitation: somebody asks who has `target`."""

    target: IPv6Address
    sender: IPv6Address
    "`::` in a DAD probe."
    link_layer: Mac | None
    "The source link-layer option; a unicast solicitation may lack it."
    source: Mac

    @property
    def is_dad(self) -> bool:
        """Whether the sender is trying out `target` for itself (RFC 4862 5.4.2)."""
        return self.sender == UNSPECIFIED


@dataclass(frozen=True, slots=True)
class Advertisement:
    """A neighbour advertisement: somebody says that it has `target`."""

    target: IPv6Address
    sender: IPv6Address
    link_layer: Mac | None
    "The target link-layer option; a unicast advertisement may lack it."
    source: Mac
    solicited: bool = False
    override: bool = False

    @property
    def mac(self) -> Mac:
        """The MAC that answers for the target."""
        return self.link_layer or self.source


def solicited_node(address: IPv6Address) -> IPv6Address:
    """Return the multicast group that is asked for `address` (RFC 4291 2.7.1)."""
    return IPv6Address(_SOLICITED_NODE_PREFIX + address.packed[13:])


def multicast_mac(group: IPv6Address) -> Mac:
    """Return the Ethernet address of an IPv6 group (RFC 2464 7)."""
    return Mac(b"\x33\x33" + group.packed[12:])


def parse_ndp(frame: bytes) -> Solicitation | Advertisement | FrameDrop:
    """Read one frame; the checks are those of RFC 4861 7.1.1 and 7.1.2, in that order."""
    if len(frame) < HEADER_BYTES + IPV6_BYTES:
        return FrameDrop.TRUNCATED
    if frame[12:14] != b"\x86\xdd":
        return FrameDrop.ETHER_TYPE
    if frame[14] >> 4 != 6:
        return FrameDrop.IP_VERSION
    length = int.from_bytes(frame[18:20], "big")
    message = frame[HEADER_BYTES + IPV6_BYTES : HEADER_BYTES + IPV6_BYTES + length]
    if frame[20] != ICMPV6:
        return FrameDrop.IP_PROTOCOL
    if frame[21] != HOP_LIMIT:
        return FrameDrop.TTL
    if length < MESSAGE_BYTES or len(message) < length:
        return FrameDrop.TRUNCATED
    if internet_checksum(frame[22:54] + struct.pack("!II", length, ICMPV6) + message):
        return FrameDrop.ICMP_CHECKSUM
    return _parse_message(frame, message)


def _parse_message(frame: bytes, message: bytes) -> Solicitation | Advertisement | FrameDrop:
    kind = message[0]
    if kind not in (MessageType.SOLICITATION, MessageType.ADVERTISEMENT):
        return FrameDrop.ICMP_TYPE
    if message[1] != 0:
        return FrameDrop.ICMP_CODE
    target = IPv6Address(message[8:24])
    if target.is_multicast:
        return FrameDrop.NDP_TARGET
    wanted = _SOURCE_OPTION if kind == MessageType.SOLICITATION else _TARGET_OPTION
    link_layer = _link_layer_option(message[MESSAGE_BYTES:], wanted)
    if isinstance(link_layer, FrameDrop):
        return link_layer
    sender = IPv6Address(frame[22:38])
    source = Mac(frame[6:12])
    if kind == MessageType.ADVERTISEMENT:
        flags = int.from_bytes(message[4:8], "big")
        return Advertisement(
            target, sender, link_layer, source, bool(flags & _SOLICITED), bool(flags & _OVERRIDE)
        )
    asked_group = frame[38:51] == _SOLICITED_NODE_PREFIX
    if sender == UNSPECIFIED and (not asked_group or link_layer is not None):
        return FrameDrop.NDP_DAD
    return Solicitation(target, sender, link_layer, source)


def _link_layer_option(options: bytes, wanted: int) -> Mac | FrameDrop | None:
    """Return the first option of that type, None without one; skip all others."""
    found: Mac | None = None
    while options:
        if len(options) < 2 or options[1] == 0 or len(options) < options[1] * 8:
            return FrameDrop.NDP_OPTION  # RFC 4861 4.6: such a packet is discarded whole
        if options[0] == wanted and options[1] == 1 and found is None:
            found = Mac(options[2:8])
            if not found.is_unicast:  # an answer to it would go to a whole group
                return FrameDrop.NDP_OPTION
        options = options[options[1] * 8 :]
    return found


def advertisement(
    target: IPv6Address, mac: Mac, *, destination: IPv6Address = ALL_NODES, to: Mac | None = None
) -> bytes:
    """Return an advertisement of `target`: unsolicited to all nodes, or solicited to one asker.

    Always with the target option and the override flag: the asker may hold the MAC of a former
    owner. The router flag stays clear, an address of a Service routes nothing.
    """
    solicited = 0 if destination.is_multicast else _SOLICITED
    body = struct.pack("!I16sBB6s", solicited | _OVERRIDE, target.packed, 2, 1, mac.octets)
    return _frame(MessageType.ADVERTISEMENT, body, source=(mac, target), to=(to, destination))


def solicitation(
    target: IPv6Address, *, mac: Mac, sender: IPv6Address, to: Mac | None = None
) -> bytes:
    """Return a solicitation for `target`: to its group, or with `to` to one station alone."""
    destination = target if to else solicited_node(target)
    body = struct.pack("!I16s", 0, target.packed)
    if sender != UNSPECIFIED:  # RFC 4861 4.3: the option must not be there in a DAD probe
        body += struct.pack("!BB6s", _SOURCE_OPTION, 1, mac.octets)
    return _frame(MessageType.SOLICITATION, body, source=(mac, sender), to=(to, destination))


def _frame(
    kind: MessageType,
    body: bytes,
    *,
    source: tuple[Mac, IPv6Address],
    to: tuple[Mac | None, IPv6Address],
) -> bytes:
    length = len(body) + 4
    addresses = source[1].packed + to[1].packed
    unsummed = struct.pack("!BBH", kind, 0, 0) + body
    checksum = internet_checksum(addresses + struct.pack("!II", length, ICMPV6) + unsummed)
    packet = struct.pack("!IHBB", 6 << 28, length, ICMPV6, HOP_LIMIT) + addresses
    packet += struct.pack("!BBH", kind, 0, checksum) + body
    return header(to[0] or multicast_mac(to[1]), source[0], EtherType.IPV6) + packet
