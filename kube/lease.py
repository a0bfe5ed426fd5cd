"""Election of one leader by a Lease object, without I/O and on one's own clock.

A Lease is judged by when *I* saw it change, never by the times written in it: clocks of nodes
differ, and a clock that jumps must not make two leaders. Two rules keep leaders from overlapping:

* The holder counts its term from the moment *before* it sent the write that renewed, and is leader
  for `renew_deadline_s` only; then it steps down whatever the API server does or doesn't answer.
* A challenger counts from when it *saw* the last change, which is later than that moment, and
  waits the whole `lease_duration_s`, which is longer.

So as long as clocks run at the same speed to within `lease_duration_s - renew_deadline_s`, no two
hold it at once: whatever is delayed, lost or refused. Each write has the resource version that was
read as its precondition, so of two challengers one gets a conflict. A write that is not answered
may have been done: the core then reads before it writes again.

A Lease that was deleted under its holder is created anew only after a whole lease duration, by
those who have seen it before. The identity must be new for each process, not only for each Pod: a
holder of one's own name is taken to be oneself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from kube.objects import Json


class Role(Enum):
    """What this process is."""

    FOLLOWER = "follower"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Terms:
    """Times of an election, in seconds; the defaults are those of Kubernetes' own controllers."""

    lease_duration_s: float = 15.0
    renew_deadline_s: float = 10.0
    retry_s: float = 2.0

    def __post_init__(self) -> None:
        if not self.lease_duration_s > self.renew_deadline_s > self.retry_s > 0:
            raise ValueError(
                "a Lease needs lease duration > renew deadline > retry > 0, not "
                f"{self.lease_duration_s:g}, {self.renew_deadline_s:g} and {self.retry_s:g} s"
            )


@dataclass(frozen=True, slots=True)
class Read:
    """Read the Lease: `received` or `absent`, or `failed`; give up after `timeout_s`."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Write:
    """Write the Lease: `written`, or `failed`; give up after `timeout_s`."""

    body: "LeaseBody"
    create: bool
    timeout_s: float


Request: TypeAlias = Read | Write


@dataclass(frozen=True, slots=True)
class LeaseBody:
    """What is in a Lease, without its times: those are the driver's, for people to read."""

    holder: str
    transitions: int
    resource_version: str
    "Precondition of a write; empty to create."


@dataclass(frozen=True, slots=True)
class _Seen:
    holder: str
    transitions: int
    resource_version: str
    duration_s: float
    at: float


class Election:
    """One candidate; the driver sends at most one request at a time."""

    def __init__(self, identity: str, terms: Terms, jitter: Callable[[], float]) -> None:
        self._identity = identity
        self._terms = terms
        self._jitter = jitter
        self._seen: _Seen | None = None
        self._unsure = True
        "What the API server holds may differ from what was seen: read first."
        self._absent_since: float | None = None
        self._leader_until: float | None = None
        self._sent_at = 0.0
        self._writing: LeaseBody | None = None
        self._due = 0.0

    def role(self, now: float) -> Role:
        """Return what this process is; LEADER is true at this moment only."""
        leads = self._leader_until is not None and now < self._leader_until
        return Role.LEADER if leads else Role.FOLLOWER

    def leads_until(self) -> float | None:
        """Return when leading ends unless renewed: every write as leader must end before."""
        return self._leader_until

    def next_deadline(self) -> float:
        """Return when `next_request` or `role` may say something new."""
        return self._due if self._leader_until is None else min(self._due, self._leader_until)

    def next_request(self, now: float) -> Request | None:
        """Return the request that is due, None if none is."""
        if self._leader_until is not None and now >= self._leader_until:
            self._leader_until = None
        if now < self._due:
            return None
        self._sent_at = now
        self._due = now + self._terms.retry_s
        if self._unsure or not self._vacant(now):
            return Read(self._timeout(now))
        if self._absent_since is not None:
            return self._write(now, LeaseBody(self._identity, 0, ""), create=True)
        seen = self._seen
        assert seen is not None, "a read comes first"
        transitions = seen.transitions + (seen.holder != self._identity)
        body = LeaseBody(self._identity, transitions, seen.resource_version)
        return self._write(now, body, create=False)

    def received(self, lease: Json, now: float) -> None:
        """Take note of the Lease as read."""
        self._note(lease, now)
        assert self._seen is not None
        if self._seen.holder != self._identity:
            # Somebody else holds it: whatever I believed, I don't.
            self._leader_until = None
        self._due = now if self._vacant(now) else now + self._pause()

    def absent(self, now: float) -> None:
        """Take note that there is no Lease."""
        self._unsure, self._leader_until = False, None
        if self._absent_since is None:
            self._absent_since = now
        self._due = now if self._vacant(now) else now + self._pause()

    def written(self, lease: Json, now: float) -> None:
        """Take note that the write was done: lead, counted from when it was sent."""
        body, self._writing = self._writing, None
        self._note(lease, now)
        if body is not None and body.holder == self._identity:
            self._leader_until = self._sent_at + self._terms.renew_deadline_s
        self._due = self._sent_at + self._terms.retry_s

    def failed(self, now: float) -> None:
        """Take note that a request was refused, or not answered: it may have been done or not."""
        self._writing = None
        self._unsure = True
        hurry = self.role(now) is Role.LEADER
        self._due = now + (self._pause() / 4 if hurry else self._pause())

    def release(self, now: float) -> Write | None:
        """Stop leading now; return the write that lets another take over at once, if I held it.

        To be called when no request is under way, and when all that leading meant has ended.
        """
        self._leader_until = None
        seen = self._seen
        if self._unsure or seen is None or seen.holder != self._identity:
            return None
        return self._write(
            now, LeaseBody("", seen.transitions, seen.resource_version), create=False
        )

    def _vacant(self, now: float) -> bool:
        """Tell whether I may write: nobody else can be leading any more."""
        if self._absent_since is not None:
            # Only who has never seen a Lease may take a missing one for the first ever.
            wait_s = self._terms.lease_duration_s if self._seen else 0.0
            return now >= self._absent_since + wait_s
        seen = self._seen
        if seen is None:
            return False
        if seen.holder in {"", self._identity}:
            return True
        return now >= seen.at + max(seen.duration_s, self._terms.lease_duration_s)

    def _write(self, now: float, body: LeaseBody, *, create: bool) -> Write:
        self._writing = body
        return Write(body, create, self._timeout(now))

    def _timeout(self, now: float) -> float:
        """Bound a request: a leader's must end with its term, so that it can still step down."""
        left = self._terms.renew_deadline_s
        if self._leader_until is not None:
            left = self._leader_until - now
        return max(0.01, min(left, self._terms.renew_deadline_s / 2))

    def _note(self, lease: Json, now: float) -> None:
        self._unsure, self._absent_since = False, None
        meta, spec = lease.get("metadata") or {}, lease.get("spec") or {}
        version = str(meta.get("resourceVersion") or "")
        if self._seen is not None and self._seen.resource_version == version:
            return
        self._seen = _Seen(
            holder=str(spec.get("holderIdentity") or ""),
            transitions=_number(spec.get("leaseTransitions")),
            resource_version=version,
            duration_s=float(_number(spec.get("leaseDurationSeconds"))),
            at=now,
        )

    def _pause(self) -> float:
        return self._terms.retry_s * (0.75 + self._jitter() / 2)


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
