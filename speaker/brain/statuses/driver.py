"""Keeps this node's status objects true, beside everything else and never in its way.

What changes is marked; after a moment, so that a burst is one change, the marked Services are
compared with what the API server has, and what differs is written: one request after the other, at
a bounded rate. Each node writes and deletes only objects of its own, whose names follow from
Service and node, so that two nodes never write the same one.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from kube.api import ApiError, Patch, collection_path, object_path, resource_of
from kube.client import Client
from kube.driver import Selection, Watcher
from kube.objects import Json, ObjectName
from kube.snapshot import Kind, Snapshot
from kube.store import Changes
from kube.written import Written
from speaker.brain.reconciler import CONFIGURED_BY
from speaker.brain.state import State
from speaker.brain.statuses.names import label_value, state_name
from speaker.brain.statuses.steps import Step, metadata, service_of, state_steps, steps
from speaker.brain.statuses.wanted import (
    NODE,
    Owner,
    Segment,
    Wanted,
    name_of,
    owner_of,
    verdict,
    wanted_bgp,
    wanted_l2,
    wanted_state,
)
from speaker.policy.gates import Protocol
from speaker.policy.view import Self
from speaker.seam.mirror import Mirror

LOG = logging.getLogger("speaker.brain.statuses")

COALESCE_S = 1.0
"From the first change to the writes: what flaps within it is not written."
WRITES_PER_S = 50.0
RETRY_S = 5.0
REFUSED_RETRY_S = 60.0
FINAL = frozenset({400, 403, 404, 422})
"Not allowed or not served here: asking soon again would not change that."
NAMES_A_TURN = 50
PROTOCOLS: Mapping[Kind, Protocol] = MappingProxyType(
    {Kind.SERVICE_L2_STATUS: Protocol.LAYER2, Kind.SERVICE_BGP_STATUS: Protocol.BGP}
)


class StatusWriter:
    """Writes what differs; `run` lasts until it is cancelled."""

    def __init__(
        self, client: Client, state: State, wire: Mirror, *, coalesce_s: float = COALESCE_S
    ) -> None:
        self._client = client
        self._state = state
        self._wire = wire
        self._coalesce_s = coalesce_s
        self._watcher = Watcher(client, selections(state.own), self._take)
        self._seen = Snapshot()
        self._marked: dict[ObjectName, None] = {}
        self._services: dict[ObjectName, ObjectName] = {}
        "By name of an object: the Service it is about, for when only the name is left."
        self._ready: frozenset[Kind] = frozenset()
        self._basis: tuple[Any, ...] = ()
        self._wake = asyncio.Event()
        self.counts: Counter[tuple[Kind, str]] = Counter()
        "Requests by kind of object and `written` or `failed`."

    def mark(self, services: Iterable[ObjectName]) -> None:
        """Look at these Services soon."""
        self._marked |= dict.fromkeys(services)
        if self._marked:
            self._wake.set()

    def mark_all(self) -> None:
        """Look at every Service, and at every object of ours, soon."""
        self.mark(self._state.snapshot.services)
        self.mark(self._services.values())
        self._wake.set()

    def settled(self) -> None:
        """Take note that everything is decided that there is to decide."""
        deciding = self._state.deciding
        basis = (self._state.configuration, deciding.sessions, self._owner())
        if basis != self._basis:
            self._basis = basis
            self.mark_all()
        self._wake.set()

    async def run(self) -> None:
        """Watch and write until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watcher.run())
            while True:
                await self._wake.wait()
                await asyncio.sleep(self._coalesce_s)
                self._wake.clear()
                await self._pass()

    def _take(self, snapshot: Snapshot, changes: Changes) -> None:
        self._seen = snapshot
        for kind in PROTOCOLS:
            for name in changes.names.get(kind, ()):
                written = _shelf(snapshot, kind).get(name)
                service = service_of(written) if written is not None else None
                if service is not None:
                    self._services[name] = service
                if name in self._services:
                    self.mark([self._services[name]])
                if written is None:
                    self._services.pop(name, None)
        self._wake.set()

    async def _pass(self) -> None:
        """Write what differs; stop at the first failure and come back later."""
        if self._state.deciding.dirty:
            return  # `settled` follows.
        ready = self._known()
        if ready != self._ready:
            self._ready = ready
            self.mark_all()
        try:
            await self._write_state()
            await self._write_marked(ready)
        except ApiError as error:
            final = error.status in FINAL
            LOG.info("status not written", extra={"fields": {"error": str(error)}})
            await asyncio.sleep(REFUSED_RETRY_S if final else RETRY_S)
            self._wake.set()

    async def _write_marked(self, ready: frozenset[Kind]) -> None:
        segment, owner, count = Segment(self._wire), self._owner(), 0
        while self._marked:
            service = next(iter(self._marked))
            del self._marked[service]
            try:
                for kind in ready:
                    await self._write(kind, service, segment, owner)
            except ApiError:
                self._marked[service] = None
                raise
            count += 1
            if count % NAMES_A_TURN == 0:
                await asyncio.sleep(0)

    async def _write(
        self, kind: Kind, service: ObjectName, segment: Segment, owner: Owner | None
    ) -> None:
        deciding = self._state.deciding
        if kind is Kind.SERVICE_L2_STATUS:
            wanted = wanted_l2(deciding, segment, service)
        else:
            wanted = wanted_bgp(deciding, service)
        name = name_of(kind, self._state.own, service)
        found = _shelf(self._seen, kind).get(name)
        if wanted is not None:
            self._services[name] = service
        for step in steps(wanted, found, owner):
            if step is Step.DELETE and found is not None:
                await self._delete(kind, found)
            elif wanted is not None:
                await self._do(step, wanted, owner, wanted.status)

    async def _write_state(self) -> None:
        snapshot, wanted = self._state.snapshot, wanted_state(self._state.own)
        heard_of = snapshot.listed | snapshot.unavailable.keys()
        if not heard_of >= CONFIGURED_BY or wanted.kind not in self._seen.listed:
            return
        now = verdict(snapshot, self._state.faults, CONFIGURED_BY)
        found = self._seen.configuration_states.get(wanted.name)
        shown = found is not None and now.shown_by(found.status)
        for step in state_steps(wanted, found, self._owner(), shown=shown):
            await self._do(step, wanted, self._owner(), now.status(_timestamp()))

    async def _do(self, step: Step, wanted: Wanted, owner: Owner | None, status: Json) -> None:
        path = object_path(wanted.kind, wanted.name)
        with _Counting(self.counts, wanted.kind):
            if step is Step.CREATE:
                await self._create(path, wanted, owner)
            elif step is Step.LABEL:
                await self._change(path, {"metadata": metadata(wanted, owner)})
            else:
                await self._change(f"{path}/status", {"status": status})
        await asyncio.sleep(1 / WRITES_PER_S)

    async def _create(self, path: str, wanted: Wanted, owner: Owner | None) -> None:
        body = {
            "apiVersion": resource_of(wanted.kind).api_version,
            "kind": wanted.kind.value,
            "metadata": {"name": wanted.name.name} | metadata(wanted, owner),
        }
        try:
            await self._client.create(collection_path(wanted.kind, wanted.name.namespace), body)
        except ApiError as error:
            if not error.conflict:
                raise
            # It is there, but not seen: without our labels, or the watch is behind.
            await self._change(path, {"metadata": metadata(wanted, owner)})

    async def _change(self, path: str, body: Json) -> None:
        try:
            await self._client.patch(path, body, Patch.MERGE)
        except ApiError as error:
            # Gone in the meantime: the watch says so, and it is made anew.
            if not error.not_found:
                raise

    async def _delete(self, kind: Kind, found: Written) -> None:
        with _Counting(self.counts, kind):
            try:
                await self._client.delete(object_path(kind, found.name), uid=found.uid)
            except ApiError as error:
                if not (error.not_found or error.conflict):
                    raise
        await asyncio.sleep(1 / WRITES_PER_S)

    def _known(self) -> frozenset[Kind]:
        """Return the kinds about which this node knows enough to write and to delete."""
        known = {
            kind
            for kind, protocol in PROTOCOLS.items()
            if kind in self._seen.listed
            and kind not in self._seen.unavailable
            and self._state.deciding.started(protocol)
        }
        return frozenset(known if self._wire.complete else known - {Kind.SERVICE_L2_STATUS})

    def _owner(self) -> Owner | None:
        return owner_of(self._state.snapshot, self._state.own)


class _Counting:
    """Counts a request by how it ends."""

    def __init__(self, counts: Counter[tuple[Kind, str]], kind: Kind) -> None:
        self._counts = counts
        self._kind = kind

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._counts[self._kind, "written" if error is None else "failed"] += 1


def selections(own: Self) -> tuple[Selection, ...]:
    """Return what of the status objects this node watches: its own."""
    labels = f"{NODE}={label_value(own.node)}"
    return (
        Selection(Kind.SERVICE_L2_STATUS, own.namespace, label_selector=labels),
        Selection(Kind.SERVICE_BGP_STATUS, own.namespace, label_selector=labels),
        Selection(
            Kind.CONFIGURATION_STATE,
            own.namespace,
            field_selector=f"metadata.name={state_name(own.node)}",
        ),
    )


def _shelf(snapshot: Snapshot, kind: Kind) -> Mapping[ObjectName, Written]:
    if kind is Kind.SERVICE_L2_STATUS:
        return snapshot.l2_statuses
    return snapshot.bgp_statuses


def _timestamp() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
