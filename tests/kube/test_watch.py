"""The list-and-watch core: resuming, listing again, back-off, and lines that are no events."""

import json
from typing import Any

import pytest

from kube.watch import (
    LONGEST_DELAY_S,
    UNAVAILABLE_LONGEST_DELAY_S,
    Broken,
    EventType,
    ListStep,
    ListWatch,
    WaitStep,
    WatchEvent,
    WatchStep,
)


def line(type_: str, version: str = "7", **obj: Any) -> bytes:
    body = {"metadata": {"name": "x", "resourceVersion": version}} | obj
    return json.dumps({"type": type_, "object": body}).encode() + b"\n"


def watching(now: float = 0.0, version: str = "5") -> ListWatch:
    core = ListWatch(lambda: 0.5)
    assert core.next_step(now) == ListStep()
    core.listed(version)
    core.opened(now)
    return core


def wait_s(core: ListWatch, now: float) -> float:
    step = core.next_step(now)
    return step.until - now if isinstance(step, WaitStep) else 0.0


def test_watch_starts_from_the_version_of_the_list() -> None:
    core = ListWatch(lambda: 0.5)
    core.listed("5")
    assert core.next_step(0.0) == WatchStep("5", 150)


@pytest.mark.parametrize("jitter", [0.0, 0.999])
def test_length_of_a_watch_is_spread_over_a_minute(jitter: float) -> None:
    core = ListWatch(lambda: jitter)
    core.listed("5")
    step = core.next_step(0.0)
    assert isinstance(step, WatchStep)
    assert step.watch_s == (120 if jitter == 0 else 179)


def test_watch_hangs_only_when_it_is_silent_beyond_its_own_end() -> None:
    assert WatchStep("5", 150).silent_s == 160.0


def test_closed_watch_that_lived_is_resumed_at_once_from_its_last_event() -> None:
    core = watching()
    assert core.receive_line(line("ADDED", "8"), 1.0) == WatchEvent(
        EventType.ADDED, {"metadata": {"name": "x", "resourceVersion": "8"}}
    )
    core.closed(300.0)
    assert core.next_step(300.0) == WatchStep("8", 150)


def test_bookmark_moves_the_version_and_is_no_event() -> None:
    core = watching()
    assert core.receive_line(line("BOOKMARK", "99"), 1.0) is None
    core.closed(300.0)
    assert core.next_step(300.0) == WatchStep("99", 150)


@pytest.mark.parametrize("by", ["status", "error object"])
def test_410_lists_again(by: str) -> None:
    core = watching()
    if by == "status":
        core.failed(410, "too old", 10.0)
    else:
        gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
        assert isinstance(core.receive_line(json.dumps(gone).encode(), 10.0), Broken)
    assert core.next_step(10.0 + wait_s(core, 10.0)) == ListStep()


def test_watches_that_close_at_once_are_opened_ever_more_rarely() -> None:
    core, now, opened = watching(), 0.0, 0
    while now < 60.0:
        core.closed(now)
        now += max(wait_s(core, now), 0.001)
        core.opened(now)
        opened += 1
    assert opened <= 10


def test_storm_of_410_costs_a_handful_of_lists() -> None:
    core, now, lists = ListWatch(lambda: 0.5), 0.0, 0
    while now < 60.0:
        now += wait_s(core, now)
        if isinstance(core.next_step(now), ListStep):
            lists += 1
            core.listed("5")
        else:
            core.failed(410, "too old", now)
    assert lists <= 10


def test_delay_never_exceeds_its_limit_and_ends_with_a_watch_that_lived() -> None:
    core, now = watching(), 0.0
    for _ in range(50):
        core.failed(0, "refused", now)
        delay = wait_s(core, now)
        assert 0 < delay <= LONGEST_DELAY_S
        now += delay
    core.opened(now)
    core.failed(0, "reset", now + 6.0)
    assert wait_s(core, now + 6.0) < 0.3


@pytest.mark.parametrize("status", [403, 404, 405])
def test_kind_that_cannot_be_had_says_why_and_is_tried_slowly(status: int) -> None:
    core, now, tries = ListWatch(lambda: 0.5), 0.0, 0
    while now < 600.0:
        core.failed(status, "no such thing", now)
        delay = wait_s(core, now)
        assert 2.5 <= delay <= UNAVAILABLE_LONGEST_DELAY_S
        now += delay
        tries += 1
    assert tries <= 18
    assert core.unavailable == f"{status}: no such thing"
    core.listed("5")
    assert core.unavailable == ""


def test_lost_watch_verb_keeps_the_version_and_doesnt_list_again() -> None:
    core = watching()
    core.failed(403, "cannot watch", 10.0)
    assert core.next_step(100.0) == WatchStep("5", 150)


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b'{"type":"ADDED","obj', id="half a line"),
        pytest.param(b"\n", id="an empty line"),
        pytest.param(b"<html>", id="no JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"type":"ADDED"}', id="no object"),
        pytest.param(b'{"type":"ADDED","object":{"metadata":{}}}', id="no version"),
        pytest.param(b'{"type":"ERROR","object":null}', id="error without object"),
        pytest.param(b'{"type":"ERROR","object":"x"}', id="error that is a text"),
        pytest.param(line("PATCHED"), id="unknown type"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
    ],
)
def test_line_that_is_no_event_breaks_the_watch_and_loses_no_version(junk: bytes) -> None:
    core = watching()
    assert isinstance(core.receive_line(junk, 10.0), Broken)
    assert core.next_step(10.0 + wait_s(core, 10.0)) == WatchStep("5", 150)


def test_same_unreadable_line_twice_lists_again() -> None:
    core = watching()
    core.receive_line(b"junk", 10.0)
    core.opened(20.0)
    core.receive_line(b"junk", 20.0)
    assert core.next_step(20.0 + wait_s(core, 20.0)) == ListStep()


def test_every_truncation_of_an_event_breaks_the_watch() -> None:
    whole = line("MODIFIED", "8").rstrip()
    for length in range(len(whole)):
        core = watching()
        assert isinstance(core.receive_line(whole[:length], 1.0), Broken)


def test_restart_ends_a_wait_but_not_that_for_a_missing_kind() -> None:
    core = watching()
    core.failed(0, "refused", 10.0)
    core.restart(10.0)
    assert core.next_step(10.0) == WatchStep("5", 150)
    core.failed(404, "no CRD", 10.0)
    core.restart(10.0)
    assert isinstance(core.next_step(10.0), WaitStep)
