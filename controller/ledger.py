"""Who holds which address: the allocator's only memory, rebuilt from the cluster at any time.

Everything that must be fast is an index kept in step by `seat` and `lift`: holdings by Service,
tenants by address, free space by pool and family, addresses that can be shared by key, and counts
by namespace. An address outside all pools may be held too (its pool was deleted); it is in nobody's
free space then, and nobody else gets it.

`epoch` grows with everything that may make room for a Service that waits: only then is it worth
asking again for it.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from controller.freespace import FreeSpace
from controller.numbers import to_address
from controller.outcome import Reason
from controller.pools import Pool, PoolSet
from controller.shared import Shared
from controller.sharing import Terms, clash, strangers
from kube.objects import Address, ObjectName


@dataclass(frozen=True, slots=True)
class Holding:
    """The addresses of one Service, and its terms for sharing them."""

    service: ObjectName
    addresses: tuple[Address, ...]
    terms: Terms


_Slot = tuple[str, int]
"""A pool's name and an IP version."""

_Group = tuple[str, int, str, str]
"""Pool, IP version, sharing key and backend: whose addresses may be had together."""


class Ledger:
    """Holdings and their indices."""

    def __init__(self) -> None:
        self.epoch = 0
        self.pools = PoolSet()
        self._by_service: dict[ObjectName, Holding] = {}
        self._tenants: dict[Address, tuple[Holding, ...]] = {}
        self._spaces: dict[_Slot, FreeSpace] = {}
        self._shared: dict[_Group, Shared] = {}
        self._by_namespace: dict[str, Counter[int]] = {}

    def holding(self, service: ObjectName) -> Holding | None:
        """Return what the Service holds."""
        return self._by_service.get(service)

    def holdings(self) -> Mapping[ObjectName, Holding]:
        """Return all holdings."""
        return self._by_service

    def tenants(self, address: Address) -> tuple[Holding, ...]:
        """Return who holds the address, in the order of arrival."""
        return self._tenants.get(address, ())

    def space(self, pool: str, version: int) -> FreeSpace | None:
        """Return the free space of one family of a pool; None without addresses of it."""
        return self._spaces.get((pool, version))

    def held_by_namespace(self, namespace: str) -> Mapping[int, int]:
        """Return how many distinct addresses of each version the namespace holds."""
        return self._by_namespace.get(namespace) or {}

    def obstacle(
        self,
        service: ObjectName,
        terms: Terms,
        address: Address,
        *,
        settled: bool = False,
        but: Collection[ObjectName] = (),
    ) -> tuple[Reason, Holding] | None:
        """Return what keeps the Service from the address and whose it is, or None.

        Those in `but` are looked through. `settled` means that it holds the address already: then
        consent across namespaces, which is stricter than what MetalLB asks, is not asked again.
        """
        tenants = self._tenants.get(address, ())
        if len(tenants) > 1 and self._all_agree(service, terms, address, settled=settled):
            return None
        for tenant in tenants:
            if tenant.service == service or tenant.service in but:
                continue
            if (reason := clash(terms, tenant.terms)) is not None:
                return reason, tenant
            if not settled and strangers(terms, tenant.terms):
                return Reason.NAMESPACES_APART, tenant
        return None

    def _all_agree(
        self, service: ObjectName, terms: Terms, address: Address, *, settled: bool
    ) -> bool:
        """Tell without asking each whether all who have the address can have it together with it.

        A thousand may: to ask each of them about each other took seconds.
        """
        pool = self.pools.holding(address) if terms.key else None
        group = self._group(pool, address, terms) if pool else None
        if group is None or (use := group.use(int(address))).clashes:
            return False
        held = self._by_service.get(service)
        mine = held is not None and address in held.addresses
        if use.tenants < len(self._tenants[address]) or (held and mine and held.terms != terms):
            return False
        return (mine or not use.ports & terms.ports) and (
            settled or use.namespaces <= {terms.namespace}
        )

    def _group(self, pool: Pool, address: Address, terms: Terms) -> Shared | None:
        return self._shared.get((pool.name, address.version, terms.key, terms.backend))

    def lowest(
        self, service: ObjectName, terms: Terms, pool: Pool, version: int, now: float
    ) -> int | None:
        """Return the address that automatic choice gives: the lowest that is free or shareable."""
        space = self._spaces.get((pool.name, version))
        if space is None:
            return None
        free = space.lowest_cool(now)
        if terms.key:
            shared = self.shareable(service, terms, pool.name, version, below=free)
            if shared is not None:
                return shared
        return space.lowest(now) if free is None else free

    def shareable(
        self,
        service: ObjectName,
        terms: Terms,
        pool: str,
        version: int,
        *,
        below: int | None = None,
        namespace: str | None = None,
    ) -> int | None:
        """Return the lowest address in use that the Service could share, or None.

        `below` limits how high to look, `namespace` to addresses a Service of it holds already.
        """
        group = self._shared.get((pool, version, terms.key, terms.backend))
        if group is None:
            return None
        before = self._by_service.get(service)
        own = before.addresses if before else ()
        for value in group.open_to(terms, namespace):
            if below is not None and value >= below:
                return None
            address = to_address(version, value)
            at_home = group.use(value).namespaces == {terms.namespace}
            if address not in own and (at_home or not self._apart(terms, address)):
                return value
        return None

    def _apart(self, terms: Terms, address: Address) -> bool:
        return any(strangers(terms, tenant.terms) for tenant in self._tenants[address])

    def seat(self, holding: Holding, now: float) -> None:
        """Let the Service hold exactly these addresses, giving back those it held before."""
        before = self._by_service.get(holding.service)
        if before == holding:
            return
        if before is not None:
            self._leave(before, keep=frozenset(holding.addresses), now=now)
        self._by_service[holding.service] = holding
        for address in holding.addresses:
            self._enter(address, holding)
        if holding.terms.key:
            self.epoch += 1

    def lift(self, service: ObjectName, now: float) -> Holding | None:
        """Take all addresses from the Service; they cool down. Return what it held."""
        before = self._by_service.pop(service, None)
        if before is not None:
            self._leave(before, keep=frozenset(), now=now)
        return before

    def replace_pools(self, pools: PoolSet, skip: frozenset[Address], now: float) -> None:
        """Judge all addresses by other pools; who holds what stays."""
        cooling = sorted(
            (since, version, value)
            for (_, version), space in self._spaces.items()
            for value, since in space.cooling()
        )
        spaces = {
            (pool.name, version): _space(pool, version, skip)
            for pool in pools.ranked
            for version in pool.spans
        }
        holdings = list(self._by_service.values())
        # Filled before anyone sees them: metrics are read in another thread.
        for address in (address for each in holdings for address in each.addresses):
            if (pool := pools.holding(address)) is not None:
                spaces[pool.name, address.version].take(int(address))
        self.epoch += 1
        self._spaces, self.pools = spaces, pools
        self._tenants, self._shared, self._by_namespace = {}, {}, {}
        for holding in holdings:
            for address in holding.addresses:
                self._enter(address, holding)
        for since, version, value in cooling:
            pool = pools.holding(to_address(version, value))
            if pool is not None:
                self._spaces[pool.name, version].cool(value, since)

    def _enter(self, address: Address, holding: Holding) -> None:
        tenants = self._tenants.get(address, ())
        self._tenants[address] = (*tenants, holding)
        namespace = holding.service.namespace
        if all(t.service.namespace != namespace for t in tenants):
            self._by_namespace.setdefault(namespace, Counter())[address.version] += 1
        pool = self.pools.holding(address)
        if pool is None:
            return
        if not tenants:
            self._spaces[pool.name, address.version].take(int(address))
        if holding.terms.key:
            self._share(pool.name, address, holding.terms)

    def _leave(self, holding: Holding, *, keep: frozenset[Address], now: float) -> None:
        namespace = holding.service.namespace
        for address in holding.addresses:
            others = tuple(t for t in self._tenants[address] if t.service != holding.service)
            if address in keep:
                # Its terms may change: it re-enters as a new tenant.
                self._unshare(address, holding.terms, others)
                self._tenants[address] = others
                self._uncount(namespace, address, others)
                continue
            self.epoch += 1
            self._unshare(address, holding.terms, others)
            self._uncount(namespace, address, others)
            if others:
                self._tenants[address] = others
                continue
            del self._tenants[address]
            pool = self.pools.holding(address)
            if pool is not None:
                self._spaces[pool.name, address.version].give_back(int(address), now)

    def _uncount(self, namespace: str, address: Address, others: tuple[Holding, ...]) -> None:
        if all(t.service.namespace != namespace for t in others):
            self._by_namespace[namespace][address.version] -= 1

    def _share(self, pool: str, address: Address, terms: Terms) -> None:
        group = self._shared.setdefault((pool, address.version, terms.key, terms.backend), Shared())
        group.join(int(address), terms)

    def _unshare(self, address: Address, terms: Terms, others: tuple[Holding, ...]) -> None:
        pool = self.pools.holding(address) if terms.key else None
        if pool is None:
            return
        group = self._shared[pool.name, address.version, terms.key, terms.backend]
        group.leave(
            int(address),
            (
                tenant.terms
                for tenant in others
                if (tenant.terms.key, tenant.terms.backend) == (terms.key, terms.backend)
            ),
        )


def _space(pool: Pool, version: int, skip: frozenset[Address]) -> FreeSpace:
    return FreeSpace(
        spans=pool.spans[version],
        capacity=pool.capacity(version),
        avoid_edges=pool.avoid_edges and version == 4,
        skip=frozenset(int(address) for address in skip if address.version == version),
    )
