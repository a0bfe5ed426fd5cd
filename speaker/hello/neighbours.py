"""Who is heard on the segment, how lately, and whether that is proof of life.

A neighbour's *standing* says what its hellos are worth. TWO_WAY needs a hello younger than its
detection time that echoes my current boot id with a sequence of mine younger than that: a
recording can't. The detection time is three of its intervals, more when datagrams are seen to get
lost or when this process itself was late.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from speaker.hello.entry import Entry
from speaker.hello.packet import DropReason, Hello
from speaker.hello.table import RemoteTable
from speaker.seam.messages import Address

MAX_NEIGHBOURS = 128
"""Nodes remembered a segment: twice the size that the hello is made for. The longest dead goes."""
MAX_RETIRED = 512
"""Boot ids remembered so that their recordings stay worthless; the oldest goes."""
MAX_INTERVAL_S = 10.0
"""Longest interval believed, or one datagram could keep its sender alive for minutes."""
LOSS_WEIGHT = 1 / 128
"""Of each hello in the measured loss: a single lost one in some seconds changes nothing."""
LEAST_LOSS = 0.01
"""Below this three in a row are lost by chance less often than FALSE_DEATH."""
FALSE_DEATH = 1e-6
"""Wanted chance that so many hellos in a row get lost by chance."""
MAX_MULTIPLIER = 10
FLOOR_S = 3.0
"""A third node's sequence counts as recent for one to two times this."""


class Standing(IntEnum):
    """What a node's hellos are worth; higher is more."""

    DEAD = 0
    "None heard within the detection time."
    UNPROVEN = 1
    "Heard, but they echo nobody lately heard here: they may be a recording."
    DEAF = 2
    "Heard, and it says that it hears nobody."
    HEARD = 3
    "Heard, and it echoes a third node's recent sequence: alive, but it doesn't hear this node."
    TWO_WAY = 4
    "Heard, and it echoes this node's recent sequence."


@dataclass(slots=True)
class Neighbour:
    """One node, as its hellos show it."""

    node: str
    boot_id: int
    mac: bytes
    sequence: int = 0
    heard_at: float = -math.inf
    interval_s: float = 1.0
    starting: bool = False
    draining: bool = False
    fresh_at: float = 0.0
    "When its knowledge of the API was current, in this node's loop seconds."
    keys: tuple[int, ...] = ()
    echoed_at: float = -math.inf
    "When this node sent what the neighbour echoed last."
    echoed_version: int = 0
    "Version of this node's table that the neighbour holds."
    echoed_sequence: int = 0
    vouched_at: float = -math.inf
    "When it last echoed a third node's recent sequence."
    echoes: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    "Whom it hears, by boot id."
    loss: float = 0.0
    grace_until: float = -math.inf
    "Not dead before: this process was late to read."
    table: RemoteTable = field(default_factory=RemoteTable)
    incomplete_since: float | None = None
    standing: Standing = Standing.DEAD
    successor: tuple[int, int] | None = None
    "Boot id and sequence of an unproven newer process, to be echoed so that it can prove itself."
    floor: tuple[int, int] = (0, 0)
    floor_at: float = -math.inf

    def multiplier(self, least: int) -> int:
        """Return after how many silent intervals it is dead."""
        if self.loss <= LEAST_LOSS:
            return least
        wanted = math.ceil(math.log(FALSE_DEATH) / math.log(min(self.loss, 0.9)))
        return max(least, min(MAX_MULTIPLIER, wanted))

    def dead_at(self, least: int) -> float:
        """Return when it is dead unless it is heard again."""
        detection_s = self.interval_s * self.multiplier(least)
        return max(self.heard_at + detection_s, self.grace_until)

    def observe(self, sequence: int, least: int) -> None:
        """Count what got lost before this sequence."""
        missed = sequence - self.sequence - 1 if self.sequence else 0
        if missed <= least * 3:  # more is an outage, not loss
            self.loss = 1 - (1 - self.loss) * (1 - LOSS_WEIGHT) ** missed
            self.loss *= 1 - LOSS_WEIGHT
        self.sequence = sequence

    def step_floor(self, now: float) -> None:
        """Remember a sequence that is at least FLOOR_S old, and at most twice that."""
        if now - self.floor_at >= FLOOR_S:
            self.floor = (self.floor[1], self.sequence)
            self.floor_at = now


@dataclass(frozen=True, slots=True)
class Heard:
    """What a hello changed: addresses in its sender's table, each with its entry before."""

    neighbour: Neighbour
    before: Mapping[Address, Entry | None]
    gone: Neighbour | None = None
    "A neighbour forgotten for it: the process it has succeeded, or the longest dead."


