"""What all addresses of a segment stand on: NIC, neighbours, presence, freshness. Values only."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from speaker.hello.entry import Claim
from speaker.hello.neighbours import Neighbour, Neighbours, Standing
from speaker.l2.actions import Link, Mac
from speaker.l2.record import Record
from speaker.l2.timing import Timing

LAG_S = 20.0
"""A claimant whose view of the API is this much older than mine may not know that the Services
behind its address are gone: the age at which the brain begins to ask the API by itself."""


FRESHER_S = 10.0
"""A node is fresher than another by at least this; ages are told in whole seconds, and late."""


class AlonePolicy(Enum):
    """What a node does with its addresses when it hears none of those it expects."""

    KEEP = "keep"
    YIELD = "yield"


@dataclass(slots=True)
class Ground:
    """Facts of one segment; the façade sets them, the rules read them."""

    interface: str
    node: str
    boot_id: int
    timing: Timing
    epoch_ms: int
    neighbours: Neighbours
    alone_policy: AlonePolicy = AlonePolicy.KEEP
    link: Link = field(default_factory=lambda: Link(up=False, mac=Mac(bytes(6))))
    starting: bool = True
    started_at: float = math.inf
    carrier_lost_at: float = -math.inf
    alone: bool = False
    passive: bool = False
    draining_until: float | None = None
    life_at: float = -math.inf
    known_at: float | None = None
    "When the brain's view of the API was current; None before it has said so."
    two_way: list[Neighbour] = field(default_factory=list)
    "The electorate; renewed whenever a standing changes."

    def unix_ms(self, now: float) -> int:
        """Return the wall clock, for generations only."""
        return self.epoch_ms + int(now * 1000)

    def stale(self, now: float) -> bool:
        """Return whether this node's knowledge of the API is too old to hold on to addresses."""
        return self.known_at is not None and now - self.known_at > self.timing.stale_s

    def fresher(self, neighbour: Neighbour) -> bool:
        """Return whether the neighbour knows clearly more of the API than this node."""
        return self.known_at is not None and neighbour.fresh_at > self.known_at + FRESHER_S

    def outdated(self, neighbour: Neighbour, now: float) -> bool:
        """Return whether the neighbour is stale and this node clearly less so."""
        known_at = now if self.known_at is None else self.known_at
        stale = now - neighbour.fresh_at > self.timing.stale_s
        return stale and known_at > neighbour.fresh_at + FRESHER_S

    def obeys(self, neighbour: Neighbour, claim: Claim, record: Record, now: float) -> bool:
        """Return whether the neighbour's claim counts here."""
        if neighbour.standing <= Standing.UNPROVEN:
            return False
        if neighbour.standing is Standing.DEAF and self.two_way:
            return False  # it hears nobody: whoever takes the address can't make it stop
        return not self._void(neighbour, claim, record, now)

    def _void(self, neighbour: Neighbour, claim: Claim, record: Record, now: float) -> bool:
        """Return whether the claim is for Services of which this, fresher node knows otherwise."""
        if claim.uid_hash == record.uid_hash or self.known_at is None:
            return False
        lag_s = self.known_at - neighbour.fresh_at
        return lag_s > LAG_S and now - self.known_at < LAG_S

    def claims(self, record: Record, now: float) -> Iterator[tuple[str, Claim]]:
        """Yield the claims by others that count."""
        for node, claim in record.claims.items():
            neighbour = self.neighbours.by_node.get(node)
            if neighbour is not None and self.obeys(neighbour, claim, record, now):
                yield node, claim

    def relieved(self, node: str, claim: Claim) -> bool:
        """Return whether the claimant asks for a successor."""
        return claim.leaving or self.neighbours.by_node[node].draining
