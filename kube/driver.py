"""Joins list-and-watch, store and freshness to the loop: keeps a snapshot of the API server.

One task for each watched kind and one for freshness, in one task group. The callback is called
once per loop turn with everything that turn brought. Losing the API server changes nothing but
the age.
"""

import asyncio
import gc
import logging
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

from kube.api import ApiError, Reader, collection_path, object_path, resource_of
from kube.crds import GROUP
from kube.discovery import CONFIRM_S, is_here_to_stay
from kube.field_selector import FieldSelector
from kube.freshness import PROBE_TIMEOUT_S, Freshness
from kube.objects import Json, ObjectName, parse_name
from kube.snapshot import Kind, Snapshot
from kube.store import Changes, Store, name_of
from kube.watch import (
    Broken,
    EventType,
    ListStep,
    ListWatch,
    WaitStep,
    WatchEvent,
    WatchStep,
)

LOG = logging.getLogger("kube.driver")

OnChange: TypeAlias = Callable[[Snapshot, Changes], None]
Echo: TypeAlias = Callable[[Kind, Json], Any]
"Gives the parsed value of this very version of an object, or None: who wrote it may have it."
Deleted: TypeAlias = frozenset[tuple[Kind, ObjectName]]

PROBED = object_path("Namespace", ObjectName("", "kube-system"))
LINES_A_TURN = 32
"Events taken before other tasks get their turn: at about 30 us each, a millisecond."
YOUNG_OBJECTS = 10_000
"Between two passes of the collector: Python's 700 are in use at once, and cost 3 % of the time."
LOAD_BALANCERS = "spec.type=LoadBalancer"
"The field selector that keeps all other Services out of our memory."


@dataclass(frozen=True, slots=True)
class Selection:
    """What to watch of one kind; no namespace means all."""

    kind: Kind
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    reread_deleted: bool = False
    "With a field selector on the type: read a deleted object once, it may only have changed it."


