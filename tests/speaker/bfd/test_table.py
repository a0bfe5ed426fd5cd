"""Two tables on a virtual wire: coming up, failing, leaving, and what others may not do."""

import random
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.bfd.packet import DropReason, State, encode_packet
from speaker.bfd.table import MAX_SESSIONS, Arrival, IntentFault, SessionTable
from speaker.seam.messages import BfdIntent, BfdState
from tests.speaker.bfd.test_session import REMOTE
from tests.speaker.bfd.wire import LEFT, RIGHT, Wire, intent

STRANGER = ip_address("192.0.2.66")


def wire_up(jitter: float = 0.0) -> Wire:
    """Two ends that are Up, their Polls answered."""
    wire = Wire(jitter=lambda: jitter)
    wire.want()
    wire.run_until(wire.both_up)
    wire.run(3.0)
    return wire


def test_two_ends_come_up() -> None:
    wire = Wire()
    wire.want()

    assert wire.run_until(wire.both_up) <= 3.0
    assert wire.right.states == [BfdState.DOWN, BfdState.INIT, BfdState.UP]


def test_intervals_become_fast_once_both_polls_are_answered() -> None:
    wire = wire_up()
    assert wire.left.session.detection_time_s == pytest.approx(0.3)
    before = len(wire.left.sent)
    wire.run(10.0)

    assert len(wire.left.sent) - before == 100


