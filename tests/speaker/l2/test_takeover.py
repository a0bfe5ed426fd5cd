"""An address whose owner dies moves, within the budget, and only then."""

import math

import pytest

from speaker.seam.messages import OwnerReport, OwnerState
from tests.virtual_segment import VIP, VirtualSegment, intent, vips


def test_one_of_three_takes_a_new_address_and_keeps_it() -> None:
    segment = VirtualSegment(3)
    segment.start(wanted=[intent()])
    segment.run(2)
    owner = segment.owner()
    segment.run(15)
    assert segment.owner() == owner
    assert segment.moves(VIP, 0) == 1


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_address_of_a_dead_owner_moves_within_its_budget(count: int) -> None:
    segment = VirtualSegment(count)
    segment.start(wanted=[intent()])
    segment.run(5)
    segment.kill(segment.owner())
    took_s = segment.run_until(lambda: bool(segment.owners()), 0.8)
    assert took_s <= 0.4
    assert segment.last_cause(segment.owner()) == "neighbour-died"


def told_since(segment: VirtualSegment, name: str, count: int) -> list[tuple[OwnerState, str]]:
    """Return what the node has told but for its first `count` reports."""
    return [(each.state, each.cause) for each in segment.reports(name, OwnerReport)[count:]]


def test_who_may_not_take_it_reports_how_it_was_lost_and_then_what_keeps_it_from_it() -> None:
    segment = VirtualSegment(3)
    segment.start(wanted=[intent()])
    segment.run(5)
    dead = segment.owner()
    others = [name for name in segment.nodes if name != dead]
    for name in others:
        segment.call(name, "drain", math.inf)
    said = {name: len(segment.reports(name, OwnerReport)) for name in others}
    segment.kill(dead)
    segment.run(2)
    for name in others:
        assert told_since(segment, name, said[name]) == [
            (OwnerState.VACANT, "neighbour-died"),
            (OwnerState.VACANT, "drained"),
        ]


def test_an_address_that_its_owner_gave_up_is_reported_as_released_by_who_may_not_take_it() -> None:
    segment = VirtualSegment(2)
    segment.start(wanted=[intent()])
    segment.run(5)
    owner = segment.owner()
    (other,) = {"n1", "n2"} - {owner}
    segment.call(other, "set_intent", intent(fit=False))
    said = len(segment.reports(other, OwnerReport))
    segment.call(owner, "remove_intent", VIP)
    segment.run(1)
    assert told_since(segment, other, said) == [
        (OwnerState.VACANT, "released"),
        (OwnerState.VACANT, "refused"),
    ]


def test_addresses_are_spread_over_the_nodes() -> None:
    segment = VirtualSegment(3)
    wanted = vips(60)
    segment.start(wanted=[intent(each) for each in wanted])
    segment.run(3)
    shares = [len(node.answering) for node in segment.nodes.values()]
    assert sum(shares) == 60
    assert min(shares) >= 10