class Watcher:
    """Keeps a `Store` in step with the API server; `run` lasts until it is cancelled."""

    def __init__(
        self,
        client: Reader,
        selections: tuple[Selection, ...],
        on_change: OnChange,
        *,
        store: Store | None = None,
        echo: Echo = lambda *_: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._selections = selections
        self._on_change = on_change
        self._store = store or Store()
        self._echo = echo
        self.breaks: Counter[Kind] = Counter()
        "Lists and watches that failed or broke off, half a line and an answer of 410 included."
        self._cores = [ListWatch(jitter) for _ in selections]
        self._freshness: Freshness | None = None
        self._wake = [asyncio.Event() for _ in selections]
        self._attempts = [asyncio.timeout(None) for _ in selections]
        self._watching = [False for _ in selections]
        self._probe_due = asyncio.Event()
        self._flush_due = False
        self._frozen = False
        self._fields = [FieldSelector(selection.field_selector) for selection in selections]
        self._doubted: list[set[ObjectName]] = [set() for _ in selections]
        "Deleted custom resources whose CRD must be looked at before they are believed gone."
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The cluster as it is known now."""
        return self._store.snapshot()

    def deleted(self) -> Deleted:
        """Return what the snapshot still has although the server says that it was deleted."""
        return frozenset(
            (selection.kind, name)
            for selection, names in zip(self._selections, self._doubted, strict=True)
            for name in names
        )

    def age_s(self) -> float:
        """Return how old the knowledge of the API is, in seconds."""
        now = asyncio.get_running_loop().time()
        return self._freshness.age_s(now) if self._freshness else 0.0

    async def run(self) -> None:
        """Watch all selections until cancelled."""
        self._freshness = Freshness(len(self._selections), asyncio.get_running_loop().time())
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for index in range(len(self._selections)):
                tasks.create_task(self._follow(index))
            tasks.create_task(self._stay_fresh(self._freshness))

    async def _follow(self, index: int) -> None:
        core, loop = self._cores[index], asyncio.get_running_loop()
        while True:
            match core.next_step(loop.time()):
                case WaitStep(until):
                    await _wait(self._wake[index], until - loop.time())
                case ListStep():
                    await self._guarded(index, self._list(index))
                case WatchStep() as step:
                    await self._guarded(index, self._watch(index, step))

    async def _guarded(self, index: int, attempt: Coroutine[Any, Any, None]) -> None:
        core, kind = self._cores[index], self._selections[index].kind
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(None) as self._attempts[index]:
                self._watching[index] = True
                await attempt
        except TimeoutError:
            core.restart(now())
        except ApiError as error:
            self._fields[index].refused(error.status)
            core.failed(error.status, error.message, now())
            self.breaks[kind] += 1
            if _unanswered(error):
                self._suspect()
            LOG.info("watch failed", extra={"fields": {"kind": kind.value, "error": str(error)}})
        finally:
            self._watching[index] = False
        self._store.mark_unavailable(kind, core.unavailable)
        self._schedule()

    def _suspect(self) -> None:
        assert self._freshness is not None
        self._freshness.suspect()
        self._probe_due.set()

    async def _list(self, index: int) -> None:
        core, selection = self._cores[index], self._selections[index]
        if core.unavailable and not await self._stays(selection):
            self._refuse(index)
            return
        listing, version = self._store.listing(selection.kind), ""
        path = collection_path(selection.kind, selection.namespace)
        pages = self._fields[index].pages(self._client, path, selection.label_selector)
        async with aclosing(pages):
            async for page in pages:
                listing.add(o for o in page.items if self._is_wanted(index, selection.kind, o))
                version = page.resource_version
                self._heard(index)
        if not self._fields[index].known:
            LOG.info("selector unknown to the server", extra={"fields": {"path": path}})
        if listing.missing() and not await self._stays(selection):
            self._refuse(index)
            return
        for name in listing.finish():
            await self._retype(selection, name)
        core.listed(version)
        self._freeze()

    def _is_wanted(self, index: int, kind: Kind, obj: Json) -> bool:
        """Tell whether the object is selected, or was: its new type has to be seen."""
        return self._fields[index].wants(obj) or self._store.knows(kind, name_of(obj))

    def _freeze(self) -> None:
        """When all is listed, take what there is out of the collector's sight: most of it stays."""
        wanted = {selection.kind for selection in self._selections}
        if not self._frozen and self._store.snapshot().listed >= wanted:
            self._frozen = True
            gc.freeze()
            gc.set_threshold(YOUNG_OBJECTS)

    async def _watch(self, index: int, step: WatchStep) -> None:
        core, selection = self._cores[index], self._selections[index]
        loop = asyncio.get_running_loop()
        lines = self._client.watch_lines(
            collection_path(selection.kind, selection.namespace),
            resource_version=step.resource_version,
            watch_s=step.watch_s,
            idle_s=step.silent_s,
            label_selector=selection.label_selector,
            field_selector=self._fields[index].asked,
        )
        count = 0
        async with aclosing(lines):
            async for line in lines:
                self._heard(index)
                if not line:
                    core.opened(loop.time())
                    self._store.mark_unavailable(selection.kind, "")
                    continue
                event = core.receive_line(line, loop.time())
                if isinstance(event, Broken):
                    self.breaks[selection.kind] += 1
                    LOG.info(
                        "watch broken",
                        extra={"fields": {"kind": selection.kind.value, "reason": event.reason}},
                    )
                    return
                if event is not None and self._is_wanted(index, selection.kind, event.obj):
                    await self._apply(index, event)
                count += 1
                if count % LINES_A_TURN == 0:
                    await asyncio.sleep(0)
        core.closed(loop.time())

    async def _apply(self, index: int, event: WatchEvent) -> None:
        selection, kind = self._selections[index], self._selections[index].kind
        if event.type is not EventType.DELETED:
            if (known := self._echo(kind, event.obj)) is not None:
                self._store.put(kind, known.name, known)
            else:
                self._doubted[index].discard(self._store.upsert(kind, event.obj))
        elif resource_of(kind).group == GROUP:
            assert self._tasks is not None
            if not self._doubted[index]:
                self._tasks.create_task(self._confirm(index))
            self._doubted[index].add(name_of(event.obj))
        else:
            await self._retype(selection, self._store.delete(kind, event.obj))
        self._schedule()

    async def _confirm(self, index: int) -> None:
        """Believe deletions of custom resources once their CRD is seen to stay."""
        await asyncio.sleep(CONFIRM_S)
        selection = self._selections[index]
        stays = await self._stays(selection)
        names, self._doubted[index] = self._doubted[index], set()
        if not stays:
            self._refuse(index)
            return
        for name in names:
            self._store.remove(selection.kind, name)
        self._schedule()

    async def _stays(self, selection: Selection) -> bool:
        """Tell whether the kind is there to stay; so it is where nobody can say."""
        resource = resource_of(selection.kind)
        if resource.group != GROUP:
            return True
        try:
            document = await self._client.get(resource.prefix, timeout_s=PROBE_TIMEOUT_S)
        except ApiError as error:
            return not error.not_found
        return is_here_to_stay(document, resource)

    def _refuse(self, index: int) -> None:
        now = asyncio.get_running_loop().time()
        kind = self._selections[index].kind
        self._cores[index].refuse(f"the CRD of {kind.value} is missing or being deleted", now)
        self._store.mark_unavailable(kind, self._cores[index].unavailable)
        if self._watching[index]:
            self._attempts[index].reschedule(now)
        self._schedule()

    async def _retype(self, selection: Selection, name: ObjectName) -> None:
        """Tell a Service that left the field selector by its type from one that was deleted."""
        if not selection.reread_deleted:
            return
        try:
            obj = await self._client.get(object_path(selection.kind, name), timeout_s=2.0)
        except ApiError:
            return
        if parse_name(obj) == name:
            self._store.upsert(selection.kind, obj)

    async def _stay_fresh(self, freshness: Freshness) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await _wait(self._probe_due, freshness.next_probe() - loop.time())
            if loop.time() < freshness.next_probe():
                continue
            silent = [freshness.silent(index) for index in range(len(self._cores))]
            try:
                await self._client.get(PROBED, timeout_s=PROBE_TIMEOUT_S)
            except ApiError as error:
                if _unanswered(error):
                    freshness.failed(loop.time())
                    continue
            if freshness.read(loop.time()):
                self._restart(silent)

    def _restart(self, silent: list[bool]) -> None:
        """After an outage: end waits, and the watches whose connection may have died in it."""
        now = asyncio.get_running_loop().time()
        for index, core in enumerate(self._cores):
            if self._watching[index] and silent[index]:
                self._attempts[index].reschedule(now)
            core.restart(now)
            self._wake[index].set()

    def _heard(self, index: int) -> None:
        assert self._freshness is not None
        self._freshness.heard(index, asyncio.get_running_loop().time())

    def _schedule(self) -> None:
        if not self._flush_due and self._store.changed:
            self._flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._store.changed:
            changes = self._store.take_changes()
            self._on_change(self._store.snapshot(), changes)


async def _wait(event: asyncio.Event, delay_s: float) -> None:
    """Wait so long, or until the event is set; clear it."""
    try:
        async with asyncio.timeout(max(0.0, delay_s)):
            await event.wait()
    except TimeoutError:
        pass
    event.clear()


def _unanswered(error: ApiError) -> bool:
    return error.status == 0 or error.status >= 500