@given(st.floats(0, 2), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_cut_is_detected_within_detection_time(when: float, jitter: float) -> None:
    wire = wire_up(jitter)
    wire.run(when)
    wire.cut = True
    cut_at = wire.now
    wire.run(0.4)

    for end in (wire.left, wire.right):
        at, report = end.reports[-1]
        assert report.state is BfdState.DOWN
        assert report.diagnostic == "control-detection-time-expired"
        assert 0.2 - 1e-6 <= at - cut_at <= 0.3 + 1e-6


def test_the_end_that_still_hears_is_told_by_the_deaf_one() -> None:
    wire = wire_up()
    wire.deaf = {LEFT}
    wire.run(0.4)

    assert wire.left.reports[-1][1].diagnostic == "control-detection-time-expired"
    assert wire.right.reports[-1][1].diagnostic == "neighbor-signaled-session-down"


def test_a_session_comes_back_after_a_cut() -> None:
    wire = wire_up()
    wire.cut = True
    wire.run(5.0)
    wire.cut = False
    wire.run_until(wire.both_up)

    assert wire.left.session.state is State.UP
    assert wire.left.reports[-1][1].diagnostic == ""


def test_losing_every_third_packet_is_no_failure() -> None:
    wire = wire_up()
    for turn in range(300):
        wire.cut = turn % 3 == 0
        wire.run(0.1)

    assert wire.both_up()


def test_new_intervals_are_taken_without_a_flap() -> None:
    wire = wire_up()
    wire.want(intent(RIGHT, transmit_ms=50, receive_ms=50), intent(LEFT))
    wire.run(5.0)
    assert wire.right.session.detection_time_s == pytest.approx(0.3)
    wire.want(intent(RIGHT, transmit_ms=1000, receive_ms=1000), intent(LEFT, transmit_ms=50))
    wire.run(10.0)

    assert wire.left.session.detection_time_s == pytest.approx(3.0)
    assert [s for s in wire.left.states if s is BfdState.DOWN] == [BfdState.DOWN], "its beginning"
    assert wire.both_up()


def test_a_restarted_end_is_noticed_and_joined_anew() -> None:
    wire = wire_up()
    wire.right.table = SessionTable(jitter=lambda: 0.0, random_32=lambda: 4711)
    wire.right.table.want(intent(LEFT), wire.now)
    wire.run(4.0)

    assert BfdState.DOWN in wire.left.states[1:]
    assert wire.both_up()


def test_a_removed_session_tells_the_neighbour_and_is_forgotten() -> None:
    wire = wire_up()
    wire.left.table.unwant(RIGHT, wire.now)
    wire.run(5.0)

    assert wire.right.reports[-1][1].state is BfdState.ADMIN_DOWN
    assert wire.left.reports[-1][1].diagnostic == "administratively-down"
    assert wire.left.table.session(RIGHT) is None
    wire.left.table.want(intent(RIGHT), wire.now)
    wire.run_until(wire.both_up)


def test_leaving_tells_all_neighbours_at_once() -> None:
    wire = wire_up()
    wire.left.table.disable_all(wire.now)
    wire.flush()

    assert wire.right.reports[-1][1].state is BfdState.ADMIN_DOWN
    assert wire.left.reports[-1][1].diagnostic == "administratively-down"


def test_a_passive_end_waits_for_the_other() -> None:
    wire = Wire()
    wire.want(intent(RIGHT, passive=True), intent(LEFT))
    wire.run_until(wire.both_up)

    assert wire.left.sent[0][0] >= wire.right.sent[0][0]


def test_two_passive_ends_never_speak() -> None:
    wire = Wire()
    wire.want(intent(RIGHT, passive=True), intent(LEFT, passive=True))
    wire.run(30.0)

    assert wire.left.sent == wire.right.sent == []


DOWN = replace(REMOTE, your_discriminator=0)


@pytest.mark.parametrize(
    ("packet", "arrival", "reason"),
    [
        pytest.param(DOWN, Arrival(STRANGER, 255), DropReason.UNKNOWN_PEER, id="stranger"),
        pytest.param(DOWN, Arrival(RIGHT, 254), DropReason.LOW_TTL, id="forwarded"),
        pytest.param(DOWN, Arrival(RIGHT, 255, True), DropReason.WRONG_PEER, id="other port"),
        pytest.param(
            replace(DOWN, state=State.UP),
            Arrival(RIGHT, 255),
            DropReason.NO_DISCRIMINATOR_IN_STATE,
            id="up without discriminator",
        ),
        pytest.param(
            replace(DOWN, your_discriminator=99),
            Arrival(RIGHT, 255),
            DropReason.UNKNOWN_DISCRIMINATOR,
            id="guessed discriminator",
        ),
        pytest.param(
            replace(DOWN, your_discriminator=1),
            Arrival(STRANGER, 255),
            DropReason.WRONG_PEER,
            id="right discriminator from a stranger",
        ),
    ],
)
def test_a_packet_of_nobody_is_dropped_and_counted(
    packet: object, arrival: Arrival, reason: DropReason
) -> None:
    wire = wire_up()
    before = wire.left.session.state
    payload = encode_packet(packet)  # type: ignore[arg-type]  # parametrize knows no types
    got = wire.left.table.receive_datagram(payload, arrival, wire.now)

    assert got is reason
    assert wire.left.table.drops[reason] == 1
    assert wire.left.session.state is before


@pytest.mark.parametrize(("ttl", "taken"), [(254, True), (250, True), (249, False)])
def test_a_multihop_session_asks_for_its_own_minimum_ttl(ttl: int, taken: bool) -> None:
    table = SessionTable(jitter=lambda: 0.0, random_32=lambda: 1)
    table.want(intent(RIGHT, multihop=True, minimum_ttl=250), 0.0)
    got = table.receive_datagram(encode_packet(DOWN), Arrival(RIGHT, ttl, multihop=True), 0.1)

    assert (got is None) is taken


def test_sessions_have_a_cap_and_discriminators_of_their_own() -> None:
    numbers = iter([0, 5, 5, *range(5, 1000)])
    table = SessionTable(jitter=lambda: 0.0, random_32=lambda: next(numbers))
    peers = [LEFT + i for i in range(MAX_SESSIONS)]
    assert all(table.want(intent(peer), 0.0) is None for peer in peers)

    assert table.want(intent(ip_address("198.51.100.1")), 0.0) is IntentFault.TOO_MANY
    found = {s.local_discriminator for p in peers if (s := table.session(p)) is not None}
    assert len(found) == MAX_SESSIONS
    assert 0 not in found


def test_a_local_address_of_another_family_is_refused() -> None:
    table = SessionTable(jitter=lambda: 0.0, random_32=lambda: 1)
    bad = BfdIntent(RIGHT, local=ip_address("fd00::1"))
    assert table.want(bad, 0.0) is IntentFault.FAMILIES_DIFFER


def test_another_local_address_is_another_session() -> None:
    wire = wire_up()
    before = wire.left.session.local_discriminator
    wire.left.table.want(intent(RIGHT, local=ip_address("192.0.2.9")), wire.now)

    assert wire.left.session.local_discriminator != before
    assert wire.left.session.state is State.DOWN


def test_random_bytes_disturb_nobody() -> None:
    wire = wire_up()
    dice = random.Random(4)
    for _ in range(2000):
        payload = dice.randbytes(dice.randrange(64))
        wire.left.table.receive_datagram(payload, Arrival(STRANGER, 255), wire.now)
    wire.run(1.0)

    assert wire.both_up()
    assert sum(wire.left.table.drops.values()) == 2000
