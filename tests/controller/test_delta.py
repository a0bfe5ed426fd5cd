"""Which writes are due: one at a time for each object, and givers before takers."""

from dataclasses import replace
from typing import Any

import pytest

from controller.delta import RETRY_AFTER_REJECTION_S, RETRY_S, Delta, Write
from controller.outcome import Assigned, Pending, Reason
from controller.patches import CONDITION
from kube.objects import Condition, Service
from tests.builders import name, service
from tests.controller.cluster import addresses

FULL = Pending(Reason.POOL_FULL, "IPAddressPool p", "spec.addresses", "full", "add a range")


def given(text: str) -> Assigned:
    return Assigned(addresses(text), "p")


def shown(text: str, version: int = 1, **changes: Any) -> Service:
    return service(text, resource_version=str(version), **changes)


def due(delta: Delta, now: float = 0.0, limit: int = 10) -> list[Write]:
    return list(delta.next_writes(now, "now", limit))


def names(writes: list[Write]) -> list[str]:
    return [write.service.name for write in writes]


def test_one_write_of_an_object_at_a_time() -> None:
    delta = Delta()
    delta.observe(name("a"), shown("a"))
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)
    [first] = due(delta)

    delta.want(name("a"), given("192.0.2.2"), (), fresh=True)
    assert due(delta) == []
    delta.written(first, shown("a", 2, ingress=["192.0.2.1"]))

    [second] = due(delta)
    assert second.body["metadata"]["resourceVersion"] == "2"
    assert second.body["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.2"


def test_address_is_shown_by_its_new_owner_only_after_the_old_one_has_dropped_it() -> None:
    delta = Delta()
    delta.observe(name("old"), shown("old", ingress=["192.0.2.1"]))
    delta.observe(name("new"), shown("new"))
    delta.want(name("new"), given("192.0.2.1"), (), fresh=True)
    delta.want(name("old"), given("192.0.2.9"), (), fresh=True)

    [first] = due(delta)
    assert names([first]) == ["old"]
    assert due(delta) == []
    tagged = {"metallb.io/ip-allocated-from-pool": "p"}
    delta.written(first, shown("old", 2, ingress=["192.0.2.9"], annotations=tagged))

    assert names(due(delta)) == ["new"]


def test_deletion_of_the_old_owner_is_as_good_as_its_write() -> None:
    delta = Delta()
    delta.observe(name("old"), shown("old", ingress=["192.0.2.1"]))
    delta.observe(name("new"), shown("new"))
    delta.want(name("old"), FULL, (), fresh=True)
    delta.want(name("new"), given("192.0.2.1"), (), fresh=True)
    due(delta)

    delta.observe(name("old"), None)

    assert names(due(delta)) == ["new"]


def circle(*texts: str) -> Delta:
    """Services that show an address each and shall have the next one's, the last the first's."""
    delta = Delta()
    for number, text in enumerate(texts):
        delta.observe(name(text), shown(text, ingress=[f"192.0.2.{number}"]))
    for number, text in enumerate(texts):
        after = given(f"192.0.2.{(number + 1) % len(texts)}")
        delta.want(name(text), after, (), fresh=True)
    return delta


def ingress_of(write: Write) -> list[str]:
    status = write.body["status"]["loadBalancer"] or {"ingress": []}
    return [entry["ip"] for entry in status["ingress"]]


@pytest.mark.parametrize("texts", [("a", "b"), ("a", "b", "c"), ("d", "c", "b", "a")])
def test_of_those_that_wait_for_each_others_addresses_one_goes_without_for_a_moment(
    texts: tuple[str, ...],
) -> None:
    delta = circle(*texts)
    has = {text: [f"192.0.2.{number}"] for number, text in enumerate(texts)}
    done: list[tuple[str, list[str]]] = []
    while writes := due(delta):
        [write] = writes
        text, gets = write.service.name, ingress_of(write)
        assert all(gets != had for other, had in has.items() if other != text)
        has[text] = gets
        done.append((text, gets))
        tag = {"metallb.io/ip-allocated-from-pool": "p"}
        delta.written(write, shown(text, len(done) + 1, ingress=gets, annotations=tag))

    assert done[0] == (min(texts), [])
    assert len(done) == len(texts) + 1
    assert has == {t: [f"192.0.2.{(i + 1) % len(texts)}"] for i, t in enumerate(texts)}
    assert delta.idle


def test_who_waits_for_one_that_can_move_keeps_what_it_shows() -> None:
    delta = circle("a", "b")
    delta.want(name("b"), given("192.0.2.9"), (), fresh=True)

    [write] = due(delta)

    assert (write.service.name, ingress_of(write)) == ("b", ["192.0.2.9"])


def test_who_waits_for_a_circle_is_not_on_it() -> None:
    delta = circle("b", "c")
    delta.observe(name("a"), shown("a", ingress=["192.0.2.7"]))
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)

    [write] = due(delta)

    assert (write.service.name, ingress_of(write)) == ("b", [])


