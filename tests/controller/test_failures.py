"""Writes that are refused: of one object, of all objects of a kind, and for good."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from controller.delta import Delta, Write
from controller.failures import note_failure
from controller.news import News
from controller.outcome import Assigned, Pending, Reason
from controller.patches import POOL_ANNOTATION
from controller.restraint import LONGEST_PAUSE_S, Restraint
from kube.api import ApiError, resource_words
from netns_lab.faults.modes import Fault, Mode
from tests.builders import name, service
from tests.controller.cluster import addresses
from tests.controller.live import behind_proxy, controlling, live
from tests.waiting import until

FORBIDDEN = ApiError(403, "Forbidden", 'User "x" cannot patch resource "services/status"')
INVALID = ApiError(422, "Invalid", "status.loadBalancer.ingress[0].ip: Invalid value")
MANY, WRITERS = 400, 32
HOUR_S = 3600.0


class Writing:
    """A delta with many Services to write, and an API server that answers at once."""

    def __init__(self, count: int, spaces: Sequence[str] = ("default",)) -> None:
        self.delta, self.restraint, self.now = Delta(), Restraint(), 0.0
        self.sent: list[tuple[float, str]] = []
        self.done: set[str] = set()
        self.refuses: Callable[[str], ApiError | None] = lambda _: FORBIDDEN
        for i in range(count):
            # In blocks, the last namespace with what is over.
            text = f"{spaces[min(len(spaces) - 1, i * len(spaces) // count)]}/s{i}"
            self.delta.observe(name(text), service(text, resource_version="1"))
            given = Assigned(addresses(f"192.0.{i // 256}.{i % 256}"), "p")
            self.delta.want(name(text), given, (), fresh=True)

    def until(self, end: float) -> "Writing":
        """Write whatever may be written, until then."""
        while self.now <= end:
            begun = self._turn()
            due = (self.delta.next_deadline(), self.restraint.next_at(self.now))
            later = [at for at in due if at is not None and at > self.now]
            if not begun:
                self.now = min(later, default=end + 1.0)
        return self

    def _turn(self) -> int:
        free = self.restraint.allowance(self.now, 0, WRITERS)
        probing = self.restraint.forbidden
        writes = list(self.delta.next_writes(self.now, "now", free, probing=probing))
        for write in writes:
            self._answer(write)
        return len(writes)

    def _answer(self, write: Write) -> None:
        text = str(write.service).removeprefix("default/")
        self.sent.append((self.now, text))
        error = self.refuses(text)
        if error is not None:
            note_failure(self.delta, self.restraint, write, error, self.now)
            return
        self.restraint.accepted()
        self.done.add(text)
        [entry] = write.body["status"]["loadBalancer"]["ingress"]
        tagged = {POOL_ANNOTATION: "p"}
        spec = {"ingress": [entry["ip"]], "annotations": tagged, "resource_version": "2"}
        self.delta.written(write, service(text, **spec))


def test_verb_that_is_forbidden_costs_one_write_a_minute_however_many_wait() -> None:
    writing = Writing(MANY).until(HOUR_S)

    assert len(writing.sent) <= WRITERS + 10 + HOUR_S / LONGEST_PAUSE_S
    late = [at for at, _ in writing.sent if at > HOUR_S / 2]
    assert len(late) <= HOUR_S / 2 / LONGEST_PAUSE_S + 1


def test_all_is_written_when_the_verb_is_given_back() -> None:
    writing = Writing(MANY).until(HOUR_S)
    writing.refuses = lambda _: None

    writing.until(HOUR_S + LONGEST_PAUSE_S + 1.0)

    assert len(writing.done) == MANY


@pytest.mark.parametrize("denied", [1, 40])
def test_objects_that_are_forbidden_alone_do_not_hold_up_the_others(denied: int) -> None:
    """As a webhook forbids them, or a role for one namespace."""
    bad = {f"s{i}" for i in range(denied)}
    writing = Writing(MANY)
    writing.refuses = lambda text: FORBIDDEN if text in bad else None

    writing.until(LONGEST_PAUSE_S)

    assert len(writing.done) == MANY - denied


def test_namespaces_in_which_all_is_forbidden_do_not_hold_up_another_one() -> None:
    writing = Writing(MANY, ("red", "blue", "green"))
    writing.refuses = lambda text: None if text.startswith("green/") else FORBIDDEN

    writing.until(1.0)

    assert {text.split("/")[0] for text in writing.done} == {"green"}
    writing.until(LONGEST_PAUSE_S)
    assert len(writing.done) == MANY // 3


def test_invalid_status_is_told_once_and_tried_once_a_minute() -> None:
    writing = Writing(1)
    writing.refuses = lambda _: INVALID
    told: list[News] = []
    [write] = writing.delta.next_writes(0.0, "now", 1)
    for _ in range(2):
        failure = note_failure(writing.delta, writing.restraint, write, INVALID, 0.0)
        assert not failure.doubtful
        told += failure.news

    [news] = told
    assert "Invalid value" in news.message
    assert "192.0.0.0" in news.message
    writing.until(HOUR_S)
    assert len(writing.sent) <= 2 * HOUR_S / LONGEST_PAUSE_S + 2


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ApiError(409, "Conflict", ""), id="conflict"),
        pytest.param(ApiError(0, "Timeout", ""), id="no answer"),
        pytest.param(ValueError("unreadable"), id="unreadable answer"),
    ],
)
def test_other_failures_leave_in_doubt_what_is_there(error: Exception) -> None:
    delta, restraint = Delta(), Restraint()
    delta.observe(name("a"), service("a"))
    outcome = Pending(Reason.NO_POOLS, "IPAddressPool", "spec", "none", "create one")
    delta.want(name("a"), outcome, (), fresh=True)
    [write] = delta.next_writes(0.0, "now", 1)

    assert note_failure(delta, restraint, write, error, 0.0).doubtful
    assert not restraint.forbidden


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/v1/namespaces/default/services/web/status", "services/status"),
        ("/api/v1/namespaces/default/events", "events"),
        ("/apis/metallb.io/v1beta1/namespaces/x/ipaddresspools/p/status", "ipaddresspools/status"),
        ("/api/v1/namespaces/default", "namespaces"),
    ],
)
def test_resource_of_a_path(path: str, words: str) -> None:
    assert resource_words(path) == words


async def test_revoked_verb_makes_no_storm_and_is_noticed_when_it_is_back(tmp_path: Path) -> None:
    count = 60
    async with live(tmp_path) as there, behind_proxy(there, tmp_path) as (proxied, proxy):
        await proxy.set_fault(
            Fault(Mode.ERROR, match="/status", verbs=("patch",), code=403, message="no")
        )
        await there.create_pool("first", "192.168.4.0/24")
        for i in range(count):
            await there.create_service(f"s{i}")
        async with controlling(proxied) as (reconciler, client):

            def refused() -> int:
                return reconciler.write_errors.get(("services/status", 403), 0)

            await until(lambda: refused() >= WRITERS + 2)
            assert refused() <= WRITERS + 6
            # Nobody asks what is there after an answer that says so: these are the watches' own.
            assert client.requests["GET", 200] <= 30

            await proxy.set_fault(Fault())

            await there.until(lambda: _all_given(there, count))
            assert refused() <= WRITERS + 10


async def _all_given(there: object, count: int) -> bool:
    given = await there.all_addresses()  # type: ignore[attr-defined]
    return len([each for each in given.values() if each]) == count


async def test_service_whose_status_is_invalid_is_told_why(tmp_path: Path) -> None:
    async with live(tmp_path) as there, behind_proxy(there, tmp_path) as (proxied, proxy):
        await proxy.set_fault(
            Fault(Mode.ERROR, match="/status", verbs=("patch",), code=422, message="bad address")
        )
        await there.create_pool("first", "192.168.4.10/32")
        await there.create_service("a")
        async with controlling(proxied):
            events = await there.until(there.events)

    [(about, reason, message)] = events
    assert (about, reason) == ("a", "AllocationFailed")
    assert "bad address" in message
    assert "192.168.4.10" in message
