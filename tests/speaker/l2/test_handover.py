"""Rule 5: whoever leaves is relieved before it stops; without a successor it goes on."""

import math

from speaker.l2.actions import Announce
from tests.virtual_segment import VIP, VirtualSegment, intent, vips


def settled(count: int = 3) -> VirtualSegment:
    segment = VirtualSegment(count)
    segment.start(wanted=[intent()])
    segment.run(2)
    return segment


def test_a_drain_leaves_no_gap_and_ends_the_double_in_a_few_ms() -> None:
    segment = settled()
    old, begun = segment.owner(), segment.now
    segment.call(old, "drain", begun + 10)
    segment.run(2)
    assert segment.owner() != old
    assert segment.gaps(VIP, begun) == []
    assert sum(segment.doubles(VIP, begun)) < 0.01
    assert segment.moves(VIP, begun) == 1
    assert segment.nodes[old].core.drained
    assert segment.last_cause(segment.owner()) == "handed-over"


def test_the_successor_announces_on_the_release_not_before() -> None:
    segment = settled()
    old, begun = segment.owner(), segment.now
    segment.call(old, "drain", begun + 10)
    segment.run(1)
    successor = segment.nodes[segment.owner()]
    announced = [at for at, each in successor.actions if isinstance(each, Announce) and at > begun]
    stopped = [at for at, who in segment.answers[VIP] if at > begun and old not in who]
    assert announced[0] >= stopped[0]
    assert announced[0] - begun < 0.05


def test_a_successor_that_hears_no_release_announces_after_50_ms() -> None:
    segment = settled()
    old, begun = segment.owner(), segment.now
    segment.call(old, "drain", begun + 10)
    segment.run_until(lambda: len(segment.owners()) == 2, 0.1)
    (new,) = segment.owners() - {old}
    segment.cut = {(old, new)}
    segment.run(0.2)
    announced = [
        at for at, each in segment.nodes[new].actions if isinstance(each, Announce) and at > begun
    ]
    assert 0.05 <= announced[0] - begun <= 0.06


def test_a_draining_node_without_a_successor_answers_until_the_last_second() -> None:
    segment = settled(1)
    begun = segment.now
    segment.call("n1", "drain", begun + 10)
    segment.run(9.9)
    assert segment.owners() == {"n1"}
    segment.run(0.2)
    assert segment.owners() == set()
    assert segment.last_cause("n1") == "drained"


def test_a_drain_that_is_called_off_moves_nothing_back() -> None:
    segment = settled()
    old = segment.owner()
    segment.call(old, "drain", math.inf)
    segment.run(1)
    new = segment.owner()
    segment.call(old, "drain", None)
    segment.run(10)
    assert segment.owner() == new != old


def test_a_holder_that_becomes_unfit_is_relieved_within_30_ms() -> None:
    segment = settled()
    old, begun = segment.owner(), segment.now
    segment.call(old, "set_intent", intent(fit=False))
    segment.run_until(lambda: segment.owners() not in ({old}, set()), 0.03)
    segment.run(1)
    assert segment.gaps(VIP, begun) == []
    assert segment.moves(VIP, begun) == 1


def test_an_unfit_holder_waits_for_a_neighbour_that_becomes_fit_a_little_later() -> None:
    segment = VirtualSegment(3)
    segment.start(wanted=[intent(fit=False)])
    segment.call("n1", "set_intent", intent())
    segment.run(3)
    begun = segment.now
    segment.call("n1", "set_intent", intent(fit=False))
    segment.run(0.2)
    assert segment.owners() == {"n1"}
    segment.call("n2", "set_intent", intent())
    segment.run(0.1)
    assert segment.owners() == {"n2"}
    assert segment.gaps(VIP, begun) == []


def test_where_nobody_is_fit_nobody_answers() -> None:
    segment = settled()
    for name in segment.nodes:
        segment.call(name, "set_intent", intent(fit=False))
    segment.run(1.2)
    assert segment.owners() == set()
    assert {segment.last_cause(each) for each in segment.nodes} == {"refused"}


def test_a_last_resort_keeps_until_another_is_fit() -> None:
    segment = settled()
    old, begun = segment.owner(), segment.now
    for name in segment.nodes:
        segment.call(name, "set_intent", intent(fit=False, last_resort=name == old))
    segment.run(5)
    assert segment.owner() == old
    other = next(each for each in segment.nodes if each != old)
    segment.call(other, "set_intent", intent())
    segment.run(1)
    assert segment.owner() == other
    assert segment.gaps(VIP, begun) == []


def test_between_last_resorts_nothing_moves() -> None:
    segment = settled()
    begun, owner = segment.now, segment.owner()
    for name in segment.nodes:
        segment.call(name, "set_intent", intent(fit=False, last_resort=True))
    segment.run(10)
    assert segment.owner() == owner
    assert segment.moves(VIP, begun) == 0


def test_a_removed_address_is_silent_at_once() -> None:
    segment = settled()
    for name in segment.nodes:
        segment.call(name, "remove_intent", VIP)
    assert segment.owners() == set()
    segment.run(1)
    assert segment.owners() == set()


def test_a_drain_of_many_addresses_leaves_none_without_an_answer() -> None:
    segment = VirtualSegment(3)
    wanted = vips(300)
    segment.start(wanted=[intent(each) for each in wanted])
    segment.run(5)
    begun = segment.now
    segment.call("n1", "drain", begun + 30)
    took_s = segment.run_until(lambda: segment.nodes["n1"].core.drained, 2)
    assert took_s < 0.5
    for address in wanted:
        assert segment.gaps(address, begun) == []
        assert sum(segment.doubles(address, begun)) < 0.1


def test_a_drain_that_never_ends_does_not_keep_an_unfit_holder_answering() -> None:
    segment = VirtualSegment(1)
    segment.start(wanted=[intent()])
    segment.run(1)
    segment.call("n1", "drain", math.inf)
    segment.run(1)
    segment.call("n1", "set_intent", intent(fit=False))
    segment.run(1.1)
    assert segment.owners() == set()
