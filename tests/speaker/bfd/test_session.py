"""One session, packet by packet: the state table, Poll and Final, timers, demand, AdminDown."""

from dataclasses import replace

import pytest

from speaker.bfd.packet import ControlPacket, Diagnostic, DropReason, State
from speaker.bfd.session import Session, SessionConfig

REMOTE = ControlPacket(
    state=State.DOWN,
    detect_multiplier=3,
    my_discriminator=77,
    your_discriminator=1,
    desired_min_tx_us=1_000_000,
    required_min_rx_us=200_000,
)
FAST = SessionConfig(desired_min_tx_us=100_000, required_min_rx_us=150_000, detect_multiplier=3)


def session(config: SessionConfig = FAST, jitter: float = 0.0) -> Session:
    """A new session at time 0."""
    return Session(discriminator=1, config=config, jitter=lambda: jitter, now=0.0)


def hear(to: Session, now: float, **changes: object) -> list[ControlPacket]:
    """Give a packet of the neighbour's; return what is sent for it."""
    packet = replace(REMOTE, **changes)  # type: ignore[arg-type]  # the test gives the right types
    to.receive(packet, now)
    return to.packets_to_send(now)


def state_of(one: Session) -> State:
    """The state now."""
    return one.state


def up(config: SessionConfig = FAST) -> Session:
    """A session that is Up at time 1, its Poll answered."""
    one = session(config)
    hear(one, 1.0, state=State.INIT)
    hear(one, 1.0, state=State.UP, final=True, desired_min_tx_us=100_000)
    assert one.state is State.UP
    return one


STATE_TABLE = {
    # RFC 5880 6.2 and 6.8.6: (ours, received) → ours
    (State.DOWN, State.ADMIN_DOWN): State.DOWN,
    (State.DOWN, State.DOWN): State.INIT,
    (State.DOWN, State.INIT): State.UP,
    (State.DOWN, State.UP): State.DOWN,
    (State.INIT, State.ADMIN_DOWN): State.DOWN,
    (State.INIT, State.DOWN): State.INIT,
    (State.INIT, State.INIT): State.UP,
    (State.INIT, State.UP): State.UP,
    (State.UP, State.ADMIN_DOWN): State.DOWN,
    (State.UP, State.DOWN): State.DOWN,
    (State.UP, State.INIT): State.UP,
    (State.UP, State.UP): State.UP,
    (State.ADMIN_DOWN, State.DOWN): State.ADMIN_DOWN,
    (State.ADMIN_DOWN, State.UP): State.ADMIN_DOWN,
}


@pytest.mark.parametrize(("ours", "received"), STATE_TABLE, ids=lambda state: state.name.lower())
def test_the_state_table_of_rfc_5880_is_obeyed(ours: State, received: State) -> None:
    one = session()
    if ours is State.ADMIN_DOWN:
        one.disable(0.0)
    if ours in (State.INIT, State.UP):
        hear(one, 1.0, state=State.DOWN)
    if ours is State.UP:
        hear(one, 1.0, state=State.INIT)
    assert one.state is ours
    hear(one, 1.1, state=received)

    assert one.state is STATE_TABLE[ours, received]


def test_packets_are_a_second_apart_until_up() -> None:
    one = session()
    sent = []
    for _ in range(3):
        at = one.next_deadline()
        assert at is not None
        one.handle_deadline(at)
        sent += [(at, p) for p in one.packets_to_send(at)]

    assert [at for at, _ in sent] == pytest.approx([1.0, 2.0, 3.0])
    assert sent[0][1].desired_min_tx_us == 1_000_000
    assert sent[0][1].your_discriminator == 0


def test_a_change_of_state_is_sent_at_once() -> None:
    one = session()
    [packet] = hear(one, 0.3, state=State.DOWN)

    assert (packet.state, packet.your_discriminator) == (State.INIT, 77)
    assert one.packets_to_send(0.3) == []


def test_coming_up_asks_by_poll_for_the_fast_interval() -> None:
    one = session()
    [packet] = hear(one, 1.0, state=State.INIT)

    assert packet.poll
    assert packet.desired_min_tx_us == 100_000
    assert one.transmit_interval_us == 200_000, "the neighbour wants no more than that"


def test_every_packet_carries_poll_until_the_final_comes() -> None:
    one = session()
    hear(one, 1.0, state=State.INIT)
    one.handle_deadline(2.0)
    [packet] = one.packets_to_send(2.0)
    assert packet.poll
    hear(one, 2.1, state=State.UP, final=True)
    one.handle_deadline(3.0)

    assert not one.packets_to_send(3.0)[0].poll


def test_a_poll_is_answered_at_once_by_one_final() -> None:
    one = up()
    one.packets_to_send(1.0)
    for _ in range(50):
        one.receive(replace(REMOTE, state=State.UP, poll=True), 1.05)
    [packet] = one.packets_to_send(1.05)

    assert packet.final
    assert not packet.poll


def test_a_final_is_sent_though_the_neighbour_wants_no_packets() -> None:
    one = up()
    one.packets_to_send(1.0)
    [packet] = hear(one, 1.05, state=State.UP, poll=True, required_min_rx_us=0)

    assert packet.final
    one.handle_deadline(1.1)
    assert one.packets_to_send(1.1) == [], "RFC 5880 6.8.7: it wants no periodic packets"


