"""The hello's way over the segment: a UDP datagram in an IPv4 multicast frame, made and parsed.

Sent and received as whole frames, because a host firewall, rp_filter or a NIC without an address
drops what UDP sockets send and lets ARP through. 224.0.0.254 lies in the local control block, so
switches never snoop it away and routers never forward it; a TTL of 255 proves that nobody did
(RFC 5082). What the payload says is `speaker.hello.packet`.
"""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from speaker.l2.ethernet import (
    HEADER_BYTES,
    EtherType,
    FrameDrop,
    Mac,
    header,
    internet_checksum,
)

GROUP = IPv4Address("224.0.0.254")
GROUP_MAC = Mac.parse("01:00:5e:00:00:fe")
HELLO_PORT = 17946
IPV4_BYTES = 20
UDP_BYTES = 8
TTL = 255
_PROTOCOL = 17
_DONT_FRAGMENT = 0x4000
_MORE_OR_OFFSET = 0x3FFF
_INTERNETWORK_CONTROL = 0xC0
"The precedence routing protocols use: queues drop such packets last."


@dataclass(frozen=True, slots=True)
class Datagram:
    """A hello as it came off the segment."""

    payload: bytes
    source: Mac
    sender: IPv4Address


def hello_frame(payload: bytes, *, mac: Mac, sender: IPv4Address) -> bytes:
    """Return the frame that carries `payload`; `sender` is 0.0.0.0 on a NIC without addresses."""
    length = UDP_BYTES + len(payload)
    udp = struct.pack("!HHHH", HELLO_PORT, HELLO_PORT, length, 0)
    checksum = internet_checksum(_pseudo_header(sender, GROUP, length) + udp + payload)
    udp = udp[:6] + struct.pack("!H", checksum or 0xFFFF)  # RFC 768: 0 means no checksum
    packet = _ipv4_header(sender, IPV4_BYTES + length) + udp + payload
    return header(GROUP_MAC, mac, EtherType.IPV4) + packet


def _ipv4_header(sender: IPv4Address, total: int) -> bytes:
    def packed(checksum: int) -> bytes:
        return struct.pack(
            "!BBHHHBBH4s4s",
            0x45,
            _INTERNETWORK_CONTROL,
            total,
            0,
            _DONT_FRAGMENT,
            TTL,
            _PROTOCOL,
            checksum,
            sender.packed,
            GROUP.packed,
        )

    return packed(internet_checksum(packed(0)))


def _pseudo_header(sender: IPv4Address, destination: IPv4Address, length: int) -> bytes:
    return sender.packed + destination.packed + struct.pack("!HH", _PROTOCOL, length)


def parse_hello_frame(frame: bytes) -> Datagram | FrameDrop:
    """Read one frame; whatever was forwarded, fragmented or not meant for the group is dropped."""
    if len(frame) < HEADER_BYTES + IPV4_BYTES:
        return FrameDrop.TRUNCATED
    if frame[12:14] != b"\x08\x00":
        return FrameDrop.ETHER_TYPE
    packet = frame[HEADER_BYTES:]
    if packet[0] >> 4 != 4:
        return FrameDrop.IP_VERSION
    header_bytes = (packet[0] & 0xF) * 4
    total = int.from_bytes(packet[2:4], "big")
    if header_bytes < IPV4_BYTES or total < header_bytes + UDP_BYTES:
        return FrameDrop.IP_HEADER
    if len(packet) < total:
        return FrameDrop.TRUNCATED
    if internet_checksum(packet[:header_bytes]):
        return FrameDrop.IP_CHECKSUM
    return _judge_header(packet) or _parse_udp(
        packet[header_bytes:total], IPv4Address(packet[12:16]), Mac(frame[6:12])
    )


def _judge_header(packet: bytes) -> FrameDrop | None:
    fragment, ttl, protocol = struct.unpack_from("!HBB", packet, 6)
    if protocol != _PROTOCOL:
        return FrameDrop.IP_PROTOCOL
    if fragment & _MORE_OR_OFFSET:
        return FrameDrop.IP_FRAGMENT
    if packet[16:20] != GROUP.packed:
        return FrameDrop.DESTINATION
    if ttl != TTL:
        return FrameDrop.TTL
    return None


def _parse_udp(segment: bytes, sender: IPv4Address, source: Mac) -> Datagram | FrameDrop:
    _, port, length, checksum = struct.unpack_from("!HHHH", segment)
    if port != HELLO_PORT:
        return FrameDrop.UDP_PORT
    if not UDP_BYTES <= length <= len(segment):
        return FrameDrop.UDP_LENGTH
    segment = segment[:length]
    if checksum and internet_checksum(_pseudo_header(sender, GROUP, length) + segment):
        return FrameDrop.UDP_CHECKSUM
    return Datagram(segment[UDP_BYTES:], source, sender)
