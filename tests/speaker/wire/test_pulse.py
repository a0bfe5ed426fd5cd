from speaker.wire.pulse import Pulse


def test_a_loop_that_turns_in_time_is_alive() -> None:
    pulse = Pulse(limit_s=0.3, last=10.0)

    assert not any(pulse.beat(10.0 + 0.25 * i) for i in range(10))
    assert pulse.stalls == 0


def test_a_loop_that_stood_still_is_noticed_once() -> None:
    pulse = Pulse(limit_s=0.3, last=10.0)

    assert pulse.beat(10.31)
    assert not pulse.beat(10.32)
    assert pulse.stalls == 1
