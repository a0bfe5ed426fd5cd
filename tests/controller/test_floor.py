"""What a new leader sees: the list it made, corrected by nothing older."""

from typing import Any

from controller.floor import PATIENCE_S, Floor
from kube.objects import ObjectName, Service
from tests.builders import name, service


def at(version: int, text: str = "a", **changes: Any) -> Service:
    return service(text, resource_version=str(version), **changes)


def by_name(*services: Service) -> dict[ObjectName, Service]:
    return {each.name: each for each in services}


def test_older_watch_is_overruled_until_it_has_caught_up() -> None:
    floor = Floor([at(5)], "9", by_name(at(3)))
    assert floor.raise_to(by_name(at(3))) == by_name(at(5))

    newer = by_name(at(7))
    assert floor.raise_to(newer) is newer
    assert floor.until is None


def test_service_that_the_watch_has_not_seen_is_there() -> None:
    floor = Floor([at(5)], "9", {})

    assert floor.raise_to({}) == by_name(at(5))


def test_service_that_the_list_lacks_is_gone_though_the_watch_still_shows_it() -> None:
    """Its address may be another's by now: as the older one it would take it back."""
    floor = Floor([at(5, "new")], "9", by_name(at(3, "old")))

    assert floor.raise_to(by_name(at(3, "old"))) == by_name(at(5, "new"))


def test_service_created_after_the_list_is_there() -> None:
    floor = Floor([], "9", by_name(at(10)))

    assert floor.raise_to(by_name(at(10))) == by_name(at(10))


def test_service_made_anew_under_the_name_of_one_that_is_gone_is_there() -> None:
    floor = Floor([], "9", by_name(at(3)))
    assert floor.raise_to(by_name(at(3))) == {}

    assert floor.raise_to(by_name(at(12))) == by_name(at(12))


def test_listed_service_that_the_watch_never_shows_is_forgotten_in_the_end() -> None:
    floor = Floor([at(5)], "9", {}, now=100.0)

    assert floor.expired(100.0 + PATIENCE_S - 1) == frozenset()
    assert floor.expired(100.0 + PATIENCE_S) == {name("a")}
    assert floor.raise_to({}) == {}


def test_service_that_the_watch_shows_otherwise_than_the_list_is_told_once() -> None:
    floor = Floor([at(5, labels={"a": "b"}), at(5, "same")], "9", by_name(at(3), at(3, "same")))
    floor.raise_to(by_name(at(3), at(3, "same")))
    assert floor.overtaken() == frozenset()

    floor.raise_to(by_name(at(7), at(7, "same")))

    assert floor.overtaken() == {name("a")}
    assert floor.overtaken() == frozenset()
