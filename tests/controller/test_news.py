"""Which Events are sent for which change."""

import re

import pytest

from controller.news import EventReason, News, event_body, news_of
from controller.outcome import Assigned, Cause, Change, NotOurs, Outcome, Pending, Reason
from tests.builders import name, service
from tests.controller.cluster import addresses

FULL = Pending(Reason.POOL_FULL, "IPAddressPool p", "spec.addresses", "full", "add a range")
GIVEN = Assigned(addresses("192.0.2.1"), "p")
OLD = addresses("192.0.2.9")


def note(reason: Reason) -> Assigned:
    return Assigned(
        addresses("192.0.2.1"), "p", Pending(reason, "Service a", "spec", "no", "do so")
    )


@pytest.mark.parametrize(
    ("outcome", "before", "cause", "reason", "words"),
    [
        pytest.param(GIVEN, (), Cause.NEW, "IPAllocated", '"192.0.2.1"', id="given"),
        pytest.param(GIVEN, OLD, Cause.REQUESTED, "IPAllocated", "192.0.2.1", id="asked for"),
        pytest.param(
            GIVEN, OLD, Cause.NOT_ADMITTED, "ClearAssignment", '"192.0.2.9" given up', id="moved"
        ),
        pytest.param(FULL, (), None, "AllocationFailed", "full: add a range", id="waits"),
        pytest.param(FULL, OLD, Cause.POOL_GONE, "AllocationFailed", "given up", id="lost"),
        pytest.param(
            note(Reason.SECOND_FAMILY), (), None, "AdditionalAssignFailed", "Keeps", id="one of two"
        ),
        pytest.param(
            note(Reason.REQUEST_MALFORMED), (), None, "LoadBalancerFailed", "Keeps", id="malformed"
        ),
        pytest.param(
            note(Reason.ADDRESS_TAKEN), (), None, "AllocationFailed", "Keeps", id="wish not met"
        ),
    ],
)
def test_one_event_for_a_change(
    outcome: Outcome, before: tuple[object, ...], cause: Cause | None, reason: str, words: str
) -> None:
    change = Change(name("a"), outcome, before, cause, "why")  # type: ignore[arg-type]

    [news] = news_of(service("a"), change)

    assert news.reason.value == reason
    assert words in news.message


def test_first_address_of_a_service_that_wishes_for_two_is_told_with_the_one_that_is_missing() -> (
    None
):
    change = Change(name("a"), note(Reason.SECOND_FAMILY), (), Cause.NEW)

    given, missing = news_of(service("a"), change)

    assert (given.reason, given.warning) == (EventReason.IP_ALLOCATED, False)
    assert missing.reason is EventReason.ADDITIONAL_ASSIGN_FAILED
    assert missing.message == 'Keeps "192.0.2.1": no: do so'


@pytest.mark.parametrize(
    ("before", "wants"),
    [
        pytest.param(("192.0.2.9",), '"192.0.2.9" given up: why.', id="moved"),
        pytest.param(
            ("192.0.2.1", "fd00::1"), '"fd00::1" given up: why. Keeps "192.0.2.1"', id="one of two"
        ),
    ],
)
def test_what_was_given_up_is_told_with_the_cause(before: tuple[str, ...], wants: str) -> None:
    change = Change(name("a"), GIVEN, addresses(*before), Cause.FAMILIES_CHANGED, "why")

    [news] = news_of(service("a"), change)

    assert news.reason is EventReason.CLEAR_ASSIGNMENT
    assert news.message.startswith(wants)


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(GIVEN, id="it stays"),
        pytest.param(note(Reason.MOVES_SOON), id="it moves soon"),
        pytest.param(NotOurs(), id="not ours"),
    ],
)
def test_no_event_when(outcome: Outcome) -> None:
    assert news_of(service("a"), Change(name("a"), outcome)) == ()


def test_deprecated_annotations_are_told_when_the_service_is_written() -> None:
    old = service("a", annotations={"metallb.universe.tf/address-pool": "p"})

    found = news_of(old, Change(name("a"), GIVEN, (), Cause.NEW))

    assert [each.reason for each in found] == [
        EventReason.IP_ALLOCATED,
        EventReason.DEPRECATED_ANNOTATION,
    ]


def test_longest_service_name_makes_a_valid_event() -> None:
    long = service("s" * 63)
    [news] = news_of(long, Change(long.name, GIVEN, (), Cause.NEW))

    body = event_body(news, "2026-01-01T00:00:00Z", "0123456789abcdef")

    assert len(body["metadata"]["name"]) <= 253
    assert body["involvedObject"]["uid"] == long.uid


@pytest.mark.parametrize("stem", ["p" * 253, "p" * 199 + "." + "q" * 53, "p" * 198 + "-." + "q"])
def test_longest_pool_name_makes_a_valid_event(stem: str) -> None:
    news = News(name(f"metallb-system/{stem}"), "uid", EventReason.CONFIGURATION_ERROR, "wrong")

    made = event_body(news, "2026-01-01T00:00:00Z", "0123456789abcdef")["metadata"]["name"]

    assert len(made) <= 253
    assert all(re.fullmatch("[a-z0-9]([-a-z0-9]*[a-z0-9])?", part) for part in made.split("."))


def test_long_reasons_are_cut_to_what_an_event_takes() -> None:
    long = Pending(Reason.POOL_FULL, "x", "y", "z" * 5000, "remedy")
    [news] = news_of(service("a"), Change(name("a"), long))

    assert len(news.message) <= 1024
