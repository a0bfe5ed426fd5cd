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
from dataclasses import dataclass, field
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


@dataclass(slots=True, eq=False)
class _Feed:
    """A selection, and how far we are with it."""

    number: int
    selection: Selection
    core: ListWatch
    fields: FieldSelector
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    attempt: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))
    "Of the list or watch that runs, while `watching`."
    watching: bool = False
    doubted: set[ObjectName] = field(default_factory=set)
    "Deleted custom resources whose CRD must be looked at before they are believed gone."

    @property
    def kind(self) -> Kind:
        return self.selection.kind


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
        self._feeds = tuple(
            _Feed(number, each, ListWatch(jitter), FieldSelector(each.field_selector))
            for number, each in enumerate(selections)
        )
        self._on_change = on_change
        self._store = store or Store()
        self._echo = echo
        self.breaks: Counter[Kind] = Counter()
        "Lists and watches that failed or broke off, half a line and an answer of 410 included."
        self._freshness: Freshness | None = None
        self._probe_due = asyncio.Event()
        self._flush_due = False
        self._frozen = False
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The cluster as it is known now."""
        return self._store.snapshot()

    def deleted(self) -> Deleted:
        """Return what the snapshot still has although the server says that it was deleted."""
        return frozenset((feed.kind, name) for feed in self._feeds for name in feed.doubted)

    def age_s(self) -> float:
        """Return how old the knowledge of the API is, in seconds."""
        now = asyncio.get_running_loop().time()
        return self._freshness.age_s(now) if self._freshness else 0.0

    async def run(self) -> None:
        """Watch all selections until cancelled."""
        self._freshness = Freshness(len(self._feeds), asyncio.get_running_loop().time())
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for feed in self._feeds:
                tasks.create_task(self._follow(feed))
            tasks.create_task(self._stay_fresh(self._freshness))

    async def _follow(self, feed: _Feed) -> None:
        loop = asyncio.get_running_loop()
        while True:
            match feed.core.next_step(loop.time()):
                case WaitStep(until):
                    await _wait(feed.wake, until - loop.time())
                case ListStep():
                    await self._guarded(feed, self._list(feed))
                case WatchStep() as step:
                    await self._guarded(feed, self._watch(feed, step))

    async def _guarded(self, feed: _Feed, attempt: Coroutine[Any, Any, None]) -> None:
        core, kind = feed.core, feed.kind
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(None) as feed.attempt:
                feed.watching = True
                await attempt
        except TimeoutError:
            core.restart(now())
        except ApiError as error:
            feed.fields.refused(error.status)
            core.failed(error.status, error.message, now())
            self.breaks[kind] += 1
            if _unanswered(error):
                self._suspect()
            LOG.info("watch failed", extra={"fields": {"kind": kind.value, "error": str(error)}})
        finally:
            feed.watching = False
        self._store.mark_unavailable(kind, core.unavailable)
        self._schedule()

    def _suspect(self) -> None:
        assert self._freshness is not None
        self._freshness.suspect()
        self._probe_due.set()

    async def _list(self, feed: _Feed) -> None:
        core, selection = feed.core, feed.selection
        if core.unavailable and not await self._stays(selection):
            self._refuse(feed)
            return
        listing, version = self._store.listing(selection.kind), ""
        path = collection_path(selection.kind, selection.namespace)
        pages = feed.fields.pages(self._client, path, selection.label_selector)
        async with aclosing(pages):
            async for page in pages:
                listing.add(o for o in page.items if self._is_wanted(feed, o))
                version = page.resource_version
                self._heard(feed)
        if not feed.fields.known:
            LOG.info("selector unknown to the server", extra={"fields": {"path": path}})
        if listing.missing() and not await self._stays(selection):
            self._refuse(feed)
            return
        for name in listing.finish():
            await self._retype(selection, name)
        core.listed(version)
        self._freeze()

    def _is_wanted(self, feed: _Feed, obj: Json) -> bool:
        """Tell whether the object is selected, or was: its new type has to be seen."""
        return feed.fields.wants(obj) or self._store.knows(feed.kind, name_of(obj))

    def _freeze(self) -> None:
        """When all is listed, take what there is out of the collector's sight: most of it stays."""
        wanted = {feed.kind for feed in self._feeds}
        if not self._frozen and self._store.snapshot().listed >= wanted:
            self._frozen = True
            gc.freeze()
            gc.set_threshold(YOUNG_OBJECTS)

    async def _watch(self, feed: _Feed, step: WatchStep) -> None:
        core, selection = feed.core, feed.selection
        loop = asyncio.get_running_loop()
        lines = self._client.watch_lines(
            collection_path(selection.kind, selection.namespace),
            resource_version=step.resource_version,
            watch_s=step.watch_s,
            idle_s=step.silent_s,
            label_selector=selection.label_selector,
            field_selector=feed.fields.asked,
        )
        count = 0
        async with aclosing(lines):
            async for line in lines:
                self._heard(feed)
                if not line:
                    core.opened(loop.time())
                    self._store.mark_unavailable(selection.kind, "")
                    continue
                event = core.receive_line(line, loop.time())
                if isinstance(event, Broken):
                    self.breaks[selection.kind] += 1
                    fields = {"kind": selection.kind.value, "reason": event.reason}
                    LOG.info("watch broken", extra={"fields": fields})
                    return
                if event is not None and self._is_wanted(feed, event.obj):
                    await self._apply(feed, event)
                count += 1
                if count % LINES_A_TURN == 0:
                    await asyncio.sleep(0)
        core.closed(loop.time())

    async def _apply(self, feed: _Feed, event: WatchEvent) -> None:
        kind = feed.kind
        if event.type is not EventType.DELETED:
            if (known := self._echo(kind, event.obj)) is not None:
                self._store.put(kind, known.name, known)
            else:
                feed.doubted.discard(self._store.upsert(kind, event.obj))
        elif resource_of(kind).group == GROUP:
            assert self._tasks is not None
            if not feed.doubted:
                self._tasks.create_task(self._confirm(feed))
            feed.doubted.add(name_of(event.obj))
        else:
            await self._retype(feed.selection, self._store.delete(kind, event.obj))
        self._schedule()

    async def _confirm(self, feed: _Feed) -> None:
        """Believe deletions of custom resources once their CRD is seen to stay."""
        await asyncio.sleep(CONFIRM_S)
        stays = await self._stays(feed.selection)
        names, feed.doubted = feed.doubted, set()
        if not stays:
            self._refuse(feed)
            return
        for name in names:
            self._store.remove(feed.kind, name)
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

    def _refuse(self, feed: _Feed) -> None:
        now = asyncio.get_running_loop().time()
        feed.core.refuse(f"the CRD of {feed.kind.value} is missing or being deleted", now)
        self._store.mark_unavailable(feed.kind, feed.core.unavailable)
        if feed.watching:
            feed.attempt.reschedule(now)
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
            silent = [feed for feed in self._feeds if freshness.silent(feed.number)]
            try:
                await self._client.get(PROBED, timeout_s=PROBE_TIMEOUT_S)
            except ApiError as error:
                if _unanswered(error):
                    freshness.failed(loop.time())
                    continue
            if freshness.read(loop.time()):
                self._restart(silent)

    def _restart(self, silent: list[_Feed]) -> None:
        """After an outage: end waits, and the watches whose connection may have died in it."""
        now = asyncio.get_running_loop().time()
        for feed in self._feeds:
            if feed.watching and feed in silent:
                feed.attempt.reschedule(now)
            feed.core.restart(now)
            feed.wake.set()

    def _heard(self, feed: _Feed) -> None:
        assert self._freshness is not None
        self._freshness.heard(feed.number, asyncio.get_running_loop().time())

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
