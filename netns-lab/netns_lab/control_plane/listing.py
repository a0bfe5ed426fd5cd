"""Lists in pages, and watches: both replay the store's history.

A continued page is taken from the state at the first page's revision, so that a list of many pages
is one moment's; when that moment is forgotten the answer is 410, as in the real server.
"""

import base64
import binascii
import json
from collections.abc import Callable

from netns_lab.control_plane.paths import Request, Target, parse_selection
from netns_lab.control_plane.problems import StatusError, bad_request
from netns_lab.control_plane.resources import ResourceType
from netns_lab.control_plane.selection import Json, Selection
from netns_lab.control_plane.store import Change, Record, Store, encode, watch_line
from netns_lab.control_plane.tables import encode_table, wants_table

_INITIAL_END = {"k8s.io/initial-events-end": "true"}
_BACKLOG_LIMIT_BYTES = 32 << 20
"""A watcher that reads nothing is ended beyond this, before it eats the memory."""


def view(kind: ResourceType, record: Record) -> bytes:
    """Return the object's JSON at the version that was asked for."""
    if not kind.storage_version or kind.storage_version == kind.version:
        return record.encoded
    return encode(record.obj | {"apiVersion": kind.api_version})


def list_page(store: Store, target: Target, request: Request, now: str) -> bytes:
    """Return one page of a list as JSON; `now` is what ages in a table are counted to."""
    selection = parse_selection(target, request.query)
    limit = request.number("limit")
    token = request.query.get("continue")
    revision, start = _parse_token(token) if token else (_asked_revision(store, request), ("", ""))
    table = store.table(target.kind.storage)
    records = table.at(revision) if revision < store.revision else list(table.ordered())
    rest = [r for r in records if r.key > start] if token else records
    chosen = rest if selection.everything else [r for r in rest if selection.matches(r.obj)]
    # Lists of custom resources always have the field.
    meta: Json = {"continue": ""} if target.kind.custom else {}
    meta["resourceVersion"] = str(revision)
    if limit and len(chosen) > limit:
        last = chosen[limit - 1].key
        meta["continue"] = _token(revision, last)
        if not (selection.labels or selection.fields):
            meta["remainingItemCount"] = len(chosen) - limit
        chosen = chosen[:limit]
    if wants_table(request.accept):
        return encode_table(target.kind, meta, chosen, now)
    return _encode_list(target.kind, meta, chosen)


def _encode_list(kind: ResourceType, meta: Json, records: list[Record]) -> bytes:
    head = encode({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta})
    # Typed kinds name their type once, at the list; custom ones repeat it in each item.
    prefix = (
        b"" if kind.custom else encode({"apiVersion": kind.api_version, "kind": kind.kind})[:-1]
    )
    cut = len(prefix) + 1
    items = (
        view(kind, record) if kind.custom else b"{" + record.encoded[cut:] for record in records
    )
    return head[:-1] + b',"items":[' + b",".join(items) + b"]}"


def _asked_revision(store: Store, request: Request) -> int:
    asked = request.number("resourceVersion") or 0
    if asked > store.revision:
        message = f"Too large resource version: {asked}, current: {store.revision}"
        raise StatusError(504, "Timeout", message, {"causes": [], "retryAfterSeconds": 1})
    exact = request.query.get("resourceVersionMatch") == "Exact"
    return asked if exact and asked else store.revision


def _token(revision: int, last: tuple[str, str]) -> str:
    return base64.urlsafe_b64encode(json.dumps([revision, *last]).encode()).decode()


def _parse_token(token: str) -> tuple[int, tuple[str, str]]:
    try:
        revision, namespace, name = json.loads(base64.urlsafe_b64decode(token))
        return int(revision), (str(namespace), str(name))
    except (ValueError, TypeError, binascii.Error) as error:
        raise bad_request(f"continue key is not valid: {error}") from error


class Watch:
    """One watcher: lines to send, filled by the store as it changes."""

    def __init__(
        self, store: Store, target: Target, request: Request, wake: Callable[[], None]
    ) -> None:
        self.timeout_s = request.number("timeoutSeconds")
        self.ended = False
        self._kind = target.kind
        self._selection: Selection = parse_selection(target, request.query)
        self._bookmarks = request.flag("allowWatchBookmarks")
        self._wake = wake
        self._store = store
        self._table = store.table(target.kind.storage)
        self._lines: list[bytes] = []
        self._backlog = 0
        self._begin(request)

    def take(self) -> bytes:
        """Return all lines that are due; empty when there are none."""
        lines = b"".join(self._lines)
        self._lines.clear()
        self._backlog = 0
        return lines

    def bookmark(self) -> None:
        """Queue a bookmark, if the watcher asked for them."""
        if self._bookmarks and not self.ended:
            self._queue(self._bookmark_line(None))

    def end(self) -> None:
        """End the stream after what is already queued."""
        self.close()
        self._wake()

    def close(self) -> None:
        """Stop following the store."""
        self.ended = True
        if self._follow in self._table.listeners:
            self._table.listeners.remove(self._follow)

    def _begin(self, request: Request) -> None:
        revision = _asked_revision(self._store, request)
        asked = request.number("resourceVersion") or 0
        wants_initial = request.flag("sendInitialEvents")
        if wants_initial or (not asked and "sendInitialEvents" not in request.query):
            for record in self._table.ordered():
                if self._selection.matches(record.obj):
                    self._lines.append(watch_line("ADDED", view(self._kind, record)))
            if wants_initial:
                self._lines.append(self._bookmark_line(_INITIAL_END))
        else:
            try:
                changes = self._table.since(asked or revision)
            except StatusError as problem:
                # Once a watch is accepted its errors are events, not answers.
                self._lines.append(watch_line("ERROR", encode(problem.status())))
                self.ended = True
                return
            for change in changes:
                self._add(change)
        self._table.listeners.append(self._follow)

    def _follow(self, change: Change | None) -> None:
        if change is None:
            self.end()
        else:
            self._add(change)

    def _add(self, change: Change) -> None:
        as_type = change.seen_by(self._selection)
        if as_type is None:
            return
        if not self._kind.storage_version or self._kind.storage_version == self._kind.version:
            self._queue(change.line(as_type))
        else:
            self._queue(watch_line(as_type, view(self._kind, change.shown(as_type))))

    def _queue(self, line: bytes) -> None:
        self._lines.append(line)
        self._backlog += len(line)
        if self._backlog > _BACKLOG_LIMIT_BYTES:
            self.close()
        self._wake()

    def _bookmark_line(self, annotations: dict[str, str] | None) -> bytes:
        meta: Json = {"resourceVersion": str(self._store.revision), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        return watch_line(
            "BOOKMARK",
            encode(
                {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": meta}
            ),
        )
