"""The raw sockets of one NIC: frames in through a kernel filter, frames out. No decisions here.

An AF_PACKET socket sees every frame of the NIC from the moment it is bound, so it is bound behind
a filter that drops all, drained, and only then given its real filter. Opening one needs NET_RAW.
A NIC that goes down gives ENETDOWN once and works again afterwards; one that was deleted gives
ENXIO for ever: netlink tells of its successor, and the driver opens new sockets on that.
"""

import contextlib
import ctypes
import errno
import socket
import struct
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address

from speaker.l2.ethernet import EtherType, Mac
from speaker.l2.filter import DROP_ALL, MODEST_LIMIT, Program, encode

FRAME_LIMIT = 2048
"""Longer than any frame we read; a hello fits an MTU of 1500."""
RECEIVE_BUFFER = 1 << 20
GROUPS_A_SOCKET = 128

_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP, _PACKET_DROP_MEMBERSHIP, _PACKET_STATISTICS = 1, 2, 6
_PACKET_MR_MULTICAST = 0
_GONE = (errno.ENETDOWN, errno.ENXIO, errno.ENODEV)


class FrameSocket:
    """Frames of one EtherType on one NIC."""

    def __init__(self, interface: str, index: int, ether_type: EtherType) -> None:
        self._index = index
        self._ether_type = ether_type
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self.failures: Counter[str] = Counter()
        try:
            self.attach(DROP_ALL)
            _enlarge(self._socket)
            self._socket.bind((interface, ether_type))
            self.drain()
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor, for the loop."""
        return self._socket.fileno()

    def attach(self, program: Program) -> None:
        """Replace the filter, atomically. OSError ENOMEM: longer than this kernel allows."""
        octets = ctypes.create_string_buffer(encode(program))
        descriptor = struct.pack("HP", len(program), ctypes.addressof(octets))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, descriptor)

    def read(self) -> bytes | None:
        """Return the next frame; None when there is none now."""
        try:
            return self._socket.recv(FRAME_LIMIT)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno not in _GONE:
                raise
            self._count(error)
            return None

    def drain(self) -> int:
        """Drop all that is queued; return how many frames that were."""
        dropped = 0
        while self.read() is not None:
            dropped += 1
        return dropped

    def send(self, frame: bytes) -> bool:
        """Send a frame now or not at all; tell whether it left."""
        try:
            self._socket.send(frame)
        except OSError as error:  # full queue, NIC down or gone: each heals or is told by netlink
            self._count(error)
            return False
        return True

    def join(self, mac: Mac) -> None:
        """Let the NIC take in frames to a group's MAC."""
        try:
            self._membership(_PACKET_ADD_MEMBERSHIP, mac)
        except OSError as error:  # the NIC has just gone: netlink tells
            if error.errno not in _GONE:
                raise
            self._count(error)

    def leave(self, mac: Mac) -> None:
        """Undo `join`."""
        with contextlib.suppress(OSError):  # gone with the NIC
            self._membership(_PACKET_DROP_MEMBERSHIP, mac)

    def dropped_by_kernel(self) -> int:
        """Return how many frames a full queue has cost since the last call."""
        _, drops = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        return int(drops)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _membership(self, option: int, mac: Mac) -> None:
        request = struct.pack("iHH8s", self._index, _PACKET_MR_MULTICAST, 6, mac.octets)
        self._socket.setsockopt(_SOL_PACKET, option, request)

    def _count(self, error: OSError) -> None:
        self.failures[errno.errorcode.get(error.errno or 0, "unknown")] += 1


class GroupSockets:
    """Memberships in IPv6 groups on one NIC: they send the MLD reports that switches snoop for."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._sockets: list[tuple[socket.socket, set[IPv6Address]]] = []

    def join(self, group: IPv6Address) -> bool:
        """Join; tell whether the kernel let us (it doesn't where IPv6 is off)."""
        try:
            of, groups = self._roomy()
            of.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, self._request(group))
        except OSError:
            return False
        groups.add(group)
        return True

    def _roomy(self) -> tuple[socket.socket, set[IPv6Address]]:
        """Return a socket with room for a group: the first that others have left, or a new one."""
        for each in self._sockets:
            if len(each[1]) < GROUPS_A_SOCKET:
                return each
        made = (socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), set[IPv6Address]())
        self._sockets.append(made)
        return made

    def leave(self, group: IPv6Address) -> None:
        """Leave the group; nothing when it was never joined."""
        for each, groups in self._sockets:
            if group in groups:
                groups.discard(group)
                with contextlib.suppress(OSError):  # gone with the NIC
                    each.setsockopt(
                        socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP, self._request(group)
                    )

    def close(self) -> None:
        """Leave all groups."""
        for each, _ in self._sockets:
            each.close()
        self._sockets.clear()

    def _request(self, group: IPv6Address) -> bytes:
        return group.packed + struct.pack("=I", self._index)


def attach_best(frames: FrameSocket, make: Callable[[int], Program], limit: int) -> None:
    """Attach the most exact program that this kernel's option memory allows."""
    try:
        frames.attach(make(limit))
    except OSError as error:
        if error.errno != errno.ENOMEM or limit <= MODEST_LIMIT:
            raise
        frames.attach(make(MODEST_LIMIT))


def _enlarge(of: socket.socket) -> None:
    try:
        of.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:  # needs NET_ADMIN; else up to net.core.rmem_max
        of.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
