"""A small API server in memory: lists, watches with bookmarks, and whatever can go wrong."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any

from kube.api import ApiError, Page, collection_path
from kube.driver import PROBED
from kube.objects import Json, ObjectName
from kube.snapshot import Kind
from tests.kube.clock import pass_time

BOOKMARK_S = 60.0


def service(text: str, version: int = 1, **spec: Any) -> Json:
    """A Service's JSON by `namespace/name`."""
    namespace, _, name = text.rpartition("/")
    return {
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": namespace or "default",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
        },
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]} | spec,
    }


def pool(name: str, *addresses: str, version: int = 1) -> Json:
    """An IPAddressPool's JSON."""
    return {
        "kind": "IPAddressPool",
        "metadata": {
            "name": name,
            "namespace": "metallb-system",
            "resourceVersion": str(version),
        },
        "spec": {"addresses": list(addresses)},
    }


class MemoryApi:
    """Objects by path; `faults` says what a path does instead of answering."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Json]] = {}
        self.version = 10
        self.requests: Counter[str] = Counter()
        self.list_fault: ApiError | None = None
        self.watch_fault: ApiError | None = None
        self.lines_then_close: list[bytes] | None = None
        self.hanging = False
        "Connections stay open and nothing comes, not even answers."
        self.dead: set[str] = set()
        "Paths whose open watches alone hang; new ones work."
        self.bookmarks = True
        "Real servers send none that is not newer than the watch's own version."
        self.plurals = {"ipaddresspools"}
        self.terminating = False
        "The CRDs are being deleted: discovery names no `create`."
        self.selects = True
        "Whether it knows field selectors; servers before 1.31 know none for Services."
        self.refusing: set[str] = set()
        "Paths answered with 403."
        self.selectors: list[str] = []
        "Those of the lists and watches so far."
        self._watchers: list[tuple[str, str, asyncio.Queue[bytes | None]]] = []
        self._history: list[tuple[str, str, Json]] = []

    def put(self, kind: Kind, obj: Json) -> None:
        """Create or change an object and tell the watches."""
        path = collection_path(kind)
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        key = f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}"
        known = key in self.objects.setdefault(path, {})
        self.objects[path][key] = obj
        self.tell(path, "MODIFIED" if known else "ADDED", obj)

    def drop(self, kind: Kind, key: str) -> None:
        """Delete an object and tell the watches."""
        path = collection_path(kind)
        self.version += 1
        obj = self.objects[path].pop(key)
        obj = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.version)}}
        self.tell(path, "DELETED", obj)

    def tell(self, path: str, type_: str, obj: Json) -> None:
        """Send one event to all watches of the path, and to those that begin before it."""
        self._history.append((path, type_, obj))
        for watched, selector, queue in self._watchers:
            if watched != path or self._hangs(path):
                continue
            if line := _event(type_, obj, selector):
                queue.put_nowait(line)

    def close_watches(self) -> None:
        """End all watches as a server does that restarts."""
        for *_, queue in self._watchers:
            queue.put_nowait(None)

    @property
    def total(self) -> int:
        """Requests so far, reads for freshness included."""
        return sum(self.requests.values())

    async def get(self, path: str, *, timeout_s: float) -> Json:
        """Answer a read of one object; that of kube-system is the read for freshness."""
        self.requests["get"] += 1
        await self._maybe_hang(timeout_s)
        if path == PROBED:
            return {"metadata": {"name": "kube-system"}}
        if path.startswith("/apis/metallb.io/") and path.count("/") == 3:
            verbs = [*(["create"] if not self.terminating else []), "delete", "get", "list"]
            return {"resources": [{"name": plural, "verbs": verbs} for plural in self.plurals]}
        collection, _, name = path.rpartition("/")
        for at, objects in self.objects.items():
            for obj in objects.values():
                meta = obj["metadata"]
                place = ObjectName(meta.get("namespace", ""), meta["name"])
                if place.name == name and at.rpartition("/")[2] == collection.rpartition("/")[2]:
                    return obj
        raise ApiError(404, "NotFound", f"{path} not found")

    async def list_pages(
        self, path: str, *, label_selector: str, field_selector: str
    ) -> AsyncGenerator[Page, None]:
        """Answer a list, one object a page."""
        self.requests["list"] += 1
        await self._maybe_hang(10.0)
        if self.list_fault is not None:
            raise self.list_fault
        if path in self.refusing:
            raise ApiError(403, "Forbidden", f"cannot list {path}")
        self._check_selector(field_selector)
        items = [o for o in self.objects.get(path, {}).values() if _selected(o, field_selector)]
        version = str(self.version)
        for obj in items:
            yield Page((obj,), version, "more")
        yield Page((), version)

    async def watch_lines(
        self,
        path: str,
        *,
        resource_version: str,
        watch_s: int,
        idle_s: float,
        label_selector: str,
        field_selector: str,
    ) -> AsyncGenerator[bytes, None]:
        """Answer a watch."""
        self.requests["watch"] += 1
        await self._maybe_hang(10.0)
        if self.watch_fault is not None:
            raise self.watch_fault
        self._check_selector(field_selector)
        yield b""
        if self.lines_then_close is not None:
            for given in self.lines_then_close:
                yield given
            return
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        for told, type_, obj in self._history:
            newer = int(obj["metadata"]["resourceVersion"]) > int(resource_version)
            if told == path and newer and (missed := _event(type_, obj, field_selector)):
                queue.put_nowait(missed)
        self._watchers.append((path, field_selector, queue))
        loop = asyncio.get_running_loop()
        end, silent_since = loop.time() + watch_s, loop.time()
        try:
            while loop.time() < end or self._hangs(path):
                line = await self._next_line(path, queue, end)
                if line is None:
                    return
                if line:
                    silent_since = loop.time()
                    yield line
                elif loop.time() - silent_since >= idle_s:
                    self.dead.discard(path)
                    raise ApiError(0, "Timeout", "silent")
        finally:
            self._watchers = [each for each in self._watchers if each[2] is not queue]

    def _hangs(self, path: str) -> bool:
        return self.hanging or path in self.dead

    def _check_selector(self, field_selector: str) -> None:
        self.selectors.append(field_selector)
        if field_selector and not self.selects:
            raise ApiError(400, "BadRequest", f"{field_selector!r} is not a known field selector")

    async def _next_line(
        self, path: str, queue: asyncio.Queue[bytes | None], end: float
    ) -> bytes | None:
        """Give a line, a bookmark when none came for a minute, empty while nothing is said."""
        left = end - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(BOOKMARK_S, left) if left > 0 else BOOKMARK_S):
                return await queue.get()
        except TimeoutError:
            silent = self._hangs(path) or not self.bookmarks
            bookmark = {"metadata": {"resourceVersion": str(self.version)}}
            return b"" if silent else _line("BOOKMARK", bookmark)

    async def _maybe_hang(self, timeout_s: float) -> None:
        if self.hanging:
            await pass_time(timeout_s)
            raise ApiError(0, "Timeout", "hanging")


def _event(type_: str, obj: Json, selector: str) -> bytes:
    """Return the line for a watch with the selector, empty when it has none of it."""
    if _selected(obj, selector):
        return _line(type_, obj)
    return _line("DELETED", obj) if type_ == "MODIFIED" else b""


def _line(type_: str, obj: Json) -> bytes:
    return json.dumps({"type": type_, "object": obj}).encode() + b"\n"


def _selected(obj: Json, field_selector: str) -> bool:
    if field_selector == "spec.type=LoadBalancer":
        return bool(obj["spec"]["type"] == "LoadBalancer")
    return True
