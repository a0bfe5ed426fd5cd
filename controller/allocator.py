"""Which addresses a Service gets: pure choice over the ledger, the same for the same input.

Order of pools: those with a fence that lets the Service in, by priority (0 is last) and name; only
when they give nothing, the open ones by name. Inside a pool the lowest address that is free or can
be shared, both families of a dual-stack Service from one pool. Addresses that cool down come last,
those of nodes never; whoever asks for one by number gets it all the same.

`allocate` only chooses. Seating the Service in the ledger is the planner's.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from controller import whynot
from controller.ask import BOTH, Ask, Families
from controller.ledger import Ledger
from controller.numbers import to_address
from controller.outcome import Pending, Reason
from controller.pools import Pool, PoolSet
from controller.quota import Quota, quota_of
from kube.objects import EMPTY, Address, Namespace


@dataclass(frozen=True, slots=True)
class Grant:
    """Addresses a Service may take, IPv4 first."""

    addresses: tuple[Address, ...]
    pool: str


class Allocator:
    """Chooses addresses from the pools and namespaces of one moment."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._namespaces: Mapping[str, Namespace] = {}
        self._order: dict[str, tuple[tuple[Pool, ...], tuple[Pool, ...]]] = {}

    @property
    def pools(self) -> PoolSet:
        """The pools in use."""
        return self.ledger.pools

    def replace_namespaces(self, namespaces: Mapping[str, Namespace]) -> None:
        """Judge fences and quotas by these namespaces; also after a change of pools."""
        self._namespaces = namespaces
        self._order = {}

    def allocate(self, ask: Ask, labels: Mapping[str, str], now: float) -> Grant | Pending:
        """Return what the Service gets, or why it gets nothing; it may hold other addresses."""
        if not self.pools.ranked:
            return self._no_pool_at_all()
        if ask.addresses:
            grant = self._requested(ask, labels)
        elif ask.pool:
            grant = self._from_named_pool(ask, labels, now)
        else:
            grant = self._automatic(ask, labels, now)
        if isinstance(grant, Pending):
            return grant
        refusal = self._over_quota(ask, grant.addresses)
        if refusal is None:
            return grant
        if refusal.reason is not Reason.QUOTA_REACHED or ask.addresses:
            return refusal
        if ask.terms.key and (shared := self._shared_at_home(ask, labels)) is not None:
            return shared
        if len(ask.families) == 1:
            return refusal
        # Who prefers two families is content with the one that the quota still allows.
        fewer = self.allocate(replace(ask, families=ask.families[1:]), labels, now)
        return fewer if isinstance(fewer, Grant) else refusal

    def complete(
        self, ask: Ask, held: Address, pool: Pool, now: float
    ) -> tuple[Address, ...] | Pending:
        """Return both families' addresses of a Service that prefers two and has one."""
        other = 6 if held.version == 4 else 4
        value = self.ledger.lowest(ask.service, ask.terms, pool, other, now)
        if value is None:
            missing = other not in pool.spans
            return (
                whynot.family_missing(pool, (other,))
                if missing
                else whynot.pool_full(pool, (other,), self.ledger)
            )
        pair = tuple(sorted((held, to_address(other, value)), key=lambda a: a.version))
        return self._over_quota(ask, pair) or pair

    def admits(self, pool: Pool, namespace: str, labels: Mapping[str, str]) -> bool:
        """Tell whether the pool's fence lets the Service in."""
        if not pool.pinned:
            return True
        return pool.admits_labels(labels) and pool.admits_namespace(
            namespace, self._namespace_labels(namespace)
        )

    def _requested(self, ask: Ask, labels: Mapping[str, str]) -> Grant | Pending:
        pools: list[Pool] = []
        for address in ask.addresses:
            pool = self.pools.holding(address)
            if pool is None:
                return whynot.address_in_no_pool(ask, address, self.pools)
            if ask.pool and pool.name != ask.pool:
                return whynot.address_not_in_pool(ask, address, pool)
            if pool.avoids(address):
                return whynot.address_avoided(address, pool)
            pools.append(pool)
        if pools[0] is not pools[-1]:
            return whynot.two_pools(ask, pools[0], pools[-1])
        if not self.admits(pools[0], ask.service.namespace, labels):
            return whynot.not_admitted(ask, pools[0])
        for address in ask.addresses:
            found = self.ledger.obstacle(ask.service, ask.terms, address)
            if found is not None:
                return whynot.obstacle(ask, address, *found)
        return Grant(ask.addresses, pools[0].name)

    def _from_named_pool(self, ask: Ask, labels: Mapping[str, str], now: float) -> Grant | Pending:
        pool = self.pools.by_name.get(ask.pool)
        if pool is None:
            refused = self.pools.refused.get(ask.pool)
            return whynot.pool_refused(refused) if refused else whynot.pool_unknown(ask, self.pools)
        if not self.admits(pool, ask.service.namespace, labels):
            return whynot.not_admitted(ask, pool)
        for families in ask.families:
            if (grant := self._from_pool(ask, pool, families, now)) is not None:
                return grant
        return self._nothing_left(ask, pool)

    def _automatic(self, ask: Ask, labels: Mapping[str, str], now: float) -> Grant | Pending:
        phases = self._candidates(ask.service.namespace, labels)
        for pools in phases:
            for families in ask.families:
                for pool in pools:
                    if (grant := self._from_pool(ask, pool, families, now)) is not None:
                        return grant
        return self._why_nothing(ask, (*phases[0], *phases[1]))

    def _from_pool(self, ask: Ask, pool: Pool, families: Families, now: float) -> Grant | None:
        addresses = []
        for version in families:
            value = self.ledger.lowest(ask.service, ask.terms, pool, version, now)
            if value is None:
                return None
            addresses.append(to_address(version, value))
        return Grant(tuple(addresses), pool.name)

    def _candidates(
        self, namespace: str, labels: Mapping[str, str]
    ) -> tuple[tuple[Pool, ...], tuple[Pool, ...]]:
        order = self._order.get(namespace)
        if order is None:
            known = self._namespace_labels(namespace)
            usable = [pool for pool in self.pools.ranked if pool.auto_assign]
            order = (
                tuple(p for p in usable if p.pinned and p.admits_namespace(namespace, known)),
                tuple(p for p in usable if not p.pinned),
            )
            self._order[namespace] = order
        if not order[0]:
            return order
        return tuple(pool for pool in order[0] if pool.admits_labels(labels)), order[1]

    def _shared_at_home(self, ask: Ask, labels: Mapping[str, str]) -> Grant | None:
        """With the quota used up, what the namespace holds already can still be shared."""
        named = self.pools.by_name.get(ask.pool)
        pools = (named,) if named else sum(self._candidates(ask.service.namespace, labels), ())
        for families in ask.families:
            for pool in pools:
                values = [
                    self.ledger.shareable(
                        ask.service, ask.terms, pool.name, v, namespace=ask.service.namespace
                    )
                    for v in families
                ]
                found = [(v, n) for v, n in zip(families, values, strict=True) if n is not None]
                if len(found) == len(families):
                    return Grant(tuple(to_address(v, n) for v, n in found), pool.name)
        return None

    def _over_quota(self, ask: Ask, addresses: tuple[Address, ...]) -> Pending | None:
        namespace = ask.service.namespace
        known = self._namespaces.get(namespace)
        if known is None or not known.annotations:
            return None
        quota = quota_of(known)
        if not isinstance(quota, Quota):
            return quota
        gained: Counter[int] = Counter(
            address.version for address in addresses if not self._known_to(namespace, address)
        )
        before = self.ledger.holding(ask.service)
        for address in before.addresses if before else ():
            if address not in addresses and not self._known_to(namespace, address, ask):
                gained[address.version] -= 1
        return quota.refuses(self.ledger.held_by_namespace(namespace), gained)

    def _known_to(self, namespace: str, address: Address, but: Ask | None = None) -> bool:
        return any(
            tenant.service.namespace == namespace
            for tenant in self.ledger.tenants(address)
            if but is None or tenant.service != but.service
        )

    def _namespace_labels(self, namespace: str) -> Mapping[str, str]:
        known = self._namespaces.get(namespace)
        return known.labels if known else EMPTY

    def _no_pool_at_all(self) -> Pending:
        refused = next(iter(self.pools.refused.values()), None)
        return whynot.pool_refused(refused) if refused else whynot.no_pools()

    def _nothing_left(self, ask: Ask, pool: Pool) -> Pending:
        least = min(ask.families, key=len)
        wanted = BOTH if len(least) == 2 else tuple({f[0] for f in ask.families if len(f) == 1})
        if not any(all(version in pool.spans for version in f) for f in ask.families):
            return whynot.family_missing(pool, wanted)
        return whynot.pool_full(pool, sorted(wanted), self.ledger)

    def _why_nothing(self, ask: Ask, pools: tuple[Pool, ...]) -> Pending:
        """Return the nearest miss: a full pool before one of the wrong family before a fence."""
        if not pools:
            return whynot.no_pool_admits(ask, self.pools)
        misses = [self._nothing_left(ask, pool) for pool in pools]
        return next((m for m in misses if m.reason is Reason.POOL_FULL), misses[0])
