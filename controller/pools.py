"""Pools as the allocator sees them: spans of integers, an order, and who is let in.

Which pools are good is `kube.validation`'s to say; the others work on. Of a pool that is refused
and was never good nobody can tell which addresses it is meant to have. So `PoolSet.doubtful` keeps
those from being taken away that may be its own: within what can be read of its ranges, or given
from it.

A pool's fence (`serviceAllocation`) is closed unless something in it matches: a namespace selector
that matches no namespace lets nobody in.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controller.freespace import Span
from kube import configuration
from kube.faults import Fault
from kube.objects import Address
from kube.ranges import AddressRange
from kube.selectors import LabelSelector, any_matches
from kube.snapshot import Kind
from kube.unusable import usable_parts

MAX_INT64 = 2**63 - 1
"""What the status says of a pool with more addresses than its 64-bit fields can hold."""

VERSIONS = (4, 6)


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """A pool that may be given from."""

    name: str
    spans: Mapping[int, tuple[Span, ...]]
    "By IP version, ascending and disjoint; a version without addresses is absent."
    auto_assign: bool = True
    avoid_edges: bool = False
    pinned: bool = False
    "Has a `serviceAllocation`: tried before the open ones."
    priority: int = 0
    namespaces: frozenset[str] = frozenset()
    namespace_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()

    @property
    def rank(self) -> tuple[bool, bool, int, str]:
        """Sort key: pinned before open, lower priority first, 0 (unset) last, then the name."""
        return (not self.pinned, self.priority == 0, self.priority, self.name)

    def admits_namespace(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Tell whether the fence lets the namespace in."""
        if not self.namespaces and not self.namespace_selectors:
            return True
        return namespace in self.namespaces or any_matches(self.namespace_selectors, labels)

    def admits_labels(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the fence lets a Service with these labels in."""
        return not self.service_selectors or any_matches(self.service_selectors, labels)

    def capacity(self, version: int) -> int:
        """Return how many addresses of the version it can give."""
        return sum(_usable(span, self._avoids(version)) for span in self.spans.get(version, ()))

    def avoids(self, address: Address) -> bool:
        """Tell whether `avoidBuggyIPs` forbids the address."""
        return self._avoids(address.version) and int(address) & 0xFF in (0, 0xFF)

    def _avoids(self, version: int) -> bool:
        return self.avoid_edges and version == 4


@dataclass(frozen=True, slots=True)
class Refused:
    """A pool that cannot be used, and why."""

    name: str
    sentence: str
    "What is wrong with it and what to do."
    ranges: tuple[AddressRange, ...] = ()
    "What can be read of it."


Stretch = tuple[int, int, str]
"""First and last address and the pool's name; sorts by address."""


@dataclass(frozen=True, slots=True)
class PoolSet:
    """All pools, best first, with an index from addresses to pools."""

    ranked: tuple[Pool, ...] = ()
    refused: Mapping[str, Refused] = field(default_factory=dict)
    by_name: Mapping[str, Pool] = field(default_factory=dict)
    _index: Mapping[int, tuple[Stretch, ...]] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Tell whether there is no pool at all, not even a refused one."""
        return not self.ranked and not self.refused

    def doubtful(self, address: Address, given_from: str) -> Refused | None:
        """Return the refused pool that an address outside all pools may be of, or None.

        `given_from` names the pool that it was of when it was given, as far as is known.
        """
        for each in self.refused.values():
            if each.name == given_from or any(address in range_ for range_ in each.ranges):
                return each
        return None

    def holding(self, address: Address) -> Pool | None:
        """Return the pool that may give the address, or None."""
        stretches = self._index.get(address.version, ())
        value = int(address)
        at = bisect_right(stretches, value, key=lambda stretch: stretch[0]) - 1
        if at < 0 or stretches[at][1] < value:
            return None
        return self.by_name[stretches[at][2]]


def build_pools(
    good: Iterable[configuration.Pool],
    refused: Iterable[configuration.Pool] = (),
    faults: Iterable[Fault] = (),
) -> PoolSet:
    """Return the usable pools and the refused ones with what is wrong with them."""
    pools = [_pool(each) for each in good]
    by_name = {pool.name: pool for pool in pools}
    wrong = {each.name: Refused(each.name, "correct it", each.ranges) for each in refused}
    for fault in faults:
        name = fault.name.name
        if fault.kind is Kind.IP_ADDRESS_POOL and fault.refused and name not in by_name:
            known = wrong.get(name)
            ranges = known.ranges if known else ()
            wrong[name] = Refused(name, f"{fault.field}: {fault.text}", ranges)
    index = {
        version: sorted(
            (first, last, pool.name)
            for pool in pools
            for first, last in pool.spans.get(version, ())
        )
        for version in VERSIONS
    }
    return PoolSet(
        ranked=tuple(sorted(pools, key=lambda pool: pool.rank)),
        refused=wrong,
        by_name=by_name,
        _index={version: tuple(stretches) for version, stretches in index.items()},
    )


def _pool(good: configuration.Pool) -> Pool:
    fence = good.allocation
    spans: dict[int, list[Span]] = {}
    for each in good.ranges:
        for part in usable_parts(each):
            spans.setdefault(each.version, []).append((int(part.first), int(part.last)))
    return Pool(
        name=good.name,
        spans={version: tuple(sorted(found)) for version, found in spans.items()},
        auto_assign=good.auto_assign,
        avoid_edges=good.avoid_buggy_ips,
        pinned=fence is not None,
        priority=fence.priority if fence else 0,
        namespaces=frozenset(fence.namespaces if fence else ()),
        namespace_selectors=fence.namespace_selectors if fence else (),
        service_selectors=fence.service_selectors if fence else (),
    )


def _usable(span: Span, avoid_edges: bool) -> int:
    first, last = span
    count = last - first + 1
    if not avoid_edges:
        return count
    return count - _ending(span, 0x00) - _ending(span, 0xFF)


def _ending(span: Span, octet: int) -> int:
    first, last = span
    return ((last - octet) >> 8) - ((first - 1 - octet) >> 8)
