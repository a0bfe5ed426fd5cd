"""From IPAddressPools to pools whose ranges are good and don't overlap.

Where two overlap, the one that has its ranges already keeps them, then the older one, then the
first by name; the other is refused whole. A refused pool that was good before keeps its last good
ranges; one that never was is kept apart, so that addresses already given from it stay.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable

from kube.checks import Findings, by_age, check_duplicates, check_selectors
from kube.configuration import Pool
from kube.crds import IPAddressPool
from kube.faults import Reason
from kube.objects import ObjectName
from kube.ranges import AddressRange, RangeError, parse_range
from kube.unusable import unusable_words


def usable_pools(
    objects: Iterable[IPAddressPool], previous: tuple[Pool, ...], findings: Findings
) -> tuple[tuple[Pool, ...], tuple[Pool, ...]]:
    """Return the good pools and the refused ones, each sorted by name."""
    last_good = {pool.name: pool for pool in previous}
    taken = _Taken()
    good: dict[str, Pool] = {}
    refused: dict[str, Pool] = {}
    parsed = [(each.name, _parse(each, findings)) for each in by_age(objects)]
    parsed.sort(key=lambda entry: _standing(entry[0], entry[1], last_good, findings))
    for name, pool in parsed:
        usable = not findings.refused(name) and _place(name, pool, taken, findings)
        if usable:
            good[pool.name] = pool
            continue
        kept = last_good.get(pool.name)
        if kept is not None and taken.add(kept) is None:
            good[kept.name] = kept
        else:
            refused[pool.name] = pool
    return _sorted(good), _sorted(refused)


class _Taken:
    """Ranges of the pools accepted so far, in order."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int, int, str]] = []

    def add(self, pool: Pool) -> tuple[AddressRange, str] | None:
        """Take the pool's ranges; return the first that is taken, and by whom, taking none."""
        entries = [(r.version, int(r.first), int(r.last), pool.name) for r in pool.ranges]
        for position, (range_, entry) in enumerate(zip(pool.ranges, entries, strict=True)):
            owner = self._owner(entry)
            if owner is not None:
                for earlier in entries[:position]:
                    self._ranges.remove(earlier)
                return range_, owner
            insort(self._ranges, entry)
        return None

    def _owner(self, wanted: tuple[int, int, int, str]) -> str | None:
        last_start = (wanted[0], wanted[2])
        position = bisect_right(self._ranges, last_start, key=lambda entry: entry[:2])
        if not position:
            return None
        version, _, last, owner = self._ranges[position - 1]
        return owner if version == wanted[0] and last >= wanted[1] else None


def _standing(name: ObjectName, pool: Pool, last_good: dict[str, Pool], findings: Findings) -> int:
    """Order: what is in force first, then what is new. Sorting keeps age within each."""
    before = last_good.get(pool.name)
    unchanged = before is not None and (findings.refused(name) or before.ranges == pool.ranges)
    return 0 if unchanged else 1


def _place(name: ObjectName, pool: Pool, taken: _Taken, findings: Findings) -> bool:
    clash = taken.add(pool)
    if clash is None:
        return True
    range_, owner = clash
    where = "this pool" if owner == pool.name else f'pool "{owner}"'
    findings.refuse(
        name,
        "spec.addresses",
        f"{range_.spelled()} overlaps with already defined CIDR or range of {where}: "
        "an address may be in one pool only",
        Reason.OVERLAP,
    )
    return False


def _parse(obj: IPAddressPool, findings: Findings) -> Pool:
    spec, name = obj.spec, obj.name
    ranges = []
    for position, text in enumerate(spec.addresses):
        try:
            ranges.append(parse_range(text))
        except RangeError as error:
            findings.refuse(name, f"spec.addresses[{position}]", str(error), Reason.BAD_RANGE)
            continue
        if words := unusable_words(ranges[-1]):
            findings.refuse(name, f"spec.addresses[{position}]", words, Reason.BAD_RANGE)
    if not spec.addresses:
        text = "pool has no prefixes defined: write a CIDR or a range start-end"
        findings.refuse(name, "spec.addresses", text, Reason.BAD_RANGE)
    if spec.service_allocation is not None:
        allocation, path = spec.service_allocation, "spec.serviceAllocation"
        check_duplicates(findings, name, f"{path}.namespaces", allocation.namespaces)
        check_selectors(
            findings,
            name,
            {
                f"{path}.namespaceSelectors": allocation.namespace_selectors,
                f"{path}.serviceSelectors": allocation.service_selectors,
            },
        )
    return Pool(
        name=name.name,
        ranges=tuple(ranges),
        auto_assign=spec.auto_assign,
        avoid_buggy_ips=spec.avoid_buggy_ips,
        labels=obj.metadata.labels,
        allocation=spec.service_allocation,
    )


def _sorted(pools: dict[str, Pool]) -> tuple[Pool, ...]:
    return tuple(pools[name] for name in sorted(pools))
