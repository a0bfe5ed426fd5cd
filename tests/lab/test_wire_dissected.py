"""scapy as the independent judge of all that real wire processes send, from start to takeover.

The frames are taken where they leave the nodes, so that unicast ones are among them: questions to
a silent owner, answers, BFD. Strictly: no layer is left undissected but padding and the hello's
payload, and a rebuild with lengths and checksums cleared gives the same bytes.
"""

import array
import contextlib
import fcntl
import signal
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

import pytest

from netns_lab.netns import inside
from speaker.seam.messages import Address, BfdIntent, BfdReport, BfdState, OwnerState
from tests.lab.attempts import once_more_when_starved
from tests.lab.wire_lab import (
    SO_RCVBUFFORCE,
    VIP,
    VIP6,
    WireLab,
    WireProcess,
    intent,
    until,
    wire_lab,
)
from tests.speaker.l2.dissector import dissected, rebuilt, undissected

pytestmark = pytest.mark.netns

ETH_P_ALL = 3
VIPS: tuple[Address, ...] = (VIP, VIP6)
SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
NODES: dict[int, tuple[Address, Address]] = {
    number: (IPv4Address(f"192.168.4.10{number}"), IPv6Address(f"fd00:4::10{number}"))
    for number in (1, 2)
}
KINDS = {
    "arp question", "arp question to one host", "arp answer", "arp announcement",
    "nd question", "nd question to one host", "nd answer", "nd announcement", "hello",
    "bfd 4 AdminDown", "bfd 4 Down", "bfd 4 Init", "bfd 4 Up",
    "bfd 6 AdminDown", "bfd 6 Down", "bfd 6 Init", "bfd 6 Up",
}  # fmt: skip


class Tap:
    """Hears what leaves a node's NIC."""

    def __init__(self, namespace: str) -> None:
        with inside(namespace):
            self._frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self._frames.bind(("lan0", ETH_P_ALL))
            self._compute_checksums()
        self._frames.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        self._frames.setblocking(False)

    def _compute_checksums(self) -> None:
        """Have the kernel do so for the UDP sockets of BFD: a veth leaves it to nobody."""
        value = array.array("I", [ETHTOOL_STXCSUM, 0])
        request = struct.pack("16sP16x", b"lan0", value.buffer_info()[0])
        fcntl.ioctl(self._frames, SIOCETHTOOL, request)

    def frames(self) -> Iterator[bytes]:
        """Give what has left since the last call."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, (_, _, kind, _, _) = self._frames.recvfrom(2048)
                if kind == socket.PACKET_OUTGOING:
                    yield frame

    def close(self) -> None:
        """Hear no more."""
        self._frames.close()


def kind_of(frame: bytes) -> str:
    """Return what the frame is, as scapy reads it; empty for what is the kernel's own business."""
    packet = dissected(frame)
    to_one = int(packet.dst[1], 16) % 2 == 0
    if "ARP" in packet:
        arp = packet["ARP"]
        if arp.psrc == arp.pdst:
            return "arp announcement"
        return "arp answer" if arp.op == 2 else f"arp question{' to one host' * to_one}"
    if "ICMPv6ND_NS" in packet:
        return f"nd question{' to one host' * to_one}"
    if "ICMPv6ND_NA" in packet:
        return "nd answer" if packet["ICMPv6ND_NA"].S else "nd announcement"
    if "BFD" in packet:
        state = packet["BFD"].sprintf("%BFD.sta%")
        return f"bfd {packet.payload.version} {state}"
    return "hello" if "UDP" in packet and packet["UDP"].dport == 17946 else ""


def has_both(node: WireProcess, other: WireProcess) -> bool:
    """Tell whether the node owns both addresses, and the other has heard so in a hello."""
    told = [other.owner(each) for each in VIPS]
    knows = all(each is not None and each.state is OwnerState.OTHER for each in told)
    return knows and all(map(node.owns, VIPS))


async def ask(lab: WireLab) -> None:
    """Ask for both addresses, as a client does, until they are answered."""
    for each in VIPS:
        assert await lab.watch.answers(each)


def bfd_between(one: int, other: int) -> list[BfdIntent]:
    """Return what node `one` wants with the other."""
    return [
        BfdIntent(theirs, ours, transmit_ms=100, receive_ms=100)
        for ours, theirs in zip(NODES[one], NODES[other], strict=True)
    ]


def bfd_up(node: WireProcess) -> bool:
    """Tell whether both of the node's sessions are up."""
    reports = node.reports(BfdReport)
    return len(reports) == 2 and all(each.state is BfdState.UP for each in reports)


@once_more_when_starved
async def test_every_frame_from_start_to_takeover_is_what_it_should_be() -> None:
    async with wire_lab(2, *map(intent, VIPS), start=False) as lab:
        with contextlib.ExitStack() as stack:
            taps = [stack.enter_context(contextlib.closing(Tap(n.namespace))) for n in lab.nodes]
            one, two = lab.nodes
            for number, node in enumerate(lab.nodes, 1):
                node.intents += bfd_between(number, 3 - number)
                node.start("--grace-s", "2")
                node.dial()
            await until(lambda: all(map(bfd_up, lab.nodes)), "BFD is up")
            await until(lambda: has_both(one, two) or has_both(two, one), "one owner of both")
            await ask(lab)
            dead, other = (one, two) if has_both(one, two) else (two, one)
            dead.kill()
            await until(lambda: all(map(other.owns, VIPS)), "the takeover")
            await ask(lab)
            await until(lambda: not bfd_up(other), "BFD's end is noticed")
            dead.start()
            await until(lambda: bfd_up(other), "BFD is up again")
            other.signal(signal.SIGTERM)
            await until(lambda: other.status is not None, "it leaves")
            sent = [frame for tap in taps for frame in tap.frames()]

        judged = Counter(filter(None, map(kind_of, sent)))
        assert KINDS - judged.keys() == set(), judged
        frames = [frame for frame in sent if kind_of(frame)]
        assert [frame.hex() for frame in frames if undissected(frame)] == []
        assert [frame.hex() for frame in frames if rebuilt(frame) != frame] == []