def test_a_slower_interval_waits_for_the_final() -> None:
    one = up()
    hear(one, 1.0, state=State.UP, required_min_rx_us=10_000, desired_min_tx_us=100_000)
    one.configure(replace(FAST, desired_min_tx_us=500_000), 1.0)
    assert one.packets_to_send(1.0)[0].poll
    assert one.transmit_interval_us == 100_000
    hear(one, 1.1, state=State.UP, final=True, required_min_rx_us=10_000)

    assert one.transmit_interval_us == 500_000


def test_a_faster_receive_interval_waits_for_the_final() -> None:
    one = up()
    before = one.detection_time_s
    one.configure(replace(FAST, required_min_rx_us=50_000), 1.0)
    hear(one, 1.0, state=State.UP, desired_min_tx_us=50_000)
    assert one.detection_time_s == pytest.approx(before)
    hear(one, 1.1, state=State.UP, desired_min_tx_us=50_000, final=True)

    assert one.detection_time_s == pytest.approx(0.15)


def test_a_change_during_a_poll_is_polled_again() -> None:
    one = up()
    one.configure(replace(FAST, desired_min_tx_us=400_000), 1.0)
    one.packets_to_send(1.0)
    one.configure(replace(FAST, desired_min_tx_us=600_000), 1.01)
    one.packets_to_send(1.01)
    [packet] = hear(one, 1.02, state=State.UP, final=True)
    assert packet.poll, "the Final may be for the first change"
    assert one.transmit_interval_us == 200_000
    hear(one, 1.04, state=State.UP, final=True)

    assert one.transmit_interval_us == 600_000


def test_the_neighbours_slower_wish_is_followed_at_once() -> None:
    one = up()
    hear(one, 1.0, state=State.UP, required_min_rx_us=2_000_000)

    assert one.transmit_interval_us == 2_000_000


def test_silence_is_a_failure_after_exactly_the_detection_time() -> None:
    one = up()
    hear(one, 1.0, state=State.UP, desired_min_tx_us=100_000, detect_multiplier=4)
    assert one.detection_time_s == pytest.approx(0.6)
    one.handle_deadline(1.6 - 1e-6)
    assert state_of(one) is State.UP
    one.handle_deadline(1.6)

    assert state_of(one) is State.DOWN
    assert one.failure is Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
    [packet] = one.packets_to_send(1.6)
    assert packet.diagnostic == Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
    assert (packet.your_discriminator, packet.desired_min_tx_us) == (0, 1_000_000)


def test_the_failure_is_said_until_up_again() -> None:
    one = up()
    one.handle_deadline(10.0)
    hear(one, 10.1, state=State.DOWN)
    assert (one.state, one.failure) == (State.INIT, Diagnostic.CONTROL_DETECTION_TIME_EXPIRED)
    hear(one, 10.2, state=State.INIT)

    assert (one.state, one.failure, one.diagnostic) == (State.UP, 0, 0)


def test_the_neighbours_admin_down_is_no_failure() -> None:
    one = up()
    hear(one, 1.1, state=State.ADMIN_DOWN)

    assert one.state is State.DOWN
    assert one.failure is Diagnostic.NONE
    assert one.diagnostic is Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN


def test_the_neighbours_admin_down_forgives_an_earlier_failure() -> None:
    one = up()
    one.handle_deadline(10.0)
    hear(one, 10.1, state=State.ADMIN_DOWN)

    assert one.failure is Diagnostic.NONE


def test_a_disabled_session_says_so_and_hears_nothing() -> None:
    one = up()
    one.packets_to_send(1.0)
    one.disable(1.1)
    [packet] = one.packets_to_send(1.1)
    assert (packet.state, packet.diagnostic) == (State.ADMIN_DOWN, 7)
    assert one.receive(replace(REMOTE, state=State.DOWN), 1.2) is DropReason.ADMIN_DOWN
    one.enable(1.3)

    assert one.state is State.DOWN
    assert one.failure is Diagnostic.NONE


def test_a_passive_session_speaks_when_it_is_spoken_to() -> None:
    one = session(replace(FAST, passive=True))
    assert one.next_deadline() is None
    [packet] = hear(one, 5.0, state=State.DOWN)
    assert packet.state is State.INIT
    one.handle_deadline(20.0)

    assert one.packets_to_send(20.0) == [], "the neighbour is forgotten: silent again"


def test_a_neighbour_in_demand_mode_gets_no_periodic_packets() -> None:
    one = up()
    hear(one, 1.1, state=State.UP, demand=True)
    one.handle_deadline(1.3)

    assert one.packets_to_send(1.3) == []
    [packet] = hear(one, 1.31, state=State.UP, demand=True, poll=True)
    assert packet.final


def test_authentication_is_refused() -> None:
    one = session()
    assert one.receive(replace(REMOTE, authenticated=True), 1.0) is DropReason.AUTHENTICATED
    assert one.state is State.DOWN


def test_packets_are_spread_by_jitter() -> None:
    one = session(jitter=1.0)
    assert one.next_deadline() == pytest.approx(0.75)
