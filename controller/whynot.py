"""The sentences for Services that get no address: what is in the way, and what would remove it.

Every function returns a `Pending`. They are called where the allocator has the facts, and only
then: a Service that gets its address pays nothing for them.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice

from controller.ask import Ask
from controller.ledger import Holding, Ledger
from controller.numbers import to_address
from controller.outcome import Assigned, Outcome, Pending, Reason
from controller.pools import Pool, PoolSet, Refused
from controller.sharing import SHARE_WITH_NAMESPACES
from kube.objects import Address, ObjectName
from kube.quoting import quoted
from kube.selectors import LabelSelector

MAX_NAME = 253
"""Of an object: who writes more means none of them."""
NAMED_HOLDERS = 3
"""How many holders of a full pool a sentence names; the rest is a number."""

POOL_FIELD = "metadata.annotations[metallb.io/address-pool]"
IPS_FIELD = "metadata.annotations[metallb.io/loadBalancerIPs]"
SHARING_FIELD = "metadata.annotations[metallb.io/allow-shared-ip]"
CONSENT_FIELD = f"metadata.annotations[{SHARE_WITH_NAMESPACES}]"


def no_pools() -> Pending:
    """Return why nothing can be given while there is no pool."""
    return Pending(
        Reason.NO_POOLS,
        "IPAddressPool",
        "spec.addresses",
        "there is no IPAddressPool",
        "create an IPAddressPool with a range of addresses nobody else uses",
    )


def pool_refused(refused: Refused) -> Pending:
    """Return why nothing can be given from a pool that is itself wrong."""
    return Pending(
        Reason.POOL_REFUSED,
        f"IPAddressPool {refused.name}",
        "spec.addresses",
        f"pool {refused.name} is refused",
        refused.sentence,
    )


def kept_in_doubt(address: Address, refused: Refused) -> Pending:
    """Return that an address outside all good pools may be of one that is refused."""
    return Pending(
        Reason.POOL_REFUSED,
        f"IPAddressPool {refused.name}",
        "spec.addresses",
        f"pool {refused.name}, which {address} may be of, is refused",
        refused.sentence,
    )


def pool_unknown(ask: Ask, pools: PoolSet) -> Pending:
    """Return that the pool asked for does not exist, and which one may be meant."""
    names = sorted(pools.by_name)
    close = get_close_matches(ask.pool[:MAX_NAME], names, n=1)
    guess = f"did you mean {close[0]}?" if close else f"{_listed('pools are', names, '')}."
    return Pending(
        Reason.POOL_UNKNOWN,
        f"Service {ask.service}",
        POOL_FIELD,
        f"unknown pool {quoted(ask.pool)}",
        f"{guess} Create the pool or correct the annotation",
    )


def not_admitted(ask: Ask, pool: Pool) -> Pending:
    """Return that the pool's fence keeps the Service out."""
    by_namespace = bool(pool.namespaces or pool.namespace_selectors)
    what = f"namespace {ask.service.namespace}" if by_namespace else f"Service {ask.service}"
    return Pending(
        Reason.POOL_NOT_FOR_SERVICE,
        f"IPAddressPool {pool.name}",
        "spec.serviceAllocation",
        f"pool {pool.name} is not for {what}: it is for {fence_words(pool)}",
        "widen its serviceAllocation, or choose another pool",
    )


def family_missing(pool: Pool, families: Iterable[int]) -> Pending:
    """Return that a pool lacks the families a Service needs."""
    versions = tuple(families)
    words = " and ".join(f"IPv{version}" for version in versions)
    together = " together" if len(versions) > 1 else ""
    return Pending(
        Reason.FAMILY_NOT_IN_POOL,
        f"IPAddressPool {pool.name}",
        "spec.addresses",
        f"pool {pool.name} has no {words} addresses{together}",
        f"add {words} ranges to it, or ask for another pool",
    )