def test_parting_that_fails_is_tried_again_later() -> None:
    delta = circle("a", "b")
    for text in ("a", "b"):
        [write] = due(delta)
        assert write.service.name == text
        delta.failed(write, 0.0)
    assert due(delta) == []

    [write] = due(delta, RETRY_S[0])

    assert ingress_of(write) == []


def test_sharers_do_not_wait_for_each_other() -> None:
    delta = Delta()
    delta.observe(name("a"), shown("a", ingress=["192.0.2.1"]))
    delta.observe(name("b"), shown("b"))
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)
    delta.want(name("b"), given("192.0.2.1"), (), fresh=True)

    assert "b" in names(due(delta))


def test_failed_write_is_tried_again_later_with_growing_pauses() -> None:
    delta = Delta()
    delta.observe(name("a"), shown("a"))
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)
    now = 0.0
    for pause in (*RETRY_S, RETRY_S[-1]):
        [write] = due(delta, now)
        delta.failed(write, now)
        assert due(delta, now) == []
        assert delta.next_deadline() == now + pause
        now += pause


def test_refusal_is_known_until_the_write_is_done_or_the_service_gone() -> None:
    delta = Delta()
    for text in ("a", "b"):
        delta.observe(name(text), shown(text))
        delta.want(name(text), given(f"192.0.2.{ord(text)}"), (), fresh=True)
    for write in due(delta):
        delta.failed(write, 0.0, "403 Forbidden")
    assert delta.refusals == {name("a"): "403 Forbidden", name("b"): "403 Forbidden"}

    [again, _] = due(delta, RETRY_S[0])
    delta.written(again, shown("a", 2, ingress=["192.0.2.97"]))
    delta.observe(name("b"), None)

    assert not delta.refusals


def test_addresses_that_no_status_shows_are_counted_until_it_does() -> None:
    delta = Delta()
    for text in ("a", "full"):
        delta.observe(name(text), shown(text))
    delta.want(name("full"), FULL, (), fresh=True)
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)
    assert delta.unwritten == 1

    write = next(write for write in due(delta) if write.service == name("a"))
    delta.written(write, shown("a", 2, ingress=["192.0.2.1"]))

    assert delta.unwritten == 0


def test_limit_holds_and_the_rest_follows() -> None:
    delta = Delta()
    for text in ("a", "b", "c"):
        delta.observe(name(text), shown(text))
        delta.want(name(text), given(f"192.0.2.{ord(text)}"), (), fresh=True)

    assert names(due(delta, limit=2)) == ["a", "b"]
    assert names(due(delta)) == ["c"]
    assert not delta.idle


def test_old_news_of_the_watch_do_not_undo_an_answer() -> None:
    delta = Delta()
    delta.observe(name("a"), shown("a", 1))
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)
    [write] = due(delta)
    tagged = {"metallb.io/ip-allocated-from-pool": "p"}
    done = shown("a", 5, ingress=["192.0.2.1"], annotations=tagged)
    delta.written(write, done)

    delta.observe(name("a"), shown("a", 3))

    assert due(delta) == []
    assert delta.shown(name("a")) == done


def test_what_is_surely_there_counts_even_with_a_lower_version() -> None:
    delta = Delta()
    delta.observe(name("a"), shown("a", 500, ingress=["192.0.2.1"]))
    restored = shown("a", 2)

    delta.observe(name("a"), restored, surely=True)

    assert delta.shown(name("a")) == restored


def test_newest_resource_version_is_the_precondition() -> None:
    """What changed in nothing we read is told nobody, but the version grew."""
    delta = Delta()
    there = shown("a", 1)
    delta.observe(name("a"), there)
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)

    latest = {name("a"): replace(there, resource_version="9")}
    [write] = delta.next_writes(0.0, "now", 1, latest)

    assert write.body["metadata"]["resourceVersion"] == "9"


def answer(service_: Service) -> dict[str, Any]:
    return {"metadata": {"uid": service_.uid, "resourceVersion": service_.resource_version}}


def test_answer_is_recalled_once_when_the_watch_brings_its_very_version() -> None:
    delta = Delta()
    delta.observe(name("a"), shown("a", 1))
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)
    [write] = due(delta)
    done = shown(
        "a", 5, ingress=["192.0.2.1"], annotations={"metallb.io/ip-allocated-from-pool": "p"}
    )
    delta.written(write, done)

    assert delta.echo(name("a"), answer(done)) is done
    assert delta.echo(name("a"), answer(done)) is None


