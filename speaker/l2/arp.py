"""ARP frames for IPv4 over Ethernet (RFC 826, RFC 5227): made and parsed.

Who is answered is `speaker.l2.responder`, what is announced when `speaker.l2.gratuitous`.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

from speaker.l2.ethernet import (
    BROADCAST,
    HEADER_BYTES,
    MINIMUM_BYTES,
    UNKNOWN,
    EtherType,
    FrameDrop,
    Mac,
    header,
)

ARP_BYTES = 28
_FIXED = struct.Struct("!HHBBH")
_BODY = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET = 1
_FORMAT = (_ETHERNET, EtherType.IPV4, 6, 4)
_PADDING = bytes(MINIMUM_BYTES - HEADER_BYTES - ARP_BYTES)


class Operation(IntEnum):
    """RFC 826 opcodes that a node may send or heed."""

    REQUEST = 1
    REPLY = 2


@dataclass(frozen=True, slots=True)
class ArpPacket:
    """One ARP packet and the Ethernet addresses that it came with."""

    operation: Operation
    sender_mac: Mac
    sender: IPv4Address
    target_mac: Mac
    target: IPv4Address
    source: Mac
    destination: Mac = BROADCAST

    @property
    def is_announcement(self) -> bool:
        """Whether the sender tells of itself instead of asking (RFC 5227 3)."""
        return self.sender == self.target

    def encode(self) -> bytes:
        """Return the frame, padded to the Ethernet minimum."""
        body = _BODY.pack(
            *_FORMAT,
            self.operation,
            self.sender_mac.octets,
            self.sender.packed,
            self.target_mac.octets,
            self.target.packed,
        )
        return header(self.destination, self.source, EtherType.ARP) + body + _PADDING


def parse_arp(frame: bytes) -> ArpPacket | FrameDrop:
    """Read one frame; bytes after the ARP body are padding and are ignored."""
    if len(frame) < HEADER_BYTES + ARP_BYTES:
        return FrameDrop.TRUNCATED
    if frame[12:14] != b"\x08\x06":
        return FrameDrop.ETHER_TYPE
    *form, operation, sender_mac, sender, target_mac, target = _BODY.unpack_from(
        frame, HEADER_BYTES
    )
    if tuple(form) != _FORMAT:
        return FrameDrop.ARP_FORMAT
    if operation not in (Operation.REQUEST, Operation.REPLY):
        return FrameDrop.ARP_OPERATION
    mac = Mac(sender_mac)
    if not mac.is_unicast:
        return FrameDrop.ARP_SENDER
    return ArpPacket(
        operation=Operation(operation),
        sender_mac=mac,
        sender=IPv4Address(sender),
        target_mac=Mac(target_mac),
        target=IPv4Address(target),
        source=Mac(frame[6:12]),
        destination=Mac(frame[0:6]),
    )


def arp_request(
    target: IPv4Address, *, mac: Mac, sender: IPv4Address, destination: Mac = BROADCAST
) -> bytes:
    """Return a request for `target`; unicast with `destination` to ask one station alone."""
    return ArpPacket(
        Operation.REQUEST, mac, sender, UNKNOWN, target, source=mac, destination=destination
    ).encode()


def arp_announcement(
    address: IPv4Address, mac: Mac, operation: Operation, destination: Mac = BROADCAST
) -> bytes:
    """Return a gratuitous frame for `address` in request or in reply form.

    The reply form carries the sender's MAC as the target's too: with any other Linux does not take
    it for gratuitous and ignores it within its locktime (measured). The request form leaves the
    target's MAC open (RFC 5227 3).
    """
    target_mac = mac if operation is Operation.REPLY else UNKNOWN
    return ArpPacket(
        operation, mac, address, target_mac, address, source=mac, destination=destination
    ).encode()


def reply_middle(address: IPv4Address, mac: Mac) -> bytes:
    """Return octets 6 to 32 of a reply for `address`; before and after them stands the asker."""
    fixed = _FIXED.pack(*_FORMAT, Operation.REPLY)
    frame_type = struct.pack("!H", EtherType.ARP)
    return mac.octets + frame_type + fixed + mac.octets + address.packed


def reply_frame(middle: bytes, asker_mac: bytes, asker: bytes) -> bytes:
    """Return the whole reply from a prebuilt middle: three slices, no parsing."""
    return asker_mac + middle + asker_mac + asker + _PADDING
