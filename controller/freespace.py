"""The free addresses of one family in one pool: which is the lowest that may be given.

Addresses are plain integers here. Nothing is stored for an address that was never given: a frontier
walks up the pool's spans, and what is given back below it waits in a heap. So a pool of 2^80
addresses costs no more than one of ten, and each give and each return costs O(log n): the frontier
never moves back, and passes each address once.

What was given back is used last for `COOL_DOWN_S`: neighbours, routers and DNS caches still know it
by its former owner. Only when nothing else is left is the one that has cooled longest given.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush

COOL_DOWN_S = 60.0
"""An address that was given back is used last for this long; as long as the slowest refresh of a
neighbour table we know of."""

Span = tuple[int, int]
"""First and last address, both included."""


@dataclass(slots=True)
class FreeSpace:
    """Which addresses are held, and the lowest one that is not."""

    spans: tuple[Span, ...]
    "Ascending and disjoint."
    capacity: int
    "How many addresses may be held at all, the avoided ones left out."
    avoid_edges: bool = False
    "Never give IPv4 addresses that end in .0 or .255."
    skip: frozenset[int] = frozenset()
    "Not given automatically: addresses of nodes."
    held: dict[int, None] = field(default_factory=dict)
    "In the order they were given."
    _returned: list[int] = field(default_factory=list)
    "A heap; may name addresses that were taken again."
    _cooling: dict[int, float] = field(default_factory=dict)
    "When each was given back, oldest first."
    _span: int = 0
    _frontier: int = -1

    def take(self, address: int) -> None:
        """Mark the address as held, even one that automatic choice would avoid."""
        self.held[address] = None
        self._cooling.pop(address, None)

    def give_back(self, address: int, now: float) -> None:
        """Free the address; it is used last until it has cooled down."""
        if address not in self.held:
            return
        del self.held[address]
        self._cooling[address] = now

    def cooling(self) -> Iterator[tuple[int, float]]:
        """Yield the addresses that cool down and since when."""
        yield from self._cooling.items()

    def cool(self, address: int, since: float) -> None:
        """Take over an address that cools down from the space that knew the pool before."""
        if address not in self.held:
            self._cooling[address] = since

    def lowest(self, now: float) -> int | None:
        """Return the address to give next, or None when automatic choice has none left."""
        fresh = self.lowest_cool(now)
        if fresh is not None:
            return fresh
        return next((a for a in self._cooling if not self.avoids(a)), None)

    def lowest_cool(self, now: float) -> int | None:
        """Return the lowest address that nobody had within the cool-down, or None."""
        self._warm(now)
        while self._returned:
            address = self._returned[0]
            if address not in self.held and address not in self._cooling:
                return address
            heappop(self._returned)
        return self._advance()

    def avoids(self, address: int) -> bool:
        """Tell whether automatic choice leaves the address out for good."""
        return address in self.skip or (self.avoid_edges and address & 0xFF in (0, 0xFF))

    def _advance(self) -> int | None:
        while self._span < len(self.spans):
            first, last = self.spans[self._span]
            address = max(self._frontier, first)
            while address <= last:
                if not (address in self.held or address in self._cooling or self.avoids(address)):
                    self._frontier = address
                    return address
                address += 1
            self._frontier = address
            self._span += 1
        return None

    def _warm(self, now: float) -> None:
        while self._cooling:
            address, since = next(iter(self._cooling.items()))
            if since + COOL_DOWN_S > now:
                return
            del self._cooling[address]
            # Above the frontier it will be met again on the way up.
            if address < self._frontier and not self.avoids(address):
                heappush(self._returned, address)
