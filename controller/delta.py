"""Desired and shown, for every Service: which writes are due now, and in which order.

Per object one write at a time. An address changes hands only after the API server has taken the
write of the Service that gives it up: so no two statuses show it at once, not even for a moment,
and no speaker sees both. Of Services that wait for each other's one goes without for that moment,
or they would wait for ever. What a write returned counts as shown until the watch has caught up;
which of the two tells of a version first does not matter, and the other need not parse it again.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from controller.desire import Desire
from controller.news import News, news_of_quarrel
from controller.numbers import version_of
from controller.outcome import Assigned, Outcome, Pending
from controller.patches import patch_for
from controller.repairs import Repairs
from controller.showing import Showing, waits_for_itself
from kube.objects import Address, Json, ObjectError, ObjectName, Service
from kube.parsing import parse_service

NOTHING: Mapping[ObjectName, Service] = MappingProxyType({})

RETRY_S = (0.05, 0.2, 1.0, 5.0, 15.0)
"""Pauses after failed writes of one object; the last one repeats."""
RETRY_AFTER_REJECTION_S = 60.0
"""What the API server calls invalid it calls so again, unless a policy of the cluster changes."""


@dataclass(frozen=True, slots=True)
class Write:
    """One patch of a Service's status, and the Events to send when it is done."""

    service: ObjectName
    body: Json
    news: tuple[News, ...] = ()
    outcome: Outcome | None = None
    "The decision that it is for."
    excuse: bool = False
    "It only says why what was decided cannot be had."


