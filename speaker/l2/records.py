"""All records of a segment, and which of them have to be judged: marked ones and due ones.

An event marks the records it may change, and nothing else is looked at: who claims what is indexed
by neighbour, and what waits for more than a neighbour's claim is in `unsettled`.
"""

import heapq
import math
from collections.abc import Mapping

from speaker.hello.entry import Entry
from speaker.hello.neighbours import Neighbour, Standing
from speaker.l2.cause import Cause
from speaker.l2.ground import Ground
from speaker.l2.rank import uid_hash
from speaker.l2.record import ANSWERING, Record
from speaker.seam.messages import Address, AddressIntent

SLICE = 32
"""Records judged before hellos are read again: about 2 ms."""


class Records:
    """Records by address, with the claims that neighbours' tables hold for them."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.by_address: dict[Address, Record] = {}
        self.unsettled: set[Address] = set()
        self.untabled: set[Address] = set()
        "Those that wait for neighbours' tables."
        self._claimed: dict[str, set[Address]] = {}
        self._dirty: dict[Address, None] = {}
        self._timers: list[tuple[float, int, Address]] = []
        self._ticket = 0

    def want(self, intent: AddressIntent, now: float, *, resumable: bool) -> None:
        """Keep a record of the address from now on, or renew its intent."""
        record = self.by_address.get(intent.address)
        self.mark(intent.address)
        if record is not None:
            record.intent = intent
            record.uid_hash = uid_hash(intent)
            record.key = str(intent.rank_key)
            return
        record = Record(intent.address, intent, uid_hash(intent), str(intent.rank_key), now)
        record.resumable = resumable
        self.by_address[intent.address] = record
        for neighbour in self._ground.neighbours:
            self._index(record, neighbour, neighbour.table.entries.get(intent.address))

    def remove(self, record: Record) -> None:
        """Forget the address."""
        del self.by_address[record.address]
        self.unsettled.discard(record.address)
        self.untabled.discard(record.address)
        self._dirty.pop(record.address, None)
        for node in record.claims:
            self._claimed[node].discard(record.address)

    def table_changed(self, neighbour: Neighbour, before: Mapping[Address, Entry | None]) -> None:
        """Take what a neighbour's hello changed in its table."""
        for address, earlier in before.items():
            record = self.by_address.get(address)
            if record is None:
                continue
            entry = neighbour.table.entries.get(address)
            # Who is how fit matters only where somebody waits for his turn: a table of thousands
            # of grades that comes in while starting must not cost a judgement for each.
            if _claims_alike(earlier, entry):
                if address in self.unsettled and not self._ground.starting:
                    self.mark(address)
                continue
            self._index(record, neighbour, entry)
            self.mark(address)

    def table_gone(self, neighbour: Neighbour) -> None:
        """Forget what a process that was succeeded, or a node no longer remembered, had said."""
        for address in self._claimed.pop(neighbour.node, set()):
            record = self.by_address[address]
            record.claims.pop(neighbour.node, None)
            record.vacated = Cause.NEIGHBOUR_DIED
            self.mark(address)

    def standing_changed(self, neighbour: Neighbour, before: Standing) -> None:
        """Mark what hangs on whether this neighbour counts."""
        if before <= Standing.UNPROVEN < neighbour.standing:
            for address, entry in neighbour.table.entries.items():
                if entry.claim is not None and (record := self.by_address.get(address)) is not None:
                    self._index(record, neighbour, entry)
        if neighbour.standing is Standing.DEAD:
            for address in self._claimed.get(neighbour.node, ()):
                self.by_address[address].vacated = Cause.NEIGHBOUR_DIED
        self.mark_claimed(neighbour.node)

    def _index(self, record: Record, neighbour: Neighbour, entry: Entry | None) -> None:
        node = neighbour.node
        if entry is None or entry.claim is None:
            if record.claims.pop(node, None) is not None:
                self._claimed[node].discard(record.address)
                record.vacated = Cause.RELEASED
            if entry is not None and entry.held:
                record.used = False  # its claim was the first use, and a stranger ended it
            return
        record.claims[node] = entry.claim
        self._claimed.setdefault(node, set()).add(record.address)
        record.highest = max(record.highest, entry.claim.generation)
        record.used = True
        if neighbour.standing is not Standing.DEAD:
            self.forget_dead(record)

    def forget_dead(self, record: Record) -> None:
        """Forget claims of the dead: somebody has succeeded them."""
        for node in list(record.claims):
            neighbour = self._ground.neighbours.by_node.get(node)
            if neighbour is None or neighbour.standing is Standing.DEAD:
                del record.claims[node]
                self._claimed[node].discard(record.address)

    @property
    def marked(self) -> int:
        """How many wait to be judged."""
        return len(self._dirty)

    def mark(self, address: Address) -> None:
        """Have the record judged anew."""
        self._dirty[address] = None

    def mark_claimed(self, node: str) -> None:
        """Judge anew what this neighbour claims, and what waits."""
        self._dirty.update(dict.fromkeys(self._claimed.get(node, ())))
        self.mark_unsettled()

    def mark_unsettled(self) -> None:
        """Judge anew all that waits for something; the end of the start does so anyway."""
        if not self._ground.starting:
            self._dirty.update(dict.fromkeys(self.unsettled))

    def doubt_owned(self) -> None:
        """Doubt what is owned here: a neighbour whose table was not known may have claimed it."""
        for record in self.by_address.values():
            if record.role in ANSWERING:
                record.rival = True
                self.mark(record.address)

    def mark_untabled(self) -> None:
        """Judge anew what waits for neighbours' tables."""
        self._dirty.update(dict.fromkeys(self.untabled))
        self.untabled.clear()

    def mark_all(self) -> None:
        """Judge everything anew."""
        self._dirty.update(dict.fromkeys(self.by_address))

    def arm(self, record: Record, *times: float | None) -> None:
        """Judge the record anew at the earliest of the times."""
        due = min((each for each in times if each is not None), default=None)
        if due is not None and due != record.timer:
            self._ticket += 1  # addresses of two families can't be compared
            heapq.heappush(self._timers, (due, self._ticket, record.address))
        record.timer = due

    def next_deadline(self) -> float | None:
        """Return when a record is to be judged; at once when marked ones are waiting."""
        if self._dirty:
            return -math.inf
        while self._timers:
            at, _, address = self._timers[0]
            record = self.by_address.get(address)
            if record is not None and record.timer == at:
                return at
            heapq.heappop(self._timers)
        return None

    def take_slice(self, now: float) -> list[Record]:
        """Return some of the records that are marked or due."""
        while self._timers and self._timers[0][0] <= now:
            at, _, address = heapq.heappop(self._timers)
            record = self.by_address.get(address)
            if record is not None and record.timer == at:
                record.timer = None
                self.mark(address)
        taken = [address for address, _ in zip(self._dirty, range(SLICE), strict=False)]
        for address in taken:
            del self._dirty[address]
        return [self.by_address[each] for each in taken if each in self.by_address]


def _claims_alike(one: Entry | None, other: Entry | None) -> bool:
    if one is None or other is None:
        said = one or other
        return said is None or (said.claim is None and not said.held)
    return one.claim == other.claim and one.held == other.held