def test_another_version_or_object_is_no_echo() -> None:
    for other in (shown("a", 6), shown("a", 5, uid="another")):
        delta = Delta()
        delta.observe(name("a"), shown("a", 1))
        delta.want(name("a"), given("192.0.2.1"), (), fresh=True)
        [write] = due(delta)
        delta.written(write, shown("a", 5, ingress=["192.0.2.1"]))

        assert delta.echo(name("a"), answer(other)) is None


def test_what_the_watch_told_first_is_the_answer() -> None:
    delta = Delta()
    delta.observe(name("a"), shown("a", 1))
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)
    [write] = due(delta)
    done = shown(
        "a", 5, ingress=["192.0.2.1"], annotations={"metallb.io/ip-allocated-from-pool": "p"}
    )
    delta.observe(name("a"), done)
    assert due(delta) == []

    assert delta.known(name("a"), answer(done)) is done
    delta.written(write, done)

    assert due(delta) == []
    assert delta.idle
    assert delta.echo(name("a"), answer(done)) is None


def test_watch_faster_than_the_answer_is_parsed_for_both() -> None:
    delta = Delta()
    delta.observe(name("a"), shown("a", 1, uid="u"))
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)
    [write] = due(delta)
    meta = {"name": "a", "namespace": "default", "uid": "u", "resourceVersion": "5"}
    told = {"metadata": meta, "spec": {"type": "LoadBalancer"}}

    heard = delta.echo(name("a"), told)

    assert heard is not None
    assert heard.resource_version == "5"
    assert delta.known(name("a"), told) is heard
    delta.written(write, heard)
    assert [each.body["metadata"]["resourceVersion"] for each in due(delta)] == ["5"]


def test_watch_of_what_is_not_written_or_cannot_be_read_is_no_echo() -> None:
    delta = Delta()
    delta.observe(name("a"), shown("a", 1))
    delta.observe(name("b"), shown("b", 1))
    delta.want(name("b"), given("192.0.2.1"), (), fresh=True)
    due(delta)

    assert delta.echo(name("a"), {"metadata": {"name": "a"}}) is None
    assert delta.echo(name("b"), {"metadata": {"name": "b"}, "spec": {"ports": 1}}) is None


REFUSED = Pending(Reason.STATUS_REFUSED, "Service a", "status", "invalid", "another address")


def rejected() -> tuple[Delta, Write]:
    """A delta whose one write was called invalid, and what it would write then."""
    delta = Delta()
    delta.observe(name("a"), shown("a"))
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)
    [write] = due(delta)
    assert delta.rejected(write, REFUSED, 0.0)
    [excuse] = due(delta)
    return delta, excuse


def test_service_says_why_the_api_server_does_not_take_its_status() -> None:
    delta, excuse = rejected()

    [condition] = excuse.body["status"]["conditions"]
    assert condition["reason"] == "StatusRefused"
    assert "loadBalancer" not in excuse.body["status"]

    said = Condition(CONDITION, "False", "StatusRefused", str(REFUSED))
    delta.written(excuse, shown("a", 2, conditions=(said,)))
    assert due(delta, RETRY_AFTER_REJECTION_S - 1.0) == []
    [again] = due(delta, RETRY_AFTER_REJECTION_S)
    assert again.body["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"
    assert not delta.rejected(again, REFUSED, RETRY_AFTER_REJECTION_S)
    assert due(delta, RETRY_AFTER_REJECTION_S) == []


def test_new_decision_does_not_wait_for_the_retry_of_the_old_one() -> None:
    delta, excuse = rejected()
    delta.written(excuse, shown("a", 2))

    delta.want(name("a"), given("192.0.2.2"), (), fresh=True)

    [write] = due(delta)
    assert write.body["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.2"


def test_failure_of_an_older_decision_holds_nothing_back() -> None:
    delta = Delta()
    delta.observe(name("a"), shown("a"))
    delta.want(name("a"), given("192.0.2.1"), (), fresh=True)
    for end in ("failed", "rejected"):
        [write] = due(delta)
        delta.want(name("a"), given(f"192.0.2.{len(end)}"), (), fresh=True)
        if end == "failed":
            delta.failed(write, 0.0)
        else:
            assert not delta.rejected(write, REFUSED, 0.0)
        assert delta.next_deadline() is None

    [write] = due(delta)
    assert write.body["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.8"


def test_reason_that_is_refused_as_well_is_not_insisted_on() -> None:
    delta, excuse = rejected()

    assert not delta.rejected(excuse, REFUSED, 0.0)

    assert due(delta) == []
    assert delta.next_deadline() == RETRY_AFTER_REJECTION_S