class Neighbours:
    """All nodes heard on the segment, by name."""

    def __init__(self, *, boot_id: int, multiplier: int) -> None:
        self._boot_id = boot_id
        self._least = multiplier
        self.by_node: dict[str, Neighbour] = {}
        self._by_boot: dict[int, Neighbour] = {}
        self._retired: OrderedDict[int, int] = OrderedDict()
        self._check_at = math.inf

    def __iter__(self) -> Iterator[Neighbour]:
        return iter(self.by_node.values())

    def two_way(self) -> list[Neighbour]:
        """Return those that hear me and are heard: the electorate."""
        return [each for each in self if each.standing is Standing.TWO_WAY]

    def by_boot(self, boot_id: int) -> Neighbour | None:
        """Return the neighbour whose current process this is."""
        return self._by_boot.get(boot_id)

    def receive(
        self, hello: Hello, mac: bytes, now: float, sent_at: Callable[[int], float | None]
    ) -> Heard | DropReason:
        """Take a hello. `sent_at` says when this node sent a sequence, None if long ago."""
        echo = hello.echoes.get(self._boot_id)
        sent = sent_at(echo[0]) if echo is not None else None
        known = self.by_node.get(hello.node)
        gone = None
        if known is None or known.boot_id != hello.boot_id:
            fault = self._refuse_boot(known, hello, proven=sent is not None)
            if fault is not None:
                return fault
            gone = known if known is not None else self._longest_dead()
            if gone is None and len(self.by_node) >= MAX_NEIGHBOURS:
                return DropReason.TABLE_FULL
            known = self._admit(gone, hello, mac)
        if hello.sequence <= known.sequence:
            return DropReason.REPLAYED
        known.mac = mac
        if echo is not None and sent is not None:
            known.echoed_at = max(known.echoed_at, sent)
            known.echoed_sequence, known.echoed_version = echo
        if known.standing is not Standing.TWO_WAY and self._vouched(hello):
            known.vouched_at = now
        return Heard(known, self._take(known, hello, now), gone)

    def refresh(self, now: float, horizon_s: float) -> list[tuple[Neighbour, Standing]]:
        """Judge all whose standing may have changed; return the changed with what it was.

        `horizon_s` is the detection time of this node's own hellos: an echo may be that much
        older than the hello that brings it.
        """
        if now < self._check_at:
            return []
        self._check_at = math.inf
        changed = []
        for neighbour in self:
            before = neighbour.standing
            neighbour.standing, until = self._judge(neighbour, now, horizon_s)
            self._check_at = min(self._check_at, until)
            if neighbour.standing is not before:
                changed.append((neighbour, before))
        return changed

    def next_check(self) -> float:
        """Return when a standing may change by itself."""
        return self._check_at

    def forgive(self, until: float) -> None:
        """Declare nobody dead before: this process was late, and hellos may lie unread."""
        for neighbour in self:
            if neighbour.standing is not Standing.DEAD:
                neighbour.grace_until = until

    def forget_liveness(self) -> None:
        """Believe nobody alive until heard anew, after this node itself was away."""
        for neighbour in self:
            neighbour.heard_at = neighbour.echoed_at = neighbour.vouched_at = -math.inf
            neighbour.grace_until = -math.inf
        self._check_at = -math.inf

    def _judge(self, neighbour: Neighbour, now: float, horizon_s: float) -> tuple[Standing, float]:
        dead_at = neighbour.dead_at(self._least)
        if now >= dead_at:
            return Standing.DEAD, math.inf
        window_s = dead_at - neighbour.heard_at + horizon_s
        if now < (until := neighbour.echoed_at + window_s):
            return Standing.TWO_WAY, min(dead_at, until)
        if now < (until := neighbour.vouched_at + window_s):
            return Standing.HEARD, min(dead_at, until)
        return Standing.UNPROVEN if neighbour.echoes else Standing.DEAF, dead_at

    def _vouched(self, hello: Hello) -> bool:
        for boot_id, (sequence, _) in hello.echoes.items():
            third = self._by_boot.get(boot_id)
            if third is None or third.node == hello.node:
                continue
            if third.standing is Standing.TWO_WAY and sequence >= third.floor[0] & 0xFFFF_FFFF:
                return True
        return False

    def _refuse_boot(
        self, known: Neighbour | None, hello: Hello, *, proven: bool
    ) -> DropReason | None:
        """Return why this is not a new process of the node, None if it may be one."""
        last = self._retired.get(hello.boot_id)
        if last is not None and hello.sequence <= last:
            return DropReason.REPLAYED
        if known is None or proven:
            return None
        if known.standing is not Standing.TWO_WAY and last is None:
            return None
        known.successor = (hello.boot_id, hello.sequence)
        return DropReason.OLD_BOOT

    def _longest_dead(self) -> Neighbour | None:
        """Return whom to forget so that another fits in; None if there is room or nobody."""
        if len(self.by_node) < MAX_NEIGHBOURS:
            return None
        dead = (each for each in self if each.standing is Standing.DEAD)
        return min(dead, key=lambda each: each.heard_at, default=None)

    def _admit(self, gone: Neighbour | None, hello: Hello, mac: bytes) -> Neighbour:
        if gone is not None:
            self._forget(gone)
        fresh = Neighbour(hello.node, hello.boot_id, mac)
        self.by_node[hello.node] = self._by_boot[hello.boot_id] = fresh
        return fresh

    def _forget(self, neighbour: Neighbour) -> None:
        del self.by_node[neighbour.node]
        self._by_boot.pop(neighbour.boot_id, None)
        self._retired[neighbour.boot_id] = neighbour.sequence
        if len(self._retired) > MAX_RETIRED:
            self._retired.popitem(last=False)

    def _take(
        self, neighbour: Neighbour, hello: Hello, now: float
    ) -> Mapping[Address, Entry | None]:
        neighbour.observe(hello.sequence, self._least)
        neighbour.heard_at = now
        neighbour.step_floor(now)
        neighbour.interval_s = min(hello.interval_ms / 1000, MAX_INTERVAL_S)
        neighbour.starting = hello.starting
        neighbour.draining = hello.draining
        neighbour.fresh_at = now - hello.freshness_s
        if not hello.partial:
            neighbour.keys = hello.keys
            neighbour.echoes = hello.echoes
        before = neighbour.table.apply(hello)
        if neighbour.table.complete:
            neighbour.incomplete_since = None
        elif neighbour.incomplete_since is None:
            neighbour.incomplete_since = now
        # Its standing may be higher now; lower it can only become later than it was due before.
        if neighbour.standing is not Standing.TWO_WAY:
            self._check_at = now
        else:
            self._check_at = min(self._check_at, neighbour.dead_at(self._least))
        return before
