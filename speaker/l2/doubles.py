"""Two claimants of one address, as a third node hears them, and what it says of it in its hello.

They may not hear each other, and the loser would never know. So it is told as long as the better
claimant is heard here and some neighbour doesn't hear it. What lasts less than one interval is an
ordinary hand-over or clash and not worth a datagram.
"""

import math

from speaker.hello.entry import Claim
from speaker.hello.neighbours import Neighbour, Standing
from speaker.hello.packet import Double
from speaker.l2.claims import best_claim
from speaker.l2.ground import Ground
from speaker.l2.record import ANSWERING, Record
from speaker.l2.records import Records
from speaker.seam.messages import Address

MAX_TOLD = 8
"""Doubles told in one hello; the next ones follow when these have ended."""

LOOK_AGAIN_S = 1.0


class Doubles:
    """Addresses with two claimants."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._told: dict[Address, Double] = {}
        self._looked_at = 0.0
        self.version = 0
        "Counts the changes of what is to be told."

    def told(self) -> tuple[Double, ...]:
        """Return what the next hello says."""
        if len(self._told) > MAX_TOLD:
            for address in list(self._told)[:MAX_TOLD]:
                self._told[address] = self._told.pop(address)  # to the end: others next time
        return tuple(self._told.values())[-MAX_TOLD:]

    def end(self, address: Address) -> None:
        """Forget the address."""
        if self._told.pop(address, None) is not None:
            self.version += 1

    def look(self, record: Record, now: float) -> None:
        """See whether two neighbours claim the address, and since when."""
        self._looked_at = now
        if record.address in self._told:
            if not self._still_needed(record, now):
                record.double_since = None
                self.end(record.address)
            return
        claims = list(self._ground.claims(record, now)) if len(record.claims) > 1 else []
        relieved = any(self._ground.relieved(node, claim) for node, claim in claims)
        if len(claims) < 2 or relieved or record.role in ANSWERING:
            record.double_since = None
            return
        if record.double_since is None:
            record.double_since = now
        if now >= record.double_since + self._ground.timing.owner_interval_s:
            self._tell(record, now)

    def _still_needed(self, record: Record, now: float) -> bool:
        """Return whether somebody would not know of the claim otherwise."""
        best = best_claim(self._ground, record, now)
        if best is None or record.role in ANSWERING:
            return False
        self._tell(record, now)
        claimant = self._ground.neighbours.by_node[best[0]]
        return any(_hears_not(each, claimant) for each in self._ground.two_way)

    def due(self, record: Record) -> float | None:
        """Return when it is to be looked at again."""
        if record.double_since is None:
            return None
        if record.address in self._told:
            return self._looked_at + LOOK_AGAIN_S
        return record.double_since + self._ground.timing.owner_interval_s

    def _tell(self, record: Record, now: float) -> None:
        best = best_claim(self._ground, record, now)
        if best is None:
            return
        node, claim = best
        boot_id = self._ground.neighbours.by_node[node].boot_id
        double = Double(record.address, boot_id, claim.generation, claim.provisional)
        if self._told.get(record.address) != double:
            self._told[record.address] = double
            self.version += 1


class Relays:
    """Claims that this node knows only from what third nodes tell of doubles."""

    def __init__(self, ground: Ground, records: Records) -> None:
        self._ground = ground
        self._records = records
        self._by_teller: dict[str, set[Address]] = {}

    def hear(
        self, teller: Neighbour, doubles: tuple[Double, ...]
    ) -> list[tuple[Record, tuple[str, Claim]]]:
        """Take what one neighbour tells now; return the records with the better claims."""
        told = {double.address for double in doubles}
        if len(told) < MAX_TOLD:
            for address in self._by_teller.pop(teller.node, set()) - told:
                self._end(teller, address)
        found = []
        for double in doubles:
            record = self._records.by_address.get(double.address)
            if record is None or double.boot_id == self._ground.boot_id:
                continue
            self._by_teller.setdefault(teller.node, set()).add(double.address)
            record.relayed_by = teller.node
            record.relayed_until = teller.dead_at(self._ground.timing.multiplier)
            record.highest = max(record.highest, double.generation)
            claimant = self._ground.neighbours.by_boot(double.boot_id)
            node = claimant.node if claimant is not None else ""
            found.append((record, (node, Claim(double.generation, double.provisional))))
        return found

    def _end(self, teller: Neighbour, address: Address) -> None:
        record = self._records.by_address.get(address)
        if record is not None and record.relayed_by == teller.node:
            record.relayed_until = -math.inf
            self._records.mark(address)


def _hears_not(neighbour: Neighbour, claimant: Neighbour) -> bool:
    if neighbour is claimant or claimant.standing is Standing.DEAD:
        return False
    return claimant.boot_id not in neighbour.echoes
