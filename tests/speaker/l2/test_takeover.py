"""An address whose owner dies moves, within the budget, and only then."""

import pytest

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


def test_addresses_are_spread_over_the_nodes() -> None:
    segment = VirtualSegment(3)
    wanted = vips(60)
    segment.start(wanted=[intent(each) for each in wanted])
    segment.run(3)
    shares = [len(node.answering) for node in segment.nodes.values()]
    assert sum(shares) == 60
    assert min(shares) >= 10
