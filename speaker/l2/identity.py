"""Who this node is on the segment: its keys, and its own other NIC on the same segment.

Each NIC's hellos carry an incarnation: the process's boot id with its low 16 bits replaced by a
hash of the NIC's name and of how often the process has opened it before. So a node hears from its
own hellos that two of its NICs are one segment; the one with the lower incarnation takes part, the
other stays passive while it hears the first. And a NIC that is opened anew, whose sequence and
table begin anew, is no recording of itself to the neighbours.
"""

import math
import zlib

from speaker.hello.packet import DropReason, Hello, Keyring, cluster_digest
from speaker.l2.ground import Ground
from speaker.seam.messages import Identity

NIC_BITS = 16
NIC_MASK = (1 << NIC_BITS) - 1


def incarnation_of(boot_id: int, interface: str, opening: int) -> int:
    """Return the boot id as this NIC says it; never 0."""
    return (boot_id & ~NIC_MASK) | (zlib.crc32(f"{interface} {opening}".encode()) & NIC_MASK) or 1


class Identities:
    """The keys in force, and the twin."""

    def __init__(self, ground: Ground) -> None:
        self.ring: Keyring | None = None
        self._ground = ground
        self._twin_until = -math.inf

    def take(self, identity: Identity) -> None:
        """Take the keys; without any the node stays silent and deaf."""
        keys = {each.id: bytes.fromhex(each.secret_hex) for each in identity.keys}
        ring = Keyring(cluster_digest(identity.cluster_id), keys)
        self.ring = ring if keys else None

    def own(self, hello: Hello, now: float) -> DropReason | None:
        """Return a reason if this is no other node's hello."""
        if hello.boot_id == self._ground.boot_id:
            return DropReason.OWN
        if hello.boot_id >> NIC_BITS == self._ground.boot_id >> NIC_BITS:
            if hello.boot_id < self._ground.boot_id:
                self._ground.passive = True
                window_s = self._ground.timing.multiplier * hello.interval_ms / 1000
                self._twin_until = now + window_s
            return DropReason.TWIN
        if hello.node == self._ground.node:
            return DropReason.OWN  # the process before this one, or another node of the same name
        return DropReason.TWIN if hello.passive else None

    def next_deadline(self) -> float:
        """Return when the twin counts as gone."""
        return self._twin_until if self._ground.passive else math.inf

    def expire(self, now: float) -> None:
        """Take part again if the twin was not heard for long."""
        if self._ground.passive and now >= self._twin_until:
            self._ground.passive = False
