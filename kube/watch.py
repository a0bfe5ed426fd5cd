"""List-and-watch of one kind as a state machine without I/O.

The driver asks `next_step` what to do, does it, and says how it went. The rules:

* A list gives the version from which to watch; bookmarks and events move it on; a watch that ends
  is resumed from there. Only 410 (the version is too old) lists again.
* Silence is no fault: a quiet kind's watch says nothing until it ends, as it was asked to. One that
  doesn't end either hangs.
* Every ending costs a wait that doubles from 0.2 s to 30 s with jitter. Only a watch that lived
  longer than 5 s ends the series: a server that answers lists but breaks each watch, or answers
  410 to each, gets a handful of requests, not a storm.
* 403, 404 and 405 mean that the kind cannot be had (a role, or the CRD, is missing). That is
  never "empty": what was known stays, the reason is kept, and retries are slow.
* A line that is no event (half a line, say) breaks the watch. Twice in a row at one version: list,
  since the server may hold something there that cannot be read.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from kube.objects import Json

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 30.0
"What client-go uses as well; a doubling series reaches it in 8 failures."
UNAVAILABLE_FIRST_DELAY_S = 5.0
UNAVAILABLE_LONGEST_DELAY_S = 60.0
LIVED_S = 5.0
WATCH_MIN_S = 120
WATCH_SPREAD_S = 60
"""How long the server is asked to keep a watch open. Its end is the only sign of life of a quiet
kind: servers send no bookmark that is not newer than the version the watch began with. Others ask
for 5 to 10 minutes, and notice a dead connection as late. Watches end at different times, so that a
fleet doesn't reconnect at once."""
OVERDUE_S = 10.0
"A watch that is silent for so long after its end was due hangs."
GONE = 410
UNAVAILABLE = frozenset({403, 404, 405})


class EventType(Enum):
    """Types of watch events that change an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change; the object is the API's JSON."""

    type: EventType
    obj: Json


@dataclass(frozen=True, slots=True)
class Broken:
    """The watch must be closed; the core has already drawn its conclusions."""

    reason: str


@dataclass(frozen=True, slots=True)
class WaitStep:
    """Do nothing until then."""

    until: float


@dataclass(frozen=True, slots=True)
class ListStep:
    """List all, then call `listed` or `failed`."""


@dataclass(frozen=True, slots=True)
class WatchStep:
    """Watch: `opened`, then a `receive_line` for each line, then `closed` or `failed`."""

    resource_version: str
    watch_s: int

    @property
    def silent_s(self) -> float:
        """Return after what silence the watch hangs."""
        return self.watch_s + OVERDUE_S


Step: TypeAlias = WaitStep | ListStep | WatchStep


class ListWatch:
    """What to do next for one kind; all times are loop seconds, `jitter` gives 0 to 1."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self._jitter = jitter
        self._version: str | None = None
        self._not_before = 0.0
        self._failures = 0
        self._refusals = 0
        self._opened_at: float | None = None
        self._bad_version: str | None = None
        self.unavailable = ""
        "Why the kind cannot be had, as a sentence; empty while it can."

    def next_step(self, now: float) -> Step:
        """Return what to do now."""
        if now < self._not_before:
            return WaitStep(self._not_before)
        if self._version is None:
            return ListStep()
        return WatchStep(self._version, WATCH_MIN_S + int(WATCH_SPREAD_S * self._jitter()))

    def listed(self, resource_version: str) -> None:
        """Take note of a complete list."""
        self._version = resource_version
        self._available()

    def opened(self, now: float) -> None:
        """Take note that the watch has been accepted."""
        self._opened_at = now
        self._available()

    def receive_line(self, line: bytes, now: float) -> WatchEvent | Broken | None:
        """Return the change of one line, None for a bookmark, or that the watch is broken."""
        try:
            event: Any = json.loads(line)
            kind, obj = event["type"], event["object"]
            if kind == "ERROR":
                code = obj.get("code") or 0
                self.failed(code, str(obj.get("message") or obj.get("reason") or ""), now)
                return Broken(f"the server ended the watch: {code}")
            version = str(obj["metadata"]["resourceVersion"])
            type_ = None if kind == "BOOKMARK" else EventType(kind)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return self._unreadable(error, now)
        self._version = version
        self._bad_version = None
        return WatchEvent(type_, obj) if type_ else None

    def closed(self, now: float) -> None:
        """Take note that the server ended the watch as it may: go on from the last version."""
        if self._settle(now):
            self._not_before = now
        else:
            self._back_off(now)

    def failed(self, status: int, message: str, now: float) -> None:
        """Take note of a failed list or watch; status 0 means that no answer came."""
        self._settle(now)
        if status in UNAVAILABLE:
            self._refuse(status, message, now)
            return
        if status == GONE:
            self._version = None
        self._back_off(now)

    def refuse(self, message: str, now: float) -> None:
        """Take note that the kind is going away: what is known stays, retries are slow."""
        self._opened_at = None
        self._refuse(404, message, now)

    def restart(self, now: float) -> None:
        """Try again at once: the server is known to answer again, or the watch to hang."""
        self._opened_at = None
        if not self.unavailable:
            self._not_before = now

    def _unreadable(self, error: Exception, now: float) -> Broken:
        if self._version is not None and self._bad_version == self._version:
            self._bad_version = self._version = None
        else:
            self._bad_version = self._version
        self._settle(now)
        self._back_off(now)
        return Broken(f"not an event: {type(error).__name__}: {error}")

    def _available(self) -> None:
        self.unavailable = ""
        self._refusals = 0

    def _settle(self, now: float) -> bool:
        """End the watch; tell whether it lived long enough to end the series of failures."""
        lived = self._opened_at is not None and now - self._opened_at > LIVED_S
        self._opened_at = None
        if lived:
            self._failures = 0
        return lived

    def _refuse(self, status: int, message: str, now: float) -> None:
        self.unavailable = f"{status}: {message}" if message else str(status)
        if status != 403:
            self._version = None
        delay = min(UNAVAILABLE_FIRST_DELAY_S * 2**self._refusals, UNAVAILABLE_LONGEST_DELAY_S)
        self._refusals = min(self._refusals + 1, 10)
        self._not_before = now + delay * (0.5 + self._jitter() / 2)

    def _back_off(self, now: float) -> None:
        delay = min(FIRST_DELAY_S * 2**self._failures, LONGEST_DELAY_S)
        self._failures = min(self._failures + 1, 20)
        self._not_before = now + delay * (0.5 + self._jitter() / 2)
