"""UDP sockets for BFD (RFC 5881 4 and 5, RFC 5883): four to listen on, one to send from a session.

TTL 255 is sent always. Single-hop sockets let the kernel drop what arrives with less, and the TTL
of the rest is handed on. Opening needs no capability: all ports are above 1024.
"""

import contextlib
import random
import socket
import struct
from ipaddress import IPv6Address, ip_address

from speaker.bfd.table import (
    MULTIHOP_PORT,
    SENT_TTL,
    SINGLE_HOP_MINIMUM_TTL,
    SINGLE_HOP_PORT,
    SOURCE_PORTS,
    Arrival,
)
from speaker.seam.messages import Address

_IP_TTL, _IP_RECVTTL, _IP_MINTTL = 2, 12, 21
_IPV6_HOPLIMIT, _IPV6_RECVHOPLIMIT, _IPV6_MINHOPCOUNT = 52, 51, 73
_INTERNETWORK_CONTROL = 0xC0
_PAYLOAD_LIMIT = 512
_TRIES = 16


class ListeningSocket:
    """Receives for one family and one of the two ports."""

    def __init__(self, version: int, *, multihop: bool) -> None:
        self._multihop = multihop
        six = version == 6
        self._socket = _udp(version)
        try:
            level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
            self._socket.setsockopt(level, _IPV6_RECVHOPLIMIT if six else _IP_RECVTTL, 1)
            if not multihop:
                option = _IPV6_MINHOPCOUNT if six else _IP_MINTTL
                self._socket.setsockopt(level, option, SINGLE_HOP_MINIMUM_TTL)
            self._socket.bind(("", MULTIHOP_PORT if multihop else SINGLE_HOP_PORT))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor, for the loop."""
        return self._socket.fileno()

    def read(self) -> tuple[bytes, Arrival] | None:
        """Return the next datagram and where it came from; None when there is none now."""
        try:
            payload, ancillary, _, sender = self._socket.recvmsg(_PAYLOAD_LIMIT, 64)
        except OSError:  # nothing there, or an ICMP error of a datagram sent earlier
            return None
        ttl = 0
        for level, kind, octets in ancillary:
            if (level, kind) in ((0, _IP_TTL), (41, _IPV6_HOPLIMIT)) and len(octets) == 4:
                ttl = struct.unpack("=i", octets)[0]
        return payload, Arrival(_without_scope(sender[0]), ttl, self._multihop)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class SendingSocket:
    """Sends one session's packets, always from the same port."""

    def __init__(self, peer: Address, local: Address | None, *, multihop: bool) -> None:
        self._to = (str(peer), MULTIHOP_PORT if multihop else SINGLE_HOP_PORT)
        self._socket = _udp(peer.version)
        try:
            _bind_source(self._socket, "" if local is None else str(local))
        except OSError:
            self._socket.close()
            raise

    def send(self, payload: bytes) -> bool:
        """Send now or not at all; tell whether it left."""
        try:
            self._socket.sendto(payload, self._to)
        except OSError:  # no route, NIC down, full queue: the next packet is due soon
            return False
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _udp(version: int) -> socket.socket:
    family = socket.AF_INET6 if version == 6 else socket.AF_INET
    made = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    if version == 6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, SENT_TTL)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, _INTERNETWORK_CONTROL)
    else:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, SENT_TTL)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, _INTERNETWORK_CONTROL)
    return made


def _bind_source(made: socket.socket, local: str) -> None:
    """Bind to a random port of the range; OSError when the address isn't ours."""
    for _ in range(_TRIES - 1):
        with contextlib.suppress(OSError):
            made.bind((local, random.choice(SOURCE_PORTS)))
            return
    made.bind((local, random.choice(SOURCE_PORTS)))


def _without_scope(text: str) -> Address:
    address = ip_address(text)
    return IPv6Address(int(address)) if isinstance(address, IPv6Address) else address
