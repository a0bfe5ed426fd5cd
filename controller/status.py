"""The counters of each pool: `IPAddressPool.status` and the metrics read the same values."""

from collections.abc import Iterator
from dataclasses import dataclass

from controller.ledger import Ledger
from controller.pools import MAX_INT64
from kube.objects import Json


@dataclass(frozen=True, slots=True)
class PoolCount:
    """How many addresses a pool has and how many of them Services hold, by family."""

    pool: str
    total_v4: int
    total_v6: int
    used_v4: int
    used_v6: int

    def status(self) -> Json:
        """Return `IPAddressPool.status`, whose fields hold 64 bits.

        Addresses that are still held though the pool avoids them now are no longer counted in its
        total: fewer than none are never left.
        """
        return {
            "assignedIPv4": self.used_v4,
            "assignedIPv6": self.used_v6,
            "availableIPv4": max(0, min(self.total_v4, MAX_INT64) - self.used_v4),
            "availableIPv6": max(0, min(self.total_v6, MAX_INT64) - self.used_v6),
        }


def count_pools(ledger: Ledger) -> Iterator[PoolCount]:
    """Yield the counters of every pool, in the order of the pools."""
    for pool in ledger.pools.ranked:
        four, six = ledger.space(pool.name, 4), ledger.space(pool.name, 6)
        yield PoolCount(
            pool=pool.name,
            total_v4=four.capacity if four else 0,
            total_v6=six.capacity if six else 0,
            used_v4=len(four.held) if four else 0,
            used_v6=len(six.held) if six else 0,
        )