class Delta:
    """What shall be, what is, and what is under way."""

    def __init__(self) -> None:
        self._desired: dict[ObjectName, Desire] = {}
        self._shown: dict[ObjectName, Service] = {}
        self._showing = Showing()
        self._repairs = Repairs()
        self._queue: deque[ObjectName] = deque()
        self._queued: set[ObjectName] = set()
        self._again: deque[ObjectName] = deque()
        "Those to be written again after a failure."
        self._blocked: set[ObjectName] = set()
        self._under_way: set[ObjectName] = set()
        self._answered: set[ObjectName] = set()
        "Those whose newest version known is the answer to a write, not seen by the watch yet."
        self._failures: dict[ObjectName, int] = {}
        self._retries: dict[ObjectName, float] = {}
        self._refusals: dict[ObjectName, str] = {}
        self._barred: set[str] = set()
        "Namespaces in which a write was refused since one was taken there."

    def observe(self, name: ObjectName, service: Service | None, *, surely: bool = False) -> None:
        """Take what the API server has, by watch, list or answer.

        An older version than the one known is dropped, unless it is `surely` what is there now
        (an API server restored from a backup counts anew).
        """
        known = self._shown.get(name)
        if service is None:
            self._show(name, None)
            self._desired.pop(name, None)
            self._retries.pop(name, None)
            self._failures.pop(name, None)
            self._refusals.pop(name, None)
            self._repairs.forget(name)
            return
        if service is known:
            return
        if known is not None and not surely and version_of(service) < version_of(known):
            return
        self._show(name, service)
        self._enqueue(name)

    def known(self, name: ObjectName, obj: Json) -> Service | None:
        """Return the Service when this very version of it is known, None otherwise."""
        meta, known = obj.get("metadata") or {}, self._shown.get(name)
        if known is None or known.uid != meta.get("uid"):
            return None
        return known if known.resource_version == meta.get("resourceVersion") else None

    def echo(self, name: ObjectName, obj: Json) -> Service | None:
        """Return what the watch brings of a write of ours, None for all else.

        That is the answer, once, when it was this very version. The watch may be faster than the
        answer, which need not be parsed then.
        """
        if name in self._under_way:
            try:
                self.observe(name, parse_service(obj))
            except ObjectError:
                return None
            return self.known(name, obj)
        if name not in self._answered:
            return None
        self._answered.discard(name)
        return self.known(name, obj)

    def shows(self, name: ObjectName, service: Service) -> bool:
        """Tell whether the Service shows what was decided for it."""
        desire = self._desired.get(name)
        if desire is None:
            return False
        return patch_for(service, desire.outcome, "", fresh=desire.fresh) is None

    def want(
        self, name: ObjectName, outcome: Outcome, news: tuple[News, ...], *, fresh: bool
    ) -> None:
        """Take what the planner decided; Events not sent yet for an older decision are dropped.

        What was decided anew is not held up by what the API server thought of the decision before.
        """
        before = self._desired.get(name)
        if before is None or before.outcome != outcome:
            self._retries.pop(name, None)
            self._failures.pop(name, None)
            before = None
        self._desired[name] = Desire(outcome, news, fresh, before.rejected if before else None)
        self._enqueue(name)

    def next_writes(
        self,
        now: float,
        when: str,
        limit: int,
        latest: Mapping[ObjectName, Service] = NOTHING,
        *,
        probing: bool = False,
    ) -> Iterator[Write]:
        """Yield at most so many writes that are due; each with a body must be answered for.

        When `probing`, another namespace than those in which writes were refused comes first.
        `latest` has the newest resource versions: an object may have changed in ways that nobody
        was told of, because nothing we read in it did.
        """
        for name in [name for name, at in self._retries.items() if at <= now]:
            del self._retries[name]
            self._again.append(name)
        while (self._queue or self._again) and limit > 0:
            name = self._take_next(probing=probing)
            write = self._next_write(name, now, when, latest.get(name))
            if write is None:
                continue
            if write.body:
                self._under_way.add(name)
                limit -= 1
            yield write
        if limit > 0 and not self._under_way and (write := self._end_of_circle(when, latest)):
            self._under_way.add(write.service)
            yield write

    def _take_next(self, *, probing: bool) -> ObjectName:
        """Whose writes failed come last: what they fail with may be theirs alone."""
        queue = self._queue or self._again
        name = queue[0]
        if probing and name.namespace in self._barred:
            for each in (self._queue, self._again):
                found = next((n for n in each if n.namespace not in self._barred), None)
                if found is not None:
                    queue, name = each, found
                    break
            else:
                self._barred.clear()
        queue.remove(name)
        self._queued.discard(name)
        return name

    def written(self, write: Write, service: Service) -> None:
        """Take the API server's answer to a write."""
        name = write.service
        self._under_way.discard(name)
        self._failures.pop(name, None)
        self._refusals.pop(name, None)
        self._barred.discard(name.namespace)
        before = self._shown.get(name)
        if before is None:
            return
        self.observe(name, service)
        if service is not before:
            self._answered.add(name)
        self._enqueue(name)

    def failed(self, write: Write, now: float, refusal: str = "") -> None:
        """Take note that a write was not done, as far as is known: it is tried again later.

        `refusal` says why the API server will not have it, where it said so.
        """
        name = write.service
        self._under_way.discard(name)
        self._repairs.forget(name)
        desire = self._desired.get(name)
        if desire is None:
            return
        if write.outcome != desire.outcome:
            self._enqueue(name)
            return
        if write.excuse:
            self._desired[name] = replace(desire, rejected=None)
            return
        if refusal:
            self._refusals[name] = refusal
            self._barred.add(name.namespace)
        if not desire.news:
            self._desired[name] = replace(desire, news=write.news)
        count = self._failures.get(name, 0)
        self._failures[name] = count + 1
        self._retries[name] = now + RETRY_S[min(count, len(RETRY_S) - 1)]

    def rejected(self, write: Write, why: Pending, now: float) -> bool:
        """Take note that the API server called a write invalid; tell whether that is news.

        The Service says why until it takes it after all, or something else is decided.
        """
        self.failed(write, now)
        desire = self._desired.get(write.service)
        if desire is None or desire.outcome != write.outcome or write.excuse:
            return False
        self._desired[write.service] = replace(desire, rejected=why)
        self._retries[write.service] = now + RETRY_AFTER_REJECTION_S
        self._enqueue(write.service)
        return desire.rejected is None

    def next_deadline(self) -> float | None:
        """Return when a write that failed may be tried again, None without one."""
        return min(self._retries.values(), default=None)

    def lacks(self, name: ObjectName) -> bool:
        """Tell whether a Service is there for which no decision is known here."""
        return name in self._shown and name not in self._desired

    @property
    def refusals(self) -> Mapping[ObjectName, str]:
        """The Services whose last write the API server would not have, and what it said."""
        return self._refusals

    @property
    def unwritten(self) -> int:
        """How many Services were given addresses that their status doesn't show."""
        return sum(
            isinstance(desire.outcome, Assigned)
            and (shown := self._shown.get(name)) is not None
            and shown.ingress != desire.outcome.addresses
            for name, desire in list(self._desired.items())
        )

    @property
    def idle(self) -> bool:
        """Tell whether nothing is to be written."""
        waiting = self._queue or self._again or self._retries or self._blocked
        return not (waiting or self._under_way)

    @property
    def under_way(self) -> Collection[ObjectName]:
        """The Services whose write is not answered yet."""
        return self._under_way

    def shown(self, name: ObjectName) -> Service | None:
        """Return the newest state known of the Service."""
        return self._shown.get(name)

    def _next_write(
        self, name: ObjectName, now: float, when: str, latest: Service | None
    ) -> Write | None:
        service, desire = self._shown.get(name), self._desired.get(name)
        if service is None or desire is None or name in self._under_way:
            return None
        rejected = name in self._retries
        if rejected and desire.rejected is None:
            return None
        service = self._newest(service, latest)
        if rejected and desire.rejected is not None:
            body = patch_for(service, desire.rejected, when)
            return Write(name, body, (), desire.outcome, excuse=True) if body else None
        if self._awaited(name) is not None:
            self._blocked.add(name)
            return None
        body = patch_for(service, desire.outcome, when, fresh=desire.fresh)
        if body is None and not desire.news:
            return None
        if body and (at := self._repairs.not_before(name, desire.outcome, now)) > now:
            self._retries[name] = at
            return None
        news = desire.news
        if body and self._repairs.written(name, desire.outcome, now):
            news = (*news, news_of_quarrel(service))
        self._desired[name] = replace(desire, news=())
        return Write(name, body or {}, news, desire.outcome)

    def _enqueue(self, name: ObjectName) -> None:
        if name not in self._queued:
            self._queued.add(name)
            self._queue.append(name)

    def _newest(self, service: Service, latest: Service | None) -> Service:
        if latest is None or version_of(latest) <= version_of(service):
            return service
        self._show(service.name, latest)
        return latest

    def _awaited(self, name: ObjectName) -> ObjectName | None:
        """Return one that still shows an address which it shall lose to the Service, or None."""
        desire = self._desired.get(name)
        for address in desire.addresses if desire else ():
            for other in self._showing.by(address):
                if other != name and not self._shall_have(other, address):
                    return other
        return None

    def _end_of_circle(self, when: str, latest: Mapping[ObjectName, Service]) -> Write | None:
        """Return the write by which one Service of a circle gives up what it shows, or None."""
        for name in sorted(self._blocked - self._retries.keys()):
            if waits_for_itself(name, self._awaited):
                service = self._newest(self._shown[name], latest.get(name))
                body = patch_for(service, Assigned((), ""), when)
                return Write(name, body, (), self._desired[name].outcome) if body else None
        return None

    def _shall_have(self, name: ObjectName, address: Address) -> bool:
        desire = self._desired.get(name)
        # Another class's Service, or one not planned for yet: not ours to wait for.
        return desire is None or address in desire.addresses

    def _show(self, name: ObjectName, service: Service | None) -> None:
        before = self._shown.pop(name, None)
        self._answered.discard(name)
        had, has = (each.ingress if each else () for each in (before, service))
        if had != has:
            for waiting in self._blocked:
                self._enqueue(waiting)
            self._blocked.clear()
        self._showing.replace(name, had, has)
        if service is not None:
            self._shown[name] = service
