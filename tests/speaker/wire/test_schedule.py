from speaker.wire.segment.schedule import REST_S, SHARE, SMALL, FilterSchedule


def test_a_few_addresses_have_an_exact_filter_at_once() -> None:
    schedule = FilterSchedule()
    schedule.changed(SMALL)

    assert (schedule.at, schedule.exact) == (0.0, True)
    schedule.made(5.0, 5.001)
    assert schedule.at is None


def test_many_have_a_coarse_one_first_and_the_exact_one_when_they_rest() -> None:
    schedule = FilterSchedule()
    schedule.changed(SMALL + 1)
    assert not schedule.exact

    schedule.made(5.0, 5.001)

    assert (schedule.at, schedule.exact) == (5.001 + REST_S, True)
    schedule.made(5.3, 5.34)
    assert schedule.at is None


def test_making_filters_takes_a_bounded_share_of_the_time() -> None:
    schedule, now, spent = FilterSchedule(), 100.0, 0.0
    for _ in range(1000):
        schedule.changed(5000)
        assert schedule.at is not None
        now = max(now, schedule.at)
        schedule.made(now, now + 0.004)
        now, spent = now + 0.004, spent + 0.004

    assert spent / (now - 100.0) <= SHARE * 1.01


def test_a_change_after_a_while_is_followed_at_once() -> None:
    schedule = FilterSchedule()
    schedule.changed(5000)
    schedule.made(1.0, 1.04)
    schedule.made(1.3, 1.34)
    schedule.changed(5001)

    assert schedule.at is not None
    assert schedule.at < 2.0
