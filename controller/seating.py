"""Whether a Service may stay on the addresses it has.

An address stays whatever happened to autoAssign, priorities or the order of pools, as long as it is
inside a pool that admits the Service. A wish for another one (an annotation that was edited) is no
reason to leave before the wish can be met. A pool that is gone is one only while others are left:
when all are gone nobody knows, and the address stays. So does one that may be of a refused pool.
"""

from dataclasses import dataclass, replace
from enum import Enum

from controller import whynot
from controller.allocator import Allocator
from controller.ask import BOTH, Ask
from controller.outcome import Cause, Pending, Reason
from controller.pools import Pool
from kube.objects import Address, ObjectName, Service


class Wish(Enum):
    """What a Service that may stay would like better."""

    MOVE = "move"
    "It asks for another pool or address."
    COMPLETE = "complete"
    "It prefers two families and has one."


@dataclass(frozen=True, slots=True)
class Stay:
    """The Service keeps these addresses, maybe fewer than it had."""

    addresses: tuple[Address, ...]
    pool: str
    wish: Wish | None = None
    note: Pending | None = None
    "Why it stays though no good pool has its address."
    dropped: str = ""
    "Why it does not keep the rest of what it had."


@dataclass(frozen=True, slots=True)
class Leave:
    """The Service cannot stay where it is."""

    cause: Cause
    detail: str
    paced: bool = False
    "Many may be in the same position at once: one after the other."
    grow_from: Address | None = None
    "Still good; with the other family from the same pool everything is fine."
    blockers: tuple[ObjectName, ...] = ()
    "Who sits on an address that is good otherwise."
    yields: bool = False
    "Somebody else has the address: it must be left at once, with or without another."


def judge(
    allocator: Allocator,
    service: Service,
    ask: Ask,
    current: tuple[Address, ...],
    unjudged: frozenset[ObjectName] | set[ObjectName],
) -> Stay | Leave:
    """Return whether the Service may keep its current addresses.

    `unjudged` are Services whose own turn comes after this one's: they are no obstacle.
    """
    wanted = {version for families in ask.families for version in families}
    good: dict[int, Address] = {}
    trouble: Leave | None = None
    for address in current:
        if address.version not in wanted or address.version in good:
            continue
        leave = _unwelcome(allocator, service, address)
        if leave is None:
            good[address.version] = address
        trouble = trouble or leave
    kept = _acceptable(good, ask)
    if kept is None:
        leave = trouble or _misfit(allocator, good, ask)
        if any(_occupied(allocator, ask, address, unjudged) for address in current):
            return replace(leave, paced=False, grow_from=None, yields=True)
        return leave
    for address in kept:
        if (leave := _occupied(allocator, ask, address, unjudged)) is not None:
            return leave
    ordered = tuple(address for address in current if address in kept)
    return Stay(
        ordered,
        _pool_name(allocator, service, ordered[0]),
        _wish(allocator, ask, ordered),
        _doubt(allocator, service, ordered),
        trouble.detail if trouble is not None else _superfluous(current, wanted),
    )


def _unwelcome(allocator: Allocator, service: Service, address: Address) -> Leave | None:
    pools = allocator.pools
    pool = pools.holding(address)
    if pool is None:
        if not pools.ranked or pools.doubtful(address, _given_from(service)) is not None:
            return None
        detail = f"{address} is in no IPAddressPool any more"
        if pools.refused:
            detail += ", nor in what can be read of those that are refused"
        return Leave(Cause.POOL_GONE, detail, paced=True)
    if pool.avoids(address):
        detail = f"pool {pool.name} avoids addresses such as {address} now"
        return Leave(Cause.POOL_GONE, detail, paced=True)
    if not allocator.admits(pool, service.name.namespace, service.labels):
        detail = f"pool {pool.name}, which {address} is in, no longer admits the Service"
        return Leave(Cause.NOT_ADMITTED, detail, paced=True)
    return None


def _acceptable(good: dict[int, Address], ask: Ask) -> tuple[Address, ...] | None:
    for families in ask.families:
        if all(version in good for version in families):
            return tuple(good[version] for version in families)
    return None


def _misfit(allocator: Allocator, good: dict[int, Address], ask: Ask) -> Leave:
    rest = next(iter(good.values()), None)
    # Not where it wants to be elsewhere anyway.
    grows = (
        rest is not None
        and ask.families == (BOTH,)
        and _wish(allocator, ask, (rest,)) is (Wish.COMPLETE)
    )
    grow = rest if grows else None
    return Leave(
        Cause.FAMILIES_CHANGED,
        "the families of its addresses are not those of its cluster IPs",
        grow_from=grow,
    )


def _occupied(
    allocator: Allocator,
    ask: Ask,
    address: Address,
    unjudged: frozenset[ObjectName] | set[ObjectName],
) -> Leave | None:
    found = allocator.ledger.obstacle(ask.service, ask.terms, address, settled=True, but=unjudged)
    if found is None:
        return None
    reason, holder = found
    cause = Cause.HELD_BY_OLDER if reason is Reason.ADDRESS_TAKEN else Cause.SHARING_BROKEN
    words = {
        Reason.ADDRESS_TAKEN: "holds it and shares it with nobody",
        Reason.SHARING_KEY_DIFFERS: "holds it with another sharing key",
        Reason.BACKENDS_DIFFER: "shares it with other backends",
        Reason.PORTS_CLASH: "uses the same port of it",
    }
    detail = f"{address}: {holder.service} {words[reason]}"
    return Leave(cause, detail, blockers=(holder.service,), yields=True)


def _pool_name(allocator: Allocator, service: Service, address: Address) -> str:
    pool = allocator.pools.holding(address)
    return pool.name if pool is not None else _given_from(service)


def _given_from(service: Service) -> str:
    return service.annotation("ip-allocated-from-pool") or ""


def _superfluous(current: tuple[Address, ...], wanted: set[int]) -> str:
    if any(address.version not in wanted for address in current):
        return "the Service has no cluster IP of its family"
    return "one address of each family is enough"


def _doubt(allocator: Allocator, service: Service, kept: tuple[Address, ...]) -> Pending | None:
    pools = allocator.pools
    for address in kept:
        if pools.holding(address) is None:
            refused = pools.doubtful(address, _given_from(service))
            if refused is not None:
                return whynot.kept_in_doubt(address, refused)
    return None


def _wish(allocator: Allocator, ask: Ask, kept: tuple[Address, ...]) -> Wish | None:
    if ask.addresses and set(kept) != set(ask.addresses):
        return Wish.MOVE
    pools: set[Pool | None] = {allocator.pools.holding(address) for address in kept}
    if ask.pool and any(pool is None or pool.name != ask.pool for pool in pools):
        return Wish.MOVE
    return Wish.COMPLETE if len(kept) < len(ask.families[0]) else None
