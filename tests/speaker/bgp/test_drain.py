"""The stance over time."""

from speaker.bgp.drain import BRAIN_GONE_S, Drain, Stance


def test_a_drain_de_prefers_then_withdraws() -> None:
    drain = Drain(wait_s=2.0)
    assert drain.stance(10.0) is Stance.WELCOME
    drain.begin(10.0)
    assert drain.stance(11.999) is Stance.DE_PREFER
    assert drain.next_change(11.0) == 12.0
    assert drain.stance(12.0) is Stance.WITHDRAW
    assert drain.next_change(12.0) is None


def test_asking_again_does_not_start_again() -> None:
    drain = Drain(wait_s=2.0)
    drain.begin(10.0)
    drain.begin(11.9, leaving=True)
    assert drain.stance(12.0) is Stance.WITHDRAW


def test_without_a_wait_it_withdraws_at_once() -> None:
    drain = Drain(wait_s=0.0)
    drain.begin(10.0)
    assert drain.stance(10.0) is Stance.WITHDRAW


def test_a_drain_can_be_called_off_but_leaving_cannot() -> None:
    drain = Drain(wait_s=2.0)
    drain.begin(10.0)
    drain.cancel()
    assert drain.stance(20.0) is Stance.WELCOME
    drain.begin(20.0, leaving=True)
    drain.cancel()
    assert drain.stance(23.0) is Stance.WITHDRAW


def test_a_brain_gone_for_a_minute_de_prefers_and_never_withdraws() -> None:
    drain = Drain(wait_s=2.0)
    drain.brain_heard(100.0)
    gone_at = 100.0 + BRAIN_GONE_S
    assert drain.next_change(100.0) == gone_at
    assert drain.stance(gone_at - 0.001) is Stance.WELCOME
    assert drain.stance(gone_at) is Stance.DE_PREFER
    assert drain.stance(gone_at + 1e6) is Stance.DE_PREFER
    drain.brain_heard(gone_at + 5)
    assert drain.stance(gone_at + 6) is Stance.WELCOME


def test_a_brain_that_never_spoke_is_not_gone() -> None:
    assert Drain(wait_s=2.0).stance(1e6) is Stance.WELCOME
