"""The objects in memory, their revisions, and the history that watches replay.

Pure: no I/O, no clock. A stored object is never changed in place: each write makes a new `Record`
with its JSON encoded once, and that encoding serves every get, list and watch. One counter numbers
all writes, as etcd does. Each table keeps its last `window` changes; a watch or a continued list
from before them is answered 410.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TypeAlias

from netns_lab.control_plane.problems import expired
from netns_lab.control_plane.selection import Json, Selection

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"

Key: TypeAlias = tuple[str, str]
"Namespace and name."


def encode(value: object) -> bytes:
    """Return the value as compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One version of one object."""

    obj: Json
    encoded: bytes
    revision: int

    @property
    def key(self) -> Key:
        """Namespace and name."""
        meta = self.obj["metadata"]
        return meta.get("namespace", ""), meta["name"]


@dataclass(slots=True, eq=False)
class Change:
    """One write; `record` is the object after it, or the last state of a deleted one."""

    type: str
    record: Record
    previous: Record | None = None
    _lines: dict[str, bytes] = field(default_factory=dict)

    def line(self, as_type: str) -> bytes:
        """Return the watch event, encoded once for all watchers."""
        line = self._lines.get(as_type)
        if line is None:
            line = watch_line(as_type, self.shown(as_type).encoded)
            self._lines[as_type] = line
        return line

    def shown(self, as_type: str) -> Record:
        """Return the object of the event: what leaves a selection is shown as it was in it."""
        if as_type != DELETED or self.type == DELETED or self.previous is None:
            return self.record
        meta = self.previous.obj["metadata"] | {"resourceVersion": str(self.record.revision)}
        obj = self.previous.obj | {"metadata": meta}
        return Record(obj, encode(obj), self.record.revision)

    def seen_by(self, selection: Selection) -> str | None:
        """Return the event type a watcher with this selection gets, or None."""
        if selection.everything:
            return self.type
        before = self.previous is not None and selection.matches(self.previous.obj)
        after = self.type != DELETED and selection.matches(self.record.obj)
        if after:
            return MODIFIED if before else ADDED
        return DELETED if before else None


def watch_line(event_type: str, encoded: bytes) -> bytes:
    """Return one line of a watch stream."""
    return b'{"type":"%s","object":%s}\n' % (event_type.encode(), encoded)


class Table:
    """All objects of one kind."""

    def __init__(self, window: int) -> None:
        self.records: dict[Key, Record] = {}
        self.history: deque[Change] = deque()
        self.compacted = 0
        "Changes up to this revision are forgotten."
        self.listeners: list[Callable[[Change | None], None]] = []
        "Called with each change; with None when the kind is served no more."
        self._window = window
        self._order: list[Key] | None = None

    def ordered(self) -> Iterator[Record]:
        """Yield the records by namespace and name, as etcd's keys sort."""
        if self._order is None:
            self._order = sorted(self.records)
        return (self.records[key] for key in self._order)

    def append(self, change: Change) -> None:
        """Apply a change and tell the listeners."""
        key = change.record.key
        if change.type == DELETED:
            del self.records[key]
            self._order = None
        else:
            if key not in self.records:
                self._order = None
            self.records[key] = change.record
        self.history.append(change)
        if len(self.history) > self._window:
            self.compacted = self.history.popleft().record.revision
        for listener in tuple(self.listeners):
            listener(change)

    def end(self) -> None:
        """Tell the listeners that the kind is served no more."""
        for listener in tuple(self.listeners):
            listener(None)

    def since(self, revision: int) -> list[Change]:
        """Return the changes after a revision; raise 410 when some of them are forgotten."""
        if revision < self.compacted:
            raise expired(revision, self.compacted)
        newer = takewhile(lambda change: change.record.revision > revision, reversed(self.history))
        return list(newer)[::-1]

    def at(self, revision: int) -> list[Record]:
        """Return the records in order as they were at a revision; 410 when it is too old."""
        later = self.since(revision)
        if not later:
            return list(self.ordered())
        records = dict(self.records)
        for change in reversed(later):
            key = change.record.key
            if change.previous is None:
                records.pop(key, None)
            else:
                records[key] = change.previous
        return [records[key] for key in sorted(records)]


class Store:
    """All tables and the one revision counter."""

    def __init__(self, *, window: int = 8192) -> None:
        self.revision = 1
        self.listeners: list[Callable[[str, Change], None]] = []
        self._tables: dict[str, Table] = {}
        self._window = window

    def table(self, storage: str) -> Table:
        """Return the table, made empty on first use."""
        table = self._tables.get(storage)
        if table is None:
            table = self._tables[storage] = Table(self._window)
        return table

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield every table with its name."""
        yield from tuple(self._tables.items())

    def get(self, storage: str, key: Key) -> Record | None:
        """Return the record or None."""
        return self.table(storage).records.get(key)

    def put(self, storage: str, obj: Json) -> Record:
        """Store the object under its own name; the caller gives it away."""
        table = self.table(storage)
        meta = obj["metadata"]
        previous = table.records.get((meta.get("namespace", ""), meta["name"]))
        record = self._stamp(obj)
        change = Change(ADDED if previous is None else MODIFIED, record, previous)
        self._publish(storage, table, change)
        return record

    def remove(self, storage: str, key: Key) -> Record:
        """Delete an object that is there; return its last state with the delete's revision."""
        table = self.table(storage)
        previous = table.records[key]
        gone = previous.obj | {"metadata": dict(previous.obj["metadata"])}
        record = self._stamp(gone)
        self._publish(storage, table, Change(DELETED, record, previous))
        return record

    def _stamp(self, obj: Json) -> Record:
        self.revision += 1
        obj["metadata"]["resourceVersion"] = str(self.revision)
        return Record(obj, encode(obj), self.revision)

    def _publish(self, storage: str, table: Table, change: Change) -> None:
        table.append(change)
        for listener in tuple(self.listeners):
            listener(storage, change)