def pool_full(pool: Pool, versions: Iterable[int], ledger: Ledger) -> Pending:
    """Return that nothing is left in the pool, how many there are, and who has them."""
    parts: list[str] = []
    skipped = 0
    for version in versions:
        space = ledger.space(pool.name, version)
        if space is None or space.lowest(0.0) is not None:
            continue
        holders = [
            str(tenant.service)
            for value in islice(space.held, NAMED_HOLDERS)
            for tenant in ledger.tenants(to_address(version, value))[:1]
        ]
        skipped += max(0, space.capacity - len(space.held))
        rest = len(space.held) - len(holders)
        more = f" and {rest} more" if rest > 0 else ""
        who = f" by {', '.join(holders)}{more}" if holders else ""
        parts.append(f"{len(space.held)} of {space.capacity} IPv{version} addresses in use{who}")
    nodes = f", {skipped} left out because nodes have them" if skipped else ""
    return Pending(
        Reason.POOL_FULL,
        f"IPAddressPool {pool.name}",
        "spec.addresses",
        f"no available IPs: pool {pool.name} is full, {', '.join(parts)}{nodes}",
        "add a range to the pool or delete a Service that has an address of it",
    )


def no_pool_admits(ask: Ask, pools: PoolSet) -> Pending:
    """Return that automatic choice finds no pool that is for the Service."""
    words = "; ".join(
        f"pool {pool.name} " + (f"is for {fence_words(pool)}" if pool.auto_assign else _off())
        for pool in islice(pools.ranked, NAMED_HOLDERS)
    )
    auto_off = all(not pool.auto_assign for pool in pools.ranked)
    return Pending(
        Reason.NO_AUTO_ASSIGN if auto_off else Reason.NO_POOL_ADMITS,
        f"Service {ask.service}",
        POOL_FIELD if auto_off else "metadata.labels",
        f"no pool is for Service {ask.service}: {words}",
        "name a pool by the annotation metallb.io/address-pool"
        if auto_off
        else "widen the serviceAllocation of a pool, or add a pool without one",
    )


def address_in_no_pool(ask: Ask, address: Address, pools: PoolSet) -> Pending:
    """Return that an address asked for lies outside all pools."""
    refused = _listed("refused pools, which do not count:", sorted(pools.refused), "")
    return Pending(
        Reason.ADDRESS_IN_NO_POOL,
        f"Service {ask.service}",
        IPS_FIELD,
        f"{address} is not in any IPAddressPool" + (f"; {refused}" if refused else ""),
        "add it to spec.addresses of a pool, or ask for an address that is in one",
    )


def address_not_in_pool(ask: Ask, address: Address, actual: Pool) -> Pending:
    """Return that address and pool asked for contradict each other."""
    return Pending(
        Reason.ADDRESS_NOT_IN_POOL,
        f"Service {ask.service}",
        POOL_FIELD,
        f"{address} is in pool {actual.name}, not in the pool {ask.pool} that is asked for too",
        "remove one of the two annotations",
    )


def two_pools(ask: Ask, first: Pool, second: Pool) -> Pending:
    """Return that the addresses asked for are not of one pool."""
    return Pending(
        Reason.ADDRESSES_IN_TWO_POOLS,
        f"Service {ask.service}",
        IPS_FIELD,
        f"the addresses asked for are in two pools, {first.name} and {second.name}",
        "ask for two addresses of one pool",
    )


def address_avoided(address: Address, pool: Pool) -> Pending:
    """Return that the pool keeps addresses such as this one back."""
    return Pending(
        Reason.ADDRESS_AVOIDED,
        f"IPAddressPool {pool.name}",
        "spec.avoidBuggyIPs",
        f"{address} ends in .0 or .255, which pool {pool.name} avoids",
        "ask for another address or set avoidBuggyIPs: false",
    )


def obstacle(ask: Ask, address: Address, reason: Reason, holder: Holding) -> Pending:
    """Return why an address in use cannot be had as well."""
    other, place = holder.service, f"Service {ask.service}"
    if reason is Reason.ADDRESS_TAKEN:
        sentence = f"{address} is taken by {other}"
        remedy = "ask for another, or give both Services the same metallb.io/allow-shared-ip"
        return Pending(reason, f"Service {other}", SHARING_FIELD, sentence, remedy)
    if reason is Reason.SHARING_KEY_DIFFERS:
        sentence = (
            f"{address} is taken by {other} with another sharing key, {quoted(holder.terms.key)}"
        )
        remedy = "use the same metallb.io/allow-shared-ip on both Services"
        return Pending(reason, place, SHARING_FIELD, sentence, remedy)
    if reason is Reason.BACKENDS_DIFFER:
        both_local = ask.terms.backend and holder.terms.backend
        field = "spec.selector" if both_local else "spec.externalTrafficPolicy"
        sentence = f"{address} is shared by {other} with other backends"
        remedy = (
            "with externalTrafficPolicy Local both Services need the same selector; "
            "use it, or Cluster on both"
        )
        return Pending(reason, place, field, sentence, remedy)
    if reason is Reason.PORTS_CLASH:
        ports = _port_words(ask, holder)
        sentence = f"{address}: {ports} is used by {other} already: ports clash"
        return Pending(reason, place, "spec.ports", sentence, "use another port or another address")
    return _apart(ask, address, holder)


