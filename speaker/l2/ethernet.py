"""Ethernet II frames: MAC addresses, the header, and the reasons for which a frame is dropped.

Owns what all frames of a segment share. ARP is `speaker.l2.arp`, neighbour discovery
`speaker.l2.ndp`, the hello's datagram `speaker.l2.udp`.
"""

import struct
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, IntEnum

HEADER_BYTES = 14
MINIMUM_BYTES = 60
"Shorter frames are padded by the sender (IEEE 802.3 4A.2.3.2.4, without the checksum)."


class EtherType(IntEnum):
    """The payloads Herald reads and writes."""

    ANY = 0x0003
    "Linux's name for all of them (ETH_P_ALL), where a socket is bound; never in a frame."
    IPV4 = 0x0800
    ARP = 0x0806
    IPV6 = 0x86DD


class FrameDrop(Enum):
    """Why a frame from the segment is not used; counted, never raised."""

    TRUNCATED = "truncated"
    ETHER_TYPE = "ether-type"
    ARP_FORMAT = "arp-format"
    "Hardware or protocol type or length that is not Ethernet and IPv4 (RFC 826)."
    ARP_OPERATION = "arp-operation"
    ARP_SENDER = "arp-sender"
    "The sender's hardware address is no unicast MAC."
    IP_VERSION = "ip-version"
    IP_HEADER = "ip-header"
    IP_CHECKSUM = "ip-checksum"
    IP_FRAGMENT = "ip-fragment"
    IP_PROTOCOL = "ip-protocol"
    TTL = "ttl"
    "Not 255: the packet was forwarded, so its sender is not on this segment."
    UDP_PORT = "udp-port"
    UDP_LENGTH = "udp-length"
    UDP_CHECKSUM = "udp-checksum"
    DESTINATION = "destination"
    ICMP_CHECKSUM = "icmp-checksum"
    ICMP_TYPE = "icmp-type"
    ICMP_CODE = "icmp-code"
    NDP_TARGET = "ndp-target"
    "A multicast target (RFC 4861 7.1.1)."
    NDP_OPTION = "ndp-option"
    "An option of length zero, or one longer than the message (RFC 4861 4.6)."
    NDP_DAD = "ndp-dad"
    "A DAD probe to a unicast address or with a source option (RFC 4861 7.1.1)."
    OWN = "own"
    "Sent by this NIC: a bridge or a hub returned it."
    NOT_ASKED = "not-asked"
    "Neither a request nor an answer that concerns an address of ours."


@dataclass(frozen=True, slots=True, order=True)
class Mac:
    """A 48-bit hardware address."""

    octets: bytes

    def __post_init__(self) -> None:
        if len(self.octets) != 6:
            raise ValueError(f"a MAC has 6 octets, not {len(self.octets)}")

    @classmethod
    def parse(cls, text: str) -> "Mac":
        """Read `aa:bb:cc:dd:ee:ff`; ValueError for anything else."""
        parts = text.split(":")
        if any(len(part) != 2 for part in parts):
            raise ValueError(f"{text!r} is not a MAC address")
        return cls(bytes.fromhex("".join(parts)))

    def __str__(self) -> str:
        return self.octets.hex(":")

    @property
    def is_unicast(self) -> bool:
        """Whether one station can have it: group bit clear, not all zero."""
        return not self.octets[0] & 1 and any(self.octets)


BRIDGE_GROUP = bytes.fromhex("0180c2000000")[:5]
"""Frames to these groups end at the next switch (IEEE 802.1Q 8.6.3): they show no other host."""

BROADCAST = Mac(b"\xff" * 6)
UNKNOWN = Mac(bytes(6))
"What an ARP request puts where it asks for the MAC."


def header(destination: Mac, source: Mac, ether_type: EtherType) -> bytes:
    """Return the 14 octets before the payload."""
    return destination.octets + source.octets + struct.pack("!H", ether_type)


def internet_checksum(octets: bytes) -> int:
    """Return the ones' complement checksum of RFC 1071."""
    if len(octets) % 2:
        octets += b"\0"
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def shows_another_host(frame: bytes, own: Collection[bytes]) -> bool:
    """Tell whether a frame was sent by another host of the segment; `own` are this node's MACs."""
    if len(frame) < HEADER_BYTES or frame[:5] == BRIDGE_GROUP:
        return False
    return frame[6:12] not in own
