"""Routes as a peer is told of them, and the difference between what is wanted and what is there.

`route_for` makes of the brain's `RouteIntent` what one peer gets: the next hop of the prefix's
family, the attributes that this kind of session carries, and those that de-prefer. `Delta` is the
process's only memory of what is announced: desired, actual (acknowledged, and replaced by what
ExaBGP reads back), and what ExaBGP refused.

RFC 4271 5.1 (attributes), RFC 1997 and RFC 8092 (communities), RFC 8326 (graceful shutdown).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from speaker.seam.messages import Address, PeerIntent, Prefix, RouteIntent

GRACEFUL_SHUTDOWN = (65535, 0)
"RFC 8326 3."

HIGHEST_MED = 4294967295
PREPENDS = 3
"Ours: longer than the one or two hops that a path inside a site differs by."

BATCH_LIMIT = 200
"""Prefixes in one command. Ours: some 9 kB, far below what a pipe holds, so that one write takes
it all; larger batches are no faster (stands measured at 500)."""

Community: TypeAlias = tuple[int, int]
LargeCommunity: TypeAlias = tuple[int, int, int]


class Refusal(Enum):
    """Why a peer can't be told of a prefix."""

    NO_NEXT_HOP = "no-next-hop"
    "This node's NIC towards the peer has no global address of the prefix's family."
    FAMILY_NOT_AGREED = "family-not-agreed"
    "The peer's OPEN doesn't have the prefix's family."
    BAD_COMMUNITY = "bad-community"