def _apart(ask: Ask, address: Address, holder: Holding) -> Pending:
    other = holder.service
    lacks = other if ask.terms.allows_namespace(holder.terms) else ask.service
    return Pending(
        Reason.NAMESPACES_APART,
        f"Service {lacks}",
        CONSENT_FIELD,
        f"{address} is held by {other} in another namespace",
        f"both Services must name the other's namespace in {SHARE_WITH_NAMESPACES}: "
        f'"{other.namespace}" here, "{ask.service.namespace}" there',
    )


def status_refused(service: ObjectName, outcome: Outcome | None, message: str) -> Pending:
    """Return that the API server does not take the addresses that were chosen."""
    chosen = outcome.addresses if isinstance(outcome, Assigned) else ()
    what = f"the status with {' and '.join(map(str, chosen))}" if chosen else "the status"
    return Pending(
        Reason.STATUS_REFUSED,
        f"Service {service}",
        "status.loadBalancer",
        f"the API server refuses {what}: {message}",
        "take such addresses out of the pool, or look for an admission policy that forbids it",
    )


def fence_words(pool: Pool) -> str:
    """Return in words whom the pool is for."""
    parts: list[str] = []
    if pool.namespaces:
        parts.append(_listed("namespaces", sorted(pool.namespaces), ""))
    if pool.namespace_selectors:
        parts.append(f"namespaces with labels {_selector_words(pool.namespace_selectors)}")
    where = [" or ".join(parts)] if parts else []
    if pool.service_selectors:
        where.append(f"Services with labels {_selector_words(pool.service_selectors)}")
    return " and ".join(where) or "everyone"


def _selector_words(selectors: Iterable[LabelSelector]) -> str:
    words = []
    for selector in selectors:
        parts = [f"{key}={value}" for key, value in selector.match_labels.items()]
        parts += [
            f"{each.key} {each.operator.value} {','.join(each.values)}".strip()
            for each in selector.match_expressions
        ]
        words.append("{" + ", ".join(parts) + "}")
    return " or ".join(words)


def _port_words(ask: Ask, holder: Holding) -> str:
    common = sorted(ask.terms.ports & holder.terms.ports)
    return ", ".join(f"{protocol} port {port}" for protocol, port in common[:NAMED_HOLDERS])


def _listed(what: str, names: Sequence[str], nothing: str) -> str:
    if not names:
        return nothing
    rest = len(names) - NAMED_HOLDERS
    more = f" and {rest} more" if rest > 0 else ""
    return f"{what} {', '.join(names[:NAMED_HOLDERS])}{more}"


def _off() -> str:
    return "has autoAssign: false"


def moves_soon(service: ObjectName, detail: str) -> Pending:
    """Return that a Service keeps an address for the moment that it must leave."""
    return Pending(
        Reason.MOVES_SOON,
        f"Service {service}",
        "status.loadBalancer",
        f"it will be moved to another address: {detail}",
        "nothing to do; to stop it, restore the pool or its serviceAllocation",
    )


def nowhere_to_complete(service: ObjectName) -> Pending:
    """Return that a second family cannot be added, since there is no pool to take it from."""
    return Pending(
        Reason.FAMILY_NOT_IN_POOL,
        f"Service {service}",
        "status.loadBalancer",
        "its second family cannot be added: the pool of its address is gone",
        "create a pool of both families that holds its address",
    )


def node_warning(address: Address, node: str) -> str:
    """Return that an address is a node's too."""
    return (
        f"{address} is also an address of node {node}: it will be answered twice; "
        f"take it out of the pool"
    )
