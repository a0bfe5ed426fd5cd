"""Rule 10: nodes whose knowledge of the API is old."""

import pytest

from tests.virtual_segment import VIP, VirtualSegment, intent


def run_with_ages(segment: VirtualSegment, for_s: int, stale: set[str]) -> None:
    """Let time pass in which only the nodes that are not stale hear from the API."""
    for _ in range(for_s):
        for name in segment.nodes:
            if name not in stale:
                segment.call(name, "set_freshness", 0.0)
        segment.run(1)


def settled() -> VirtualSegment:
    segment = VirtualSegment(3)
    segment.start(wanted=[intent()])
    run_with_ages(segment, 5, set())
    return segment


def test_a_stale_owner_hands_over_to_a_fresh_node_after_a_minute() -> None:
    segment = settled()
    owner, begun = segment.owner(), segment.now
    run_with_ages(segment, 58, {owner})
    assert segment.owner() == owner
    run_with_ages(segment, 5, {owner})
    assert segment.owner() != owner
    assert segment.gaps(VIP, begun) == []
    assert segment.moves(VIP, begun) == 1


def test_when_all_are_stale_nothing_moves() -> None:
    segment = settled()
    owner = segment.owner()
    begun = segment.now
    run_with_ages(segment, 75, set(segment.nodes))
    assert segment.owner() == owner
    assert segment.moves(VIP, begun) == 0


def test_an_owner_dies_while_all_are_stale_and_is_replaced() -> None:
    segment = settled()
    run_with_ages(segment, 70, set(segment.nodes))
    segment.kill(segment.owner())
    assert segment.run_until(lambda: bool(segment.owners()), 0.8) <= 0.4


@pytest.mark.parametrize(("age_s", "moved"), [(10, False), (30, True)])
def test_a_claim_for_services_known_to_be_gone_is_void_when_its_owner_lags(
    age_s: int, moved: bool
) -> None:
    segment = settled()
    owner = segment.owner()
    run_with_ages(segment, age_s, {owner})
    for name in set(segment.nodes) - {owner}:
        segment.call(name, "set_intent", intent(service_uids=("another",)))
    run_with_ages(segment, 2, {owner})
    assert (segment.owner() != owner) is moved
