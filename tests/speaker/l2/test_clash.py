"""Rules 3 and 6: partitions heal to one owner, the better claim; nothing moves without need."""

import pytest

from speaker.l2.actions import Announce
from tests.virtual_segment import VIP, VirtualSegment, intent


def settled(count: int = 3) -> VirtualSegment:
    segment = VirtualSegment(count)
    segment.start(wanted=[intent()])
    segment.run(2)
    return segment


def cut_off_owner(segment: VirtualSegment) -> tuple[str, set[str]]:
    owner = segment.owner()
    others = set(segment.nodes) - {owner}
    segment.partition([owner], others)
    return owner, others


def test_both_sides_of_a_partition_are_served() -> None:
    segment = settled()
    owner, _ = cut_off_owner(segment)
    segment.run(0.8)
    assert owner in segment.owners()
    assert len(segment.owners()) == 2


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_double_ends_soon_after_the_heal_and_nobody_is_left_out(count: int) -> None:
    segment = settled(count)
    cut_off_owner(segment)
    segment.run(20)
    assert len(segment.owners()) == 2
    begun = segment.now
    segment.heal()
    took_s = segment.run_until(lambda: len(segment.owners()) == 1, 0.3)
    segment.run(10)
    assert took_s <= 0.11
    assert segment.gaps(VIP, begun) == []
    assert segment.moves(VIP, begun) == 0


def test_the_winner_of_a_clash_announces_again() -> None:
    segment = settled()
    cut_off_owner(segment)
    segment.run(5)
    begun = segment.now
    segment.heal()
    segment.run(1)
    winner = segment.nodes[segment.owner()]
    assert any(isinstance(each, Announce) and at > begun for at, each in winner.actions)


@pytest.mark.parametrize("apart_s", [0.7, 2, 5])
@pytest.mark.parametrize("phase_s", [0, 0.03, 0.06, 0.09])
def test_between_two_the_winner_announces_again_though_it_heard_no_other_claim(
    apart_s: float, phase_s: float
) -> None:
    segment = settled(2)
    cut_off_owner(segment)
    segment.run(apart_s + phase_s)
    assert len(segment.owners()) == 2
    begun = segment.now
    segment.heal()
    segment.run(1)
    winner = segment.nodes[segment.owner()]
    assert any(isinstance(each, Announce) and at > begun for at, each in winner.actions)


def test_a_node_that_joins_makes_nobody_announce_again() -> None:
    # So many that its table takes several hellos to tell.
    wanted = [intent(VIP + 256 + number) for number in range(400)]
    segment = VirtualSegment(2)
    segment.start(wanted=wanted)
    segment.run(30)
    begun = segment.now
    segment.add("n3")
    segment.start("n3", wanted=wanted)
    segment.run(5)
    for node in segment.nodes.values():
        assert [
            each for at, each in node.actions if isinstance(each, Announce) and at > begun
        ] == []


def test_between_two_the_one_that_held_it_before_the_partition_keeps_it() -> None:
    segment = settled(2)
    owner, _ = cut_off_owner(segment)
    segment.run(20)
    segment.heal()
    segment.run(1)
    assert segment.owner() == owner


def test_partition_after_partition_is_served_on_both_sides() -> None:
    segment = settled()
    for _ in range(4):
        cut_off_owner(segment)
        segment.run(1)
        assert len(segment.owners()) == 2
        segment.heal()
        segment.run(1)
        assert len(segment.owners()) == 1


@pytest.mark.parametrize("count", [2, 3])
def test_the_loser_takes_at_once_what_the_winner_gives_up(count: int) -> None:
    segment = settled(count)
    cut_off_owner(segment)
    segment.run(3)
    segment.heal()
    segment.run(1)
    begun, winner = segment.now, segment.owner()
    segment.call(winner, "set_intent", intent(fit=False))
    segment.run(3)
    assert segment.owners().isdisjoint({winner})
    assert segment.gaps(VIP, begun) == []


def test_the_loser_relieves_a_winner_that_drains() -> None:
    segment = settled(2)
    cut_off_owner(segment)
    segment.run(3)
    segment.heal()
    segment.run(1)
    begun, winner = segment.now, segment.owner()
    segment.call(winner, "drain", begun + 2)
    segment.run(3)
    assert segment.owners().isdisjoint({winner})
    assert segment.gaps(VIP, begun) == []


def test_a_returning_node_takes_nothing_back() -> None:
    segment = settled()
    owner = segment.owner()
    segment.kill(owner)
    segment.run(2)
    new = segment.owner()
    segment.add(owner)
    segment.start(owner, wanted=[intent()])
    begun = segment.now
    segment.run(20)
    assert segment.owner() == new
    assert segment.moves(VIP, begun) == 0


def test_a_node_that_hears_nobody_loses_its_address_to_those_who_hear_each_other() -> None:
    segment = settled()
    owner = segment.owner()
    segment.cut = {(each, owner) for each in segment.nodes if each != owner}
    segment.run(8)
    assert len(segment.owners() - {owner}) == 1


def test_a_third_node_tells_two_owners_that_do_not_hear_each_other() -> None:
    segment = settled()
    owner, others = cut_off_owner(segment)
    segment.run(2)
    (other,) = segment.owners() - {owner}
    (third,) = others - {other}
    segment.cut = {(owner, other), (other, owner)}
    segment.run_until(lambda: len(segment.owners()) == 1, 1)
    assert third not in segment.owners()
    segment.run(10)
    assert len(segment.owners()) == 1


@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_loss_moves_nothing(loss: float) -> None:
    segment = VirtualSegment(3, loss=loss, seed=7)
    segment.start(wanted=[intent()])
    segment.run(5)
    begun = segment.now
    segment.run(60)
    assert segment.gaps(VIP, begun) == []
    assert segment.moves(VIP, begun) <= (0 if loss < 0.1 else 1)


def test_an_owner_that_dies_under_loss_is_replaced() -> None:
    segment = VirtualSegment(3, loss=0.1, seed=3)
    segment.start(wanted=[intent()])
    segment.run(30)
    segment.kill(segment.owner())
    segment.run(1.5)
    assert len(segment.owners()) == 1
