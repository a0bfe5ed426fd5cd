"""When this node's hellos are due, and what goes into them.

A hello goes out each interval, at once on a change (but not within SPACING_S of the last), and
again soon while changes have been told fewer than three times. Datagrams after the first of a
burst carry table only. The whole table goes in chunks, paced so that a segment whose nodes all
start at once stays below CHUNK_RATE datagrams/s.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from speaker.hello.packet import Double, Hello, Keyring, build_hello, room_for_lines
from speaker.hello.table import OwnTable

SPACING_S = 0.005
"""Between hellos caused by changes: a burst of changes is gathered into full datagrams."""
REPEATS_PER_INTERVAL = 4
"""Changes are repeated at a quarter of the owner's interval, so all are told within one."""
BURST = 8
"""Datagrams sent at once; the rest of a pass goes SPACING_S later."""
SEGMENT_RATE = 500
"""Hellos/s of all owners together: at 100 us each this costs every node 5 % of a core."""
CHUNK_RATE = 800
"""Chunks/s of all nodes together, reached when all start at once."""
CHUNK_SPACING_S = 0.005
REMEMBERED = 1024
"""Own hellos whose sending time is remembered, to date echoes."""
SLOWING = 2
"""Hellos still sent at the old pace after slowing down, in case the one that says so gets lost."""
SEQUENCE_MASK = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Said:
    """What a hello says beside the table; asked for when one is due."""

    ring: Keyring
    key_id: int
    freshness_s: int
    starting: bool
    draining: bool
    stalled: bool
    passive: bool
    echoes: Mapping[int, tuple[int, int]]
    doubles: tuple[Double, ...]


class Sender:
    """The hellos of one node on one NIC."""

    def __init__(
        self,
        *,
        node: str,
        boot_id: int,
        owner_interval_s: float,
        idle_interval_s: float,
        jitter: Callable[[], float],
        now: float,
    ) -> None:
        self.table = OwnTable()
        self.node = node
        self.boot_id = boot_id
        self.sequence = 0
        self.told_sequence = 0
        "Of the hello with which `table.told_version` was reached."
        self._whole_sequence = 0
        self._owner_interval_s = owner_interval_s
        self._idle_interval_s = idle_interval_s
        self._jitter = jitter
        self._sent_at: deque[float] = deque(maxlen=REMEMBERED)
        self.interval_s = idle_interval_s
        self._slow_until = -math.inf
        self._slowing = 0
        self._due_at = now
        self._chunk_due_at = now
        self._segment_nodes = 1

    def echo_interval_s(self, now: float) -> float:
        """Return the interval that echoes heard now may still stem from."""
        return self._idle_interval_s if now < self._slow_until else self.interval_s

    def pace(self, *, owning: bool, owners: int, nodes: int, now: float) -> None:
        """Know how much there is to say and how many share the segment."""
        self._segment_nodes = max(1, nodes)
        wanted_s = max(self._owner_interval_s, owners / SEGMENT_RATE)
        wanted_s = wanted_s if owning else max(self._idle_interval_s, wanted_s)
        if wanted_s == self.interval_s:
            return
        if wanted_s < self.interval_s:
            self._slow_until = now + 3 * self.interval_s
        else:
            self._slowing = SLOWING
        self.interval_s = wanted_s
        self.nudge(now)

    def nudge(self, now: float) -> None:
        """Send soon: something has changed."""
        last = self._sent_at[-1] if self._sent_at else -math.inf
        self._due_at = min(self._due_at, max(now, last + SPACING_S))

    def sent_at(self, sequence_low: int) -> float | None:
        """Return when the own sequence with these low 32 bits was sent; None if long ago."""
        back = (self.sequence - sequence_low) & SEQUENCE_MASK
        return self._sent_at[-1 - back] if back < len(self._sent_at) else None

    def hear_echo(self, sequence_low: int, version: int) -> None:
        """Tell the whole table if who echoes this has missed what is not told any more."""
        if version >= self.table.told_version:
            return
        back = (self.sequence - sequence_low) & SEQUENCE_MASK
        if back <= self.sequence - max(self.told_sequence, self._whole_sequence):
            self.table.want_whole()

    def next_deadline(self) -> float:
        """Return when the next datagram is due."""
        if self.table.telling_whole:
            return min(self._due_at, self._chunk_due_at)
        return self._due_at

    def due(self, now: float) -> bool:
        """Return whether anything is to be sent now."""
        return now >= self.next_deadline()

    def datagrams(self, said: Said, now: float) -> list[bytes]:
        """Return what is due."""
        payloads: list[bytes] = []
        if now >= self._due_at:
            payloads.extend(self._burst(said, now))
            self._due_at = now + self._wait_s()
        if self.table.telling_whole and now >= self._chunk_due_at:
            payloads.append(self._chunk(said, now))
            shared_s = self._segment_nodes / CHUNK_RATE
            self._chunk_due_at = now + max(CHUNK_SPACING_S, shared_s)
        return payloads

    def _wait_s(self) -> float:
        if self.table.in_pass:
            return SPACING_S
        # Earlier by up to a tenth, never later: receivers count whole intervals.
        wait_s = self.interval_s * (1 - self._jitter() / 10)
        if self._slowing:
            self._slowing -= 1
            return min(wait_s, self._owner_interval_s)
        if self.table.untold:
            return min(wait_s, self._owner_interval_s / REPEATS_PER_INTERVAL)
        return wait_s

    def _burst(self, said: Said, now: float) -> list[bytes]:
        payloads = [self._datagram(said, now, first=True)]
        while self.table.in_pass and len(payloads) < BURST:
            payloads.append(self._datagram(said, now, first=False))
        return payloads

    def _datagram(self, said: Said, now: float, *, first: bool) -> bytes:
        hello = self._hello(said, now, first=first)
        lines = b""
        told = self.table.told_version
        if self.table.untold and (found := self.table.next_changes(room_for_lines(hello))):
            changes, lines = found
            hello = replace(hello, changes=changes)
        if self.table.told_version != told:
            self.told_sequence = self.sequence
        return build_hello(hello, said.ring, said.key_id, lines)

    def _chunk(self, said: Said, now: float) -> bytes:
        hello = self._hello(said, now, first=False)
        lines = b""
        if found := self.table.next_chunk(room_for_lines(hello)):
            chunk, lines = found
            self._whole_sequence = self.sequence
            hello = replace(hello, chunk=chunk)
        return build_hello(hello, said.ring, said.key_id, lines)

    def _hello(self, said: Said, now: float, *, first: bool) -> Hello:
        self.sequence += 1
        self._sent_at.append(now)
        return Hello(
            node=self.node,
            boot_id=self.boot_id,
            sequence=self.sequence,
            interval_ms=max(1, round(self.interval_s * 1000)),
            freshness_s=said.freshness_s,
            starting=said.starting,
            draining=said.draining,
            stalled=said.stalled,
            passive=said.passive,
            partial=not first,
            version=self.table.version,
            count=len(self.table.entries),
            echoes=said.echoes if first else {},
            doubles=said.doubles if first else (),
            keys=tuple(sorted(said.ring.keys)) if first else (),
        )
