"""Which Service shall have which addresses: one pass from the cluster's state to a fixpoint.

The model. What a Service has is what the ledger says, or for one not known yet what its status
says: so a restart adopts everything before anything new is given. A pass judges the Services that
changed, the oldest first; the older one keeps what two claim. Who may not stay, who has nothing and
who would like something better then waits, and is served in the order of age, again and again until
nothing more can be given. Planning once more on what that leaves changes nothing.

Invariants, held by tests: no address is given twice outside the rules of sharing; each given one
lies in a pool that admits the Service; nobody is moved who could stay; a Service that is to move
keeps its old address until it has the new one.

Choices. Only Services that changed are judged, because judging all of 10,000 takes a quarter of a
second; those that wait are asked again only when the ledger's epoch says that room was made.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush, nsmallest

from controller import whynot
from controller.allocator import Allocator, Grant
from controller.ask import Ask, is_ours, lenient_ask
from controller.bulletin import Bulletin
from controller.ledger import Holding, Ledger
from controller.outcome import Assigned, Cause, Change, NotOurs, Outcome, Pending, Reason
from controller.pace import Pace
from controller.pools import PoolSet
from controller.seating import Leave, Stay, Wish, judge
from controller.sharing import terms_of
from controller.view import View
from kube.objects import Address, ObjectName, Service

_Age = tuple[str, str, ObjectName]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one pass changed, and when time alone makes another one worth it."""

    changes: tuple[Change, ...]
    deadline: float | None = None


@dataclass(slots=True)
class _Waiting:
    """A Service that has nothing, must leave, or wishes for something better."""

    ask: Ask
    wish: Wish | None = None
    leave: Leave | None = None
    epoch: int = -1
    "Of the ledger when it was last tried."


