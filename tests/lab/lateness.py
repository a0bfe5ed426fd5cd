"""Whether the machine gave the processes of a wire lab their time.

A wire says in each hello when the next one comes at the latest, and the watcher's kernel stamps
them when they come: so it shows who was late, however late the test itself is.
"""

import socket
import struct
from collections.abc import Iterable, Iterator

from netns_lab.netns import inside
from speaker.hello.packet import Hello, Keyring, cluster_digest, parse_hello
from speaker.l2.udp import Datagram, parse_hello_frame
from speaker.seam.messages import Identity

LATE_MS = 100.0
"""As in the drills: half of what a hello may be late before its sender is dead."""
ETH_P_IP, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 0x0800, 35, 33
_STAMP = struct.Struct("qq")


class HelloWatch:
    """Hears the hellos on a host's NIC, with the time at which its kernel took each."""

    def __init__(self, namespace: str, identity: Identity) -> None:
        keys = {key.id: bytes.fromhex(key.secret_hex) for key in identity.keys}
        self._ring = Keyring(cluster_digest(identity.cluster_id), keys)
        self._heard: list[tuple[float, Hello]] = []
        with inside(namespace):
            self._frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
            self._frames.bind(("lan0", ETH_P_IP))
        self._frames.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        self._frames.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._frames.setblocking(False)

    def heard(self) -> list[tuple[float, Hello]]:
        """Return all hellos since the start, each with its time."""
        self._heard += self._read()
        return self._heard

    def close(self) -> None:
        """Hear no more."""
        self._frames.close()

    def _read(self) -> Iterator[tuple[float, Hello]]:
        while True:
            try:
                frame, ancillary, _, _ = self._frames.recvmsg(2048, socket.CMSG_SPACE(_STAMP.size))
            except BlockingIOError:
                return
            except OSError:  # the NIC went down
                continue
            datagram = parse_hello_frame(frame)
            if not isinstance(datagram, Datagram):
                continue
            hello = parse_hello(datagram.payload, self._ring)
            if isinstance(hello, Hello):
                seconds, nanoseconds = _STAMP.unpack(ancillary[0][2])
                yield seconds + nanoseconds / 1e9, hello


def latest_ms(heard: Iterable[tuple[float, Hello]]) -> float:
    """Return by how much the latest of the hellos came later than the one before had promised."""
    promised: dict[int, float] = {}
    latest_s = 0.0
    for at, hello in heard:
        latest_s = max(latest_s, at - promised.get(hello.boot_id, at))
        promised[hello.boot_id] = at + hello.interval_ms / 1000
    return latest_s * 1000
