"""Rules 7 and 8: what a node may do that has just started, stood still or lost its carrier."""

import math

import pytest

from speaker.l2.actions import Link, SendHello
from speaker.seam.messages import ExpectedNode
from tests.virtual_segment import IDENTITY, VIP, VirtualSegment, intent, vips


def settled(count: int = 3) -> VirtualSegment:
    segment = VirtualSegment(count)
    segment.start(wanted=[intent()])
    segment.run(2)
    return segment


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_nodes_that_start_at_once_agree_without_a_clash(count: int) -> None:
    segment = VirtualSegment(count)
    wanted = vips(20)
    segment.start(wanted=[intent(each) for each in wanted])
    segment.run(4)
    for address in wanted:
        assert len(segment.owners(address)) == 1
        assert segment.doubles(address, 0) == []
        assert segment.moves(address, 0) == 1


def test_a_single_node_that_expects_nobody_answers_after_one_detection_time() -> None:
    segment = VirtualSegment(1)
    segment.start(wanted=[intent()])
    assert segment.run_until(lambda: bool(segment.owners()), 1) == pytest.approx(0.3, abs=0.01)


def test_a_node_that_hears_nobody_it_expects_waits_three_seconds() -> None:
    segment = VirtualSegment(2)
    segment.kill("n2")
    segment.start("n1", wanted=[intent()])
    assert segment.run_until(lambda: bool(segment.owners()), 4) == pytest.approx(3, abs=0.05)


def test_a_new_service_is_answered_within_a_few_ms() -> None:
    segment = VirtualSegment(3)
    segment.start()
    segment.run(5)
    for name in segment.nodes:
        segment.call(name, "set_intent", intent())
    assert segment.run_until(lambda: bool(segment.owners()), 1) < 0.01
    segment.run(1)
    assert len(segment.owners()) == 1


def test_the_node_that_hears_of_a_service_first_does_not_take_everything() -> None:
    segment = VirtualSegment(3)
    segment.start()
    segment.run(5)
    wanted = vips(30)
    for address in wanted:
        for name in segment.nodes:
            segment.call(name, "set_intent", intent(address))
            segment.run(0.003)
    segment.run(1)
    assert all(len(node.answering) >= 4 for node in segment.nodes.values())


def test_a_wire_that_restarts_alone_resumes_its_claims_after_one_detection_time() -> None:
    segment = settled(2)
    owner = segment.owner()
    for name in segment.nodes:
        segment.kill(name)
    segment.run(1)
    segment.add(owner, claims=[VIP])
    segment.start(owner, wanted=[intent()])
    assert segment.run_until(lambda: bool(segment.owners()), 1) == pytest.approx(0.3, abs=0.02)
    assert segment.last_cause(owner) == "resumed"


def test_a_wire_that_restarts_does_not_resume_what_another_took() -> None:
    segment = settled()
    owner = segment.owner()
    segment.kill(owner)
    segment.run(0.5)
    new = segment.owner()
    segment.add(owner, claims=[VIP])
    segment.start(owner, wanted=[intent()])
    segment.run(5)
    assert segment.owner() == new


def test_a_wire_that_restarts_before_its_death_was_noticed_leaves_one_owner() -> None:
    segment = settled()
    owner, begun = segment.owner(), segment.now
    segment.kill(owner)
    segment.run(0.1)
    segment.add(owner, claims=[VIP])
    segment.start(owner, wanted=[intent()])
    segment.run(2)
    assert len(segment.owners()) == 1
    assert sum(segment.gaps(VIP, begun)) <= 0.8
    assert segment.doubles(VIP, begun) == []


def test_a_process_that_stood_still_falls_silent_and_the_new_owner_keeps() -> None:
    segment = settled()
    old = segment.owner()
    segment.freeze(old)
    segment.run(2)
    assert len(segment.owners() - {old}) == 1
    segment.thaw(old, noticed=True)
    assert old not in segment.owners()
    segment.run(10)
    assert len(segment.owners()) == 1


def test_even_an_unnoticed_stall_ends_the_double_at_once() -> None:
    segment = settled()
    old = segment.owner()
    segment.freeze(old)
    segment.run(2)
    segment.thaw(old, noticed=False)
    segment.run(0.05)
    assert len(segment.owners()) == 1


def test_a_short_loss_of_carrier_moves_nothing() -> None:
    segment = settled()
    owner, begun = segment.owner(), segment.now
    node = segment.nodes[owner]
    segment.call(owner, "set_link", Link(up=False, mac=node.mac))
    assert segment.owners() == set()
    segment.run(0.1)
    segment.start(owner)
    assert segment.owners() == {owner}
    segment.run(5)
    assert segment.owners() == {owner}
    assert segment.doubles(VIP, begun) == []


def test_a_node_whose_cable_comes_back_leaves_the_address_where_it_went() -> None:
    segment = settled()
    owner = segment.owner()
    segment.partition([owner])
    segment.call(owner, "set_link", Link(up=False, mac=segment.nodes[owner].mac))
    segment.run(3)
    new = segment.owner()
    begun = segment.now
    segment.heal()
    segment.start(owner)
    segment.run(5)
    assert segment.owner() == new
    assert segment.doubles(VIP, begun) == []


def test_a_nic_that_the_same_process_opens_anew_is_heard_again() -> None:
    segment = settled()
    old = segment.owner()
    segment.run(5)
    segment.reopen(old)
    segment.start(old, wanted=[intent()])
    segment.run(5)
    begun, new = segment.now, segment.owner()
    assert new != old
    for name in set(segment.nodes) - {old}:
        segment.call(name, "drain", math.inf)
    segment.run(1)
    assert segment.owners() == {old}
    assert segment.gaps(VIP, begun) == []


def test_nothing_is_sent_before_identity_and_carrier() -> None:
    segment = VirtualSegment(1)
    node = segment.nodes["n1"]
    node.core.set_intent(intent(), 0.0)
    node.core.set_expected((ExpectedNode("n2", ()),), 0.0)
    segment.run(10)
    node.core.set_identity(IDENTITY, 10.0)
    segment.run(10)
    assert not [each for _, each in node.actions if isinstance(each, SendHello)]


def test_two_nics_on_one_segment_take_part_as_one() -> None:
    segment = VirtualSegment(3)
    twin = segment.add_nic("n1", "lan1")
    segment.start(wanted=[intent()])
    segment.run(5)
    nics = {"n1", twin}
    hellos = [name for at, name, _ in segment.hellos if at > 4]
    assert nics & set(hellos) == nics
    assert len(segment.owners()) == 1
    segment.kill("n2")
    segment.kill("n3")
    segment.run(2)
    assert len(segment.owners()) == 1
