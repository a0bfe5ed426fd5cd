"""Rule 9: a node that expects others and hears none."""

from speaker.l2.segment import AlonePolicy, SeekLife
from speaker.seam.messages import OwnerReport
from tests.virtual_segment import VIP, VirtualSegment, intent, vips


def settled(
    count: int = 2, *, alone: AlonePolicy = AlonePolicy.KEEP, quiet: bool = False
) -> VirtualSegment:
    segment = VirtualSegment(count, alone=alone, quiet=quiet)
    segment.start(wanted=[intent()])
    segment.run(2)
    return segment


def cut_off(segment: VirtualSegment, name: str) -> None:
    segment.partition([name], set(segment.nodes) - {name})


def test_the_survivor_of_two_takes_over_like_others_and_says_provisional() -> None:
    segment = settled()
    segment.kill(segment.owner())
    assert segment.run_until(lambda: bool(segment.owners()), 0.8) <= 0.4
    assert segment.reports(segment.owner(), OwnerReport)[-1].provisional


def test_it_takes_nothing_without_a_sign_of_life() -> None:
    segment = settled(quiet=True)
    old = segment.owner()
    segment.kill(old)
    segment.run(10)
    assert segment.owners() == set()
    (survivor,) = set(segment.nodes) - {old}
    assert segment.last_cause(survivor) == "waiting-for-life"
    segment.call(survivor, "receive_life")
    segment.run(0.2)
    assert segment.owners() == {survivor}


def test_it_asks_for_a_sign_of_life_again_and_again_but_not_for_each_address() -> None:
    segment = VirtualSegment(2, quiet=True)
    segment.start(wanted=[intent(each) for each in vips(40)])
    segment.run(5)
    segment.kill("n1")
    begun = segment.now
    segment.run(4)
    sought = [at for at, each in segment.nodes["n2"].actions if isinstance(each, SeekLife)]
    assert 15 <= len([at for at in sought if at > begun]) <= 20


def test_a_holder_keeps_its_address_but_sends_no_refresh() -> None:
    segment = settled(3)
    owner = segment.owner()
    core = segment.nodes[owner].core
    assert core.refresh_allowed
    cut_off(segment, owner)
    segment.run(10)
    assert owner in segment.owners()
    assert not core.refresh_allowed


def test_a_single_node_that_expects_nobody_may_refresh() -> None:
    segment = settled(1)
    assert segment.nodes["n1"].core.refresh_allowed


def test_policy_yield_gives_everything_up_and_takes_nothing() -> None:
    segment = settled(3, alone=AlonePolicy.YIELD)
    owner = segment.owner()
    cut_off(segment, owner)
    segment.run(4)
    assert owner not in segment.owners()
    assert len(segment.owners()) == 1
    assert segment.last_cause(owner) == "yielded"


def test_a_claim_is_no_longer_provisional_once_a_neighbour_is_back() -> None:
    segment = settled()
    owner = segment.owner()
    segment.kill(owner)
    segment.run(2)
    segment.add(owner)
    segment.start(owner, wanted=[intent()])
    segment.run(5)
    assert segment.owner() != owner
    assert not segment.reports(segment.owner(), OwnerReport)[-1].provisional
    assert segment.moves(VIP, segment.now - 5) == 0
