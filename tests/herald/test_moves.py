"""Moves as two or three brains saw them, told once."""

from typing import Any

from herald.moves import moves
from herald.words import words
from speaker.brain.contacts import Contacts
from speaker.brain.moves import Moves
from speaker.seam.messages import NeighbourReport, OwnerState
from tests.herald.pages import owner, page
from tests.speaker.policy.clusters import VIP, basics


def history(node_name: str, *steps: tuple[str, str, float, str]) -> Moves:
    made = Moves(node_name)
    states = {"": OwnerState.VACANT, node_name: OwnerState.OWNED}
    for to, cause, at, why in steps:
        report = owner(states.get(to, OwnerState.OTHER).value, to, cause)
        made.take(report, greeting=False, now=at, why=why)
    return made


def test_a_move_seen_by_two_nodes_is_told_once_with_both_reasons() -> None:
    # The two nodes count on different clocks: node2's began 900 s later.
    first = history(
        "node1", ("node1", "took-vacant", 10, ""), ("node2", "handed-over", 50, "label")
    )
    second = history(
        "node2", ("node1", "neighbour-claims", -890, ""), ("node2", "handed-over", -850, "")
    )
    found = moves(
        {
            "node1": page("node1", basics(), moves=first, now=60.0),
            "node2": page("node2", basics(), moves=second, now=-840.0),
        },
        VIP,
    )

    assert [(m.before, m.after, round(m.ago_s)) for m in found] == [
        ("", "node1", 50),
        ("node1", "node2", 10),
    ]
    assert found[0].cause == words("took-vacant")
    assert found[1].cause == words("handed-over")
    assert found[1].other == "label"


def test_moves_of_a_dead_node_are_told_by_the_others() -> None:
    only = history(
        "node2", ("node1", "neighbour-claims", 10, ""), ("node2", "neighbour-died", 50, "")
    )
    found = moves({"node1": None, "node2": page("node2", basics(), moves=only)}, VIP)

    assert found[-1].cause == words("neighbour-died")


def seen(name: str, *steps: tuple[str, str, float, str], now: float = 60.0) -> dict[str, Any]:
    """The page of a node that saw the address go to these nodes, empty for nobody."""
    return page(name, basics(), moves=history(name, *steps), now=now)


def test_a_move_over_a_moment_without_an_owner_is_one_move() -> None:
    found = moves(
        {
            "node1": seen("node1", ("node1", "took-vacant", 10, ""), ("", "link-down", 50.0, "")),
            "node2": seen(
                "node2",
                ("node1", "neighbour-claims", 10, ""),
                ("", "neighbour-died", 50.1, ""),
                ("node2", "neighbour-died", 50.2, ""),
            ),
            "node3": seen(
                "node3",
                ("node1", "neighbour-claims", 10, ""),
                ("node2", "neighbour-claims", 50.2, ""),
            ),
        },
        VIP,
    )

    assert [(m.before, m.after) for m in found] == [("", "node1"), ("node1", "node2")]
    assert found[1].cause == words("neighbour-died")
    assert found[1].other == words("link-down")
    assert round(found[1].ago_s, 1) == 9.8


def test_who_saw_only_the_second_half_tells_of_the_same_move() -> None:
    found = moves(
        {
            "node2": seen("node2", ("", "starting", 50, ""), ("node2", "took-vacant", 50.2, "")),
            "node3": seen("node3", ("node1", "x", 1, ""), ("node2", "neighbour-claims", 50.1, "")),
        },
        VIP,
    )

    assert [(m.before, m.after) for m in found] == [("", "node1"), ("node1", "node2")]


def test_an_address_that_nobody_has_for_long_moved_twice() -> None:
    steps = (("node1", "x", 1, ""), ("", "refused", 20, ""), ("node2", "took-vacant", 50, ""))
    found = moves({"node2": seen("node2", *steps)}, VIP)

    assert [(m.before, m.after) for m in found] == [
        ("", "node1"), ("node1", ""), ("", "node2"),
    ]  # fmt: skip


def test_an_address_that_comes_back_was_away() -> None:
    steps = (("node1", "took-vacant", 1, ""), ("", "link-down", 50, ""), ("node1", "x", 51, ""))
    found = moves({"node1": seen("node1", *steps)}, VIP)

    assert [(m.before, m.after) for m in found] == [
        ("", "node1"), ("node1", ""), ("", "node1"),
    ]  # fmt: skip


def test_an_address_that_goes_to_and_fro_moved_each_time() -> None:
    steps = (("node1", "a", 50, ""), ("node2", "b", 50.5, ""), ("node1", "c", 51, ""),
             ("node2", "d", 51.5, ""))  # fmt: skip
    found = moves({"node1": seen("node1", *steps), "node2": seen("node2", *steps)}, VIP)

    assert [m.after for m in found] == ["node1", "node2", "node1", "node2"]
    assert [m.cause for m in found[1:]] == ["b", "c", "d"]


def contact(*, alive: bool, draining: bool) -> NeighbourReport:
    return NeighbourReport("node1", "lan0", alive, True, 100, draining, False)


def test_how_long_the_taking_took_is_told_by_the_taker() -> None:
    for draining, words_ in ((False, "node2 found node1 silent"), (True, "node1 told node2")):
        contacts = Contacts()
        contacts.take(contact(alive=True, draining=False), 1.0)
        contacts.take(contact(alive=draining, draining=draining), 50.0)
        made = history("node2", ("node1", "x", 1, ""), ("node2", "neighbour-died", 50.083, ""))
        shown = page("node2", basics(), moves=made, contacts=contacts, now=60.0)
        found = moves({"node1": None, "node2": shown}, VIP)[-1]

        assert found.taking_ms == 83.0
        assert words_ in found.noticed


def test_a_neighbour_that_was_well_explains_no_move() -> None:
    contacts = Contacts()
    contacts.take(contact(alive=False, draining=False), 1.0)
    contacts.take(contact(alive=True, draining=False), 20.0)
    made = history("node2", ("node1", "x", 20.5, ""), ("node2", "clash-lost", 21.0, ""))
    shown = page("node2", basics(), moves=made, contacts=contacts, now=60.0)

    assert moves({"node2": shown}, VIP)[-1].taking_ms is None