@dataclass(frozen=True, slots=True)
class Route:
    """A prefix with the attributes that one peer gets."""

    prefix: Prefix
    next_hop: Address
    as_path: tuple[int, ...] = ()
    "Empty: ExaBGP's ordinary one."
    med: int | None = None
    local_pref: int | None = None
    communities: tuple[Community, ...] = ()
    large_communities: tuple[LargeCommunity, ...] = ()

    @property
    def attributes(self) -> tuple[object, ...]:
        """All but the prefix: routes equal in these share a command."""
        return (
            self.prefix.version, self.next_hop, self.as_path, self.med, self.local_pref,
            self.communities, self.large_communities,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class NextHops:
    """This node's addresses towards one peer, by family; None where there is none."""

    ipv4: Address | None
    ipv6: Address | None

    def of(self, prefix: Prefix) -> Address | None:
        """Return the next hop for the prefix."""
        return self.ipv4 if prefix.version == 4 else self.ipv6


def towards(intent: RouteIntent, peer: str) -> RouteIntent | None:
    """Return the intent with the attributes for this peer; None when the peer isn't meant."""
    if peer in intent.peers:
        return intent
    for variant in intent.variants:
        if peer in variant.peers:
            return replace(
                intent,
                peers=variant.peers,
                communities=variant.communities,
                local_pref=variant.local_pref,
            )
    return None


def route_for(
    peer: PeerIntent, intent: RouteIntent, next_hops: NextHops, *, de_prefer: bool
) -> Route | Refusal:
    """Return what the peer is told, or why it can't be."""
    next_hop = next_hops.of(intent.prefix)
    if next_hop is None:
        return Refusal.NO_NEXT_HOP
    parsed = parse_communities(intent.communities)
    if parsed is None:
        return Refusal.BAD_COMMUNITY
    communities, large = parsed
    internal = peer.my_asn == peer.peer_asn
    local_pref = intent.local_pref if internal and intent.local_pref else None
    if not (de_prefer or intent.de_preferred):
        return Route(intent.prefix, next_hop, (), None, local_pref, communities, large)
    communities = tuple(sorted({*communities, GRACEFUL_SHUTDOWN}))
    if internal:
        return Route(intent.prefix, next_hop, (), None, 0, communities, large)
    # most routers honour GSHUT only by a policy of their own: lengthen the path and raise the MED
    path = (peer.my_asn,) * (1 + PREPENDS)
    return Route(intent.prefix, next_hop, path, HIGHEST_MED, None, communities, large)


def parse_communities(
    texts: Iterable[str],
) -> tuple[tuple[Community, ...], tuple[LargeCommunity, ...]] | None:
    """Return `a:b` and `large:a:b:c` sorted into two tuples; None if one is neither."""
    plain: set[Community] = set()
    large: set[LargeCommunity] = set()
    for text in texts:
        head, *numbers = ["", *text.split(":")] if text[:6] != "large:" else text.split(":")
        if not all(n.isascii() and n.isdigit() and len(n) <= 10 for n in numbers):
            return None
        values = [int(n) for n in numbers]
        if not head and len(values) == 2 and max(values) < 1 << 16:
            plain.add((values[0], values[1]))
        elif head and len(values) == 3 and max(values) < 1 << 32:
            large.add((values[0], values[1], values[2]))
        else:
            return None
    return tuple(sorted(plain)), tuple(sorted(large))


RouteKey: TypeAlias = tuple[str, Prefix]
"ExaBGP's name for the neighbour (`config.Neighbour.selector`), and the prefix."


@dataclass(frozen=True, slots=True)
class Batch:
    """Routes of one neighbour and equal attributes, to announce or withdraw by one command."""

    selector: str
    routes: tuple[Route, ...]
    withdraw: bool


class Delta:
    """What is wanted, what is there, and what ExaBGP would not take.

    The difference is found once and then carried out command by command; a new wish, or a reading
    that surprises, has it found anew.
    """

    def __init__(self) -> None:
        self.desired: Mapping[RouteKey, Route] = {}
        self.actual: dict[RouteKey, Route] = {}
        self.refused: dict[RouteKey, Route] = {}
        self._queue: deque[Batch] | None = None

    def want(self, desired: Mapping[RouteKey, Route]) -> None:
        """Set what is wanted."""
        if desired is not self.desired:
            self.desired, self._queue = desired, None

    def next_batch(self) -> Batch | None:
        """Return the next command's worth of difference, withdrawals first; None: all is there."""
        queue = self._difference()
        return queue[0] if queue else None

    def pending(self, selector: str) -> int:
        """Count the neighbour's routes that differ, refused ones too."""
        waiting = sum(len(b.routes) for b in self._difference() if b.selector == selector)
        return waiting + sum(1 for of, _ in self.refused if of == selector)

    def done(self, batch: Batch) -> None:
        """ExaBGP has taken the batch, which was the next one."""
        self._take(batch)
        for route in batch.routes:
            key = (batch.selector, route.prefix)
            if batch.withdraw:
                self.actual.pop(key, None)
            else:
                self.actual[key] = route

    def failed(self, batch: Batch) -> None:
        """ExaBGP refused the batch: try its routes alone, and give up on one that was alone."""
        self._take(batch)
        if len(batch.routes) > 1:
            alone = (Batch(batch.selector, (route,), batch.withdraw) for route in batch.routes)
            self._difference().extendleft(alone)
            return
        key = (batch.selector, batch.routes[0].prefix)
        if batch.withdraw:
            self.actual.pop(key, None)  # it knows no such neighbour: there is nothing left
        else:
            self.refused[key] = batch.routes[0]

    def read_back(self, actual: Mapping[RouteKey, Route]) -> int:
        """Take what ExaBGP says it has; return how many routes were not as believed."""
        wrong = [k for k in {*actual, *self.actual} if actual.get(k) != self.actual.get(k)]
        for key in wrong:  # the others stay the same objects, which are quick to compare
            self.actual.pop(key, None)
            if key in actual:
                self.actual[key] = actual[key]
        if wrong or self.refused:
            self.refused.clear()  # another try after each reading
            self._queue = None
        return len(wrong)

    def forget(self, selectors: Iterable[str]) -> None:
        """ExaBGP has just begun with these neighbours, or ended with them: they have no routes."""
        gone = frozenset(selectors)
        self.actual = {k: r for k, r in self.actual.items() if k[0] not in gone}
        self.refused = {k: r for k, r in self.refused.items() if k[0] not in gone}
        self._queue = None

    def forget_all(self) -> None:
        """ExaBGP is another one."""
        self.actual, self.refused, self._queue = {}, {}, None

    def _take(self, batch: Batch) -> None:
        queue = self._difference()
        assert queue, "only the next batch can be over"
        assert queue[0] is batch, "only the next batch can be over"
        queue.popleft()

    def _difference(self) -> deque[Batch]:
        if self._queue is None:
            surplus = (r for r in self.actual.items() if r[0] not in self.desired)
            lacking = (r for r in self.desired.items() if self._lacks(*r))
            self._queue = deque(_batches(surplus, withdraw=True))
            self._queue.extend(_batches(lacking, withdraw=False))
        return self._queue

    def _lacks(self, key: RouteKey, route: Route) -> bool:
        there = self.actual.get(key)
        return there is not route and there != route and self.refused.get(key) != route


def _batches(routes: Iterable[tuple[RouteKey, Route]], *, withdraw: bool) -> Iterator[Batch]:
    groups: dict[tuple[str, tuple[object, ...]], list[Route]] = {}
    for (selector, _), route in routes:
        groups.setdefault((selector, route.attributes), []).append(route)
    for (selector, _), group in groups.items():
        for start in range(0, len(group), BATCH_LIMIT):
            yield Batch(selector, tuple(group[start : start + BATCH_LIMIT]), withdraw)