class Planner:
    """The holder of the plan; everything in it can be rebuilt from the cluster."""

    def __init__(self, lb_class: str | None = None, pace: Pace | None = None) -> None:
        self.ledger = Ledger()
        self._lb_class = lb_class or None
        self._pace = pace or Pace()
        self._allocator = Allocator(self.ledger)
        self._view = View({}, PoolSet())
        self._waiting: dict[ObjectName, _Waiting] = {}
        self._movers: dict[ObjectName, Leave] = {}
        self._unjudged: set[ObjectName] = set()
        self._bulletin = Bulletin()

    @property
    def outcomes(self) -> Mapping[ObjectName, Outcome]:
        """What every Service of our type shall have, or why it has nothing."""
        return self._bulletin.outcomes

    def replan(
        self,
        view: View,
        now: float,
        *,
        services: Collection[ObjectName] = (),
        namespaces: Collection[str] = (),
    ) -> Plan:
        """Return what changes in this view; the names say what is new in it besides the pools."""
        self._bulletin.begin()
        queue = self._take_in(view, now, frozenset(services), frozenset(namespaces))
        if self._movers and (count := self._pace.available(now)):
            there = [self._age_of(name) for name in self._movers if name in view.services]
            queue |= {name for _, _, name in nsmallest(count, there)}
        self._judge_all(queue, now)
        self._serve_waiting(now)
        deadline = self._pace.next_at(now) if self._movers else None
        return Plan(self._bulletin.changes(), deadline)

    # Taking in what is new.

    def _take_in(
        self, view: View, now: float, services: frozenset[ObjectName], namespaces: frozenset[str]
    ) -> set[ObjectName]:
        before, self._view = self._view, view
        if view.pools is not before.pools or view.node_addresses != before.node_addresses:
            skip = frozenset(view.node_addresses)
            self.ledger.replace_pools(view.pools, skip, now)
            self._allocator.replace_namespaces(view.namespaces)
            self._pace.disturbed(now)
            return view.services.keys() | self.outcomes.keys()
        queue = set(services)
        if namespaces:
            self._allocator.replace_namespaces(view.namespaces)
            self.ledger.epoch += 1
            queue |= {name for name in view.services if name.namespace in namespaces}
        return queue

    def _judge_all(self, queue: Collection[ObjectName], now: float) -> None:
        present: list[_Age] = []
        for name in queue:
            service = self._view.services.get(name)
            if service is not None and is_ours(service, self._lb_class):
                present.append(_age(service))
            else:
                self._forget(name, service, now)
        # Who changed its terms yields to those who did not, and is looked through until judged.
        self._unjudged = {name for _, _, name in present if self._renew_terms(name, now)}
        heapify(present)
        while present:
            _, _, name = heappop(present)
            self._unjudged.discard(name)
            for displaced in self._judge(self._view.services[name], now):
                heappush(present, _age(self._view.services[displaced]))

    def _forget(self, name: ObjectName, service: Service | None, now: float) -> None:
        before = self.ledger.lift(name, now)
        self._waiting.pop(name, None)
        self._movers.pop(name, None)
        if service is not None:
            self._bulletin.say(name, NotOurs(), before=before.addresses if before else ())
        else:
            self._bulletin.forget(name)

    def _renew_terms(self, name: ObjectName, now: float) -> bool:
        held = self.ledger.holding(name)
        if held is None:
            return False
        terms = terms_of(self._view.services[name])
        if terms == held.terms:
            return False
        self.ledger.seat(replace(held, terms=terms), now)
        return True

    # Who may stay.

    def _judge(self, service: Service, now: float) -> tuple[ObjectName, ...]:
        """Decide on what the Service has; return those it displaces."""
        name = service.name
        self._waiting.pop(name, None)
        ask, note = lenient_ask(service)
        if ask is None:
            assert note is not None
            self._clear(service, note, now)
            return ()
        held = self.ledger.holding(name)
        current = held.addresses if held else tuple(dict.fromkeys(service.ingress))
        if not current:
            self._want(service, ask, note)
            return ()
        verdict = judge(self._allocator, service, ask, current, self._unjudged)
        displaced: list[ObjectName] = []
        while held is None and isinstance(verdict, Leave) and self._younger(service, verdict):
            displaced += verdict.blockers
            for blocker in verdict.blockers:
                self.ledger.lift(blocker, now)
            verdict = judge(self._allocator, service, ask, current, self._unjudged)
        if isinstance(verdict, Stay):
            self._stay(service, ask, verdict, note, current, now)
        else:
            self._leave(service, ask, verdict, note, current, now)
        return tuple(displaced)

    def _want(self, service: Service, ask: Ask, note: Pending | None) -> None:
        if note is not None:
            self._bulletin.say(service.name, note)
        else:
            self._waiting[service.name] = _Waiting(ask)

    def _younger(self, service: Service, verdict: Leave) -> bool:
        if not verdict.blockers:
            return False
        others = [self._view.services.get(blocker) for blocker in verdict.blockers]
        return all(other is not None and _age(service) < _age(other) for other in others)

    def _stay(
        self,
        service: Service,
        ask: Ask,
        verdict: Stay,
        note: Pending | None,
        current: tuple[Address, ...],
        now: float,
    ) -> None:
        name = service.name
        self._movers.pop(name, None)
        self._seat(ask, verdict.addresses, now)
        if verdict.wish is not None and note is None:
            self._waiting[name] = _Waiting(ask, verdict.wish)
        cause = Cause.FAMILIES_CHANGED if len(current) > len(verdict.addresses) else None
        news = (current, cause, verdict.dropped)
        self._assign(service, verdict.addresses, verdict.pool, note or verdict.note, news)

    def _leave(
        self,
        service: Service,
        ask: Ask,
        leave: Leave,
        note: Pending | None,
        current: tuple[Address, ...],
        now: float,
    ) -> None:
        name = service.name
        if leave.yields:
            self.ledger.lift(name, now)
        else:
            # Nobody else gets it before this Service is served.
            self._seat(ask, current, now)
        if leave.paced and not self._pace.take(now):
            self._movers[name] = leave
            pool = service.annotation("ip-allocated-from-pool") or ""
            self._assign(service, current, pool, whynot.moves_soon(name, leave.detail))
            return
        self._movers.pop(name, None)
        if note is None:
            self._waiting[name] = _Waiting(ask, leave=leave)
            return
        self.ledger.lift(name, now)
        self._bulletin.say(name, note, current, leave.cause, leave.detail)

    def _clear(self, service: Service, why: Pending, now: float) -> None:
        held = self.ledger.lift(service.name, now)
        self._movers.pop(service.name, None)
        before = held.addresses if held else service.ingress
        self._bulletin.say(service.name, why, before, Cause.FAMILIES_CHANGED if before else None)

    # Who gets what.

    def _serve_waiting(self, now: float) -> None:
        while True:
            due = [n for n, waiting in self._waiting.items() if waiting.epoch != self.ledger.epoch]
            if not due:
                return
            for name in sorted(due, key=self._age_of):
                self._serve(self._view.services[name], self._waiting[name], now)

    def _serve(self, service: Service, waiting: _Waiting, now: float) -> None:
        name, ask = service.name, waiting.ask
        held = self.ledger.holding(name)
        before = held.addresses if held else ()
        # What it frees itself in the end may be what it needs: worth another look.
        waiting.epoch = self.ledger.epoch
        grant = self._grant(service, waiting, before, now)
        if isinstance(grant, Grant):
            del self._waiting[name]
            self._seat(ask, grant.addresses, now)
            cause = _cause(waiting, before)
            detail = waiting.leave.detail if waiting.leave else ""
            before = before or service.ingress
            self._assign(service, grant.addresses, grant.pool, None, (before, cause, detail))
            if len(grant.addresses) < len(ask.families[0]):
                self._waiting[name] = _Waiting(ask, Wish.COMPLETE)
            return
        if waiting.wish is not None:
            if waiting.wish is Wish.COMPLETE:
                grant = replace(grant, reason=Reason.SECOND_FAMILY)
            self._keep_with_note(service, before, grant)
        elif waiting.leave is not None:
            self.ledger.lift(name, now)
            before = before or service.ingress
            self._bulletin.say(name, grant, before, waiting.leave.cause, waiting.leave.detail)
            waiting.leave = None
        else:
            self._bulletin.say(name, grant)

    def _grant(
        self, service: Service, waiting: _Waiting, before: tuple[Address, ...], now: float
    ) -> Grant | Pending:
        ask, leave = waiting.ask, waiting.leave
        base = before[0] if waiting.wish is Wish.COMPLETE else leave.grow_from if leave else None
        pool = self.ledger.pools.holding(base) if base is not None else None
        if base is None or pool is None:
            if waiting.wish is Wish.COMPLETE:
                return whynot.nowhere_to_complete(service.name)
            return self._allocator.allocate(ask, service.labels, now)
        pair = self._allocator.complete(ask, base, pool, now)
        if not isinstance(pair, Pending):
            return Grant(pair, pool.name)
        if waiting.wish is Wish.COMPLETE:
            return pair
        return self._allocator.allocate(ask, service.labels, now)

    def _keep_with_note(self, service: Service, before: tuple[Address, ...], note: Pending) -> None:
        known = self.outcomes[service.name]
        assert isinstance(known, Assigned)
        self._assign(service, before, known.pool, note)

    def _seat(self, ask: Ask, addresses: tuple[Address, ...], now: float) -> None:
        self.ledger.seat(Holding(ask.service, addresses, ask.terms), now)

    def _age_of(self, name: ObjectName) -> _Age:
        return _age(self._view.services[name])

    # Saying so.

    def _assign(
        self,
        service: Service,
        addresses: tuple[Address, ...],
        pool: str,
        note: Pending | None,
        news: tuple[tuple[Address, ...], Cause | None, str] | None = None,
    ) -> None:
        nodes = self._view.node_addresses
        warning = next((whynot.node_warning(a, nodes[a]) for a in addresses if a in nodes), "")
        before, cause, detail = news or (addresses, None, "")
        self._bulletin.say(
            service.name, Assigned(addresses, pool, note, warning), before, cause, detail
        )


def _age(service: Service) -> _Age:
    return service.created, service.uid, service.name


def _cause(waiting: _Waiting, before: tuple[Address, ...]) -> Cause:
    if waiting.leave is not None:
        return waiting.leave.cause
    if waiting.wish is Wish.COMPLETE:
        return Cause.COMPLETED
    return Cause.REQUESTED if before else Cause.NEW
