"""Two replicas and an API server without any I/O: every write can be lost, late or unanswered.

The server keeps Services with resource versions and applies the patches that `controller.patches`
makes. A replica is what the reconciler joins: planner, delta and floor.
"""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any

from controller.delta import Delta, Write
from controller.dirty import is_news
from controller.floor import Floor
from controller.news import news_of
from controller.patches import CONDITION
from controller.planner import Planner
from controller.pools import PoolSet
from controller.sharing import clash, terms_of
from controller.view import View
from kube.objects import Condition, Json, Namespace, ObjectName, Service


class ConflictError(Exception):
    """The precondition of a write does not hold."""


class Server:
    """Services by name, with resource versions."""

    def __init__(self, namespaces: Iterable[Namespace]) -> None:
        self.services: dict[ObjectName, Service] = {}
        self.namespaces = {each.name: each for each in namespaces}
        self.version = 0
        self.writes = 0

    def put(self, service: Service) -> None:
        """Create, or edit the spec and keep the status."""
        known = self.services.get(service.name)
        if known is not None:
            kept = {k: v for k, v in known.annotations.items() if "allocated" in k}
            service = replace(
                service,
                ingress=known.ingress,
                conditions=known.conditions,
                annotations=MappingProxyType({**service.annotations, **kept}),
            )
        self._store(service)

    def delete(self, name: ObjectName) -> None:
        """Remove a Service."""
        self.services.pop(name, None)
        self.version += 1

    def patch(self, write: Write) -> Service:
        """Apply a write, or raise ConflictError."""
        known = self.services.get(write.service)
        body = write.body
        if known is None or known.resource_version != body["metadata"]["resourceVersion"]:
            raise ConflictError
        self.writes += 1
        return self._store(_patched(known, body))

    def _store(self, service: Service) -> Service:
        self.version += 1
        stored = replace(service, resource_version=str(self.version))
        self.services[service.name] = stored
        return stored


class Replica:
    """One controller; its watch shows what `hear` has told it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.watched: dict[ObjectName, Service] = {}
        self._dirty: set[ObjectName] = set()
        self.planner: Planner | None = None
        self.delta = Delta()
        self._floor = Floor()
        self.pending: list[Write] = []
        self._first = True
        self._deadline: float | None = None

    def hear(self, names: Iterable[ObjectName] | None = None) -> None:
        """Let the watch catch up with these objects, or with all."""
        every = self.watched.keys() | self._server.services.keys()
        for name in every if names is None else names:
            there, before = self._server.services.get(name), self.watched.get(name)
            if there == before and there is not None:
                pass
            elif self._floor.until is not None or is_news(before, there, self.delta):
                self._dirty.add(name)
            if there is None:
                self.watched.pop(name, None)
            else:
                self.watched[name] = there
            if self.planner is not None:
                self.delta.observe(name, there)

    def lead(self, pools: PoolSet, now: float) -> None:
        """Take over: list, adopt, plan."""
        version = str(self._server.version)
        listed = self._server.services.values()
        self._floor = Floor(listed, version, self.watched, now)
        self.planner, self.delta, self.pending = Planner(), Delta(), []
        self._first = True
        for name, service in self._floor.raise_to(self.watched).items():
            self.delta.observe(name, service)
        self.plan(pools, now)

    def plan(self, pools: PoolSet, now: float) -> None:
        """Plan on what the watch shows."""
        assert self.planner is not None
        missed = self._floor.expired(now)
        for name in missed:
            self.delta.observe(name, self.watched.get(name))
        services = self._floor.raise_to(self.watched)
        view = View(services, pools, self._server.namespaces)
        dirty, self._dirty = self._dirty | missed | self._floor.overtaken(), set()
        plan = self.planner.replan(view, now, services=dirty)
        for change in plan.changes:
            shown = self.delta.shown(change.service)
            if shown is not None:
                fresh = not self._first or change.cause is not None
                news = news_of(shown, change) if fresh else ()
                self.delta.want(change.service, change.outcome, news, fresh=fresh)
        self._first = False
        self._deadline = plan.deadline
        for name in dirty:
            if self.delta.lacks(name) and (outcome := self.planner.outcomes.get(name)):
                self.delta.want(name, outcome, (), fresh=False)

    def send(self, now: float, limit: int) -> None:
        """Begin writes; each stays pending until it is answered."""
        for write in self.delta.next_writes(now, "now", limit, self.watched):
            if write.body:
                self.pending.append(write)

    def answer(self, index: int, fate: str, now: float) -> None:
        """Let a pending write end: done, done but unanswered, or lost."""
        write = self.pending.pop(index % len(self.pending))
        try:
            stored = self._server.patch(write) if fate != "lost" else None
        except ConflictError:
            stored = None
        if stored is not None:
            self._assert_alone(stored, write)
        if stored is not None and fate == "done":
            self.delta.written(write, stored)
            return
        self.delta.failed(write, now)
        there = self._server.services.get(write.service)
        self.delta.observe(write.service, there, surely=True)

    def _assert_alone(self, stored: Service, write: Write) -> None:
        """No write may show an address beside one who shows it on terms that we know of."""
        before = self.delta.shown(write.service)
        gained = set(stored.ingress) - set(before.ingress if before else ())
        for other in self._server.services.values():
            known = self.delta.shown(other.name)
            if other.name == stored.name or other.type != "LoadBalancer" or known is None:
                continue
            if gained & set(other.ingress) and terms_of(known) == terms_of(other):
                assert clash(terms_of(stored), terms_of(other)) is None, (stored, other)

    def settle(self, pools: PoolSet, now: float) -> float:
        """Run until nothing is due; return the time then."""
        assert self.planner is not None
        for _ in range(200):
            now += 20.0
            self.hear()
            self.plan(pools, now)
            self.send(now, 32)
            while self.pending:
                self.answer(0, "done", now)
            waits = self._deadline is not None or self._floor.until is not None
            if self.delta.idle and not self._dirty and not waits:
                self.hear()
                if not self._dirty:
                    return now
        raise AssertionError("it never comes to rest")


def _patched(service: Service, body: Json) -> Service:
    annotations: dict[str, Any] = dict(service.annotations)
    for key, value in (body["metadata"].get("annotations") or {}).items():
        annotations.pop(key, None)
        if value is not None:
            annotations[key] = value
    status = body.get("status") or {}
    ingress = service.ingress
    if "loadBalancer" in status:
        entries = (status["loadBalancer"] or {}).get("ingress") or []
        ingress = tuple(ip_address(entry["ip"]) for entry in entries)
    conditions = {each.type: each for each in service.conditions}
    for each in status.get("conditions") or ():
        conditions.pop(CONDITION, None)
        if "$patch" not in each:
            conditions[CONDITION] = Condition(
                each["type"], each["status"], each["reason"], each["message"]
            )
    return replace(
        service,
        ingress=ingress,
        annotations=MappingProxyType(annotations),
        conditions=tuple(conditions.values()),
    )
