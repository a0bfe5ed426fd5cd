"""Freshness: silence alone is no age; only a failed read is."""

from kube.freshness import PROBE_INTERVAL_S, SILENCE_S, Freshness


def test_quiet_server_is_fresh_and_read_after_twenty_seconds() -> None:
    fresh = Freshness(2, 0.0)
    fresh.heard(0, 15.0)
    assert fresh.next_probe() == SILENCE_S
    assert fresh.age_s(19.0) == 0.0
    fresh.read(20.0)
    assert fresh.age_s(39.0) == 0.0
    assert fresh.next_probe() == 40.0


def test_failed_read_ages_from_the_last_byte() -> None:
    fresh = Freshness(2, 0.0)
    fresh.heard(0, 18.0)
    fresh.heard(1, 17.0)
    fresh.failed(22.0)
    assert fresh.age_s(30.0) == 13.0
    assert fresh.next_probe() == 22.0 + PROBE_INTERVAL_S


def test_answer_ends_the_age_and_tells_of_the_recovery() -> None:
    fresh = Freshness(1, 0.0)
    fresh.failed(22.0)
    assert fresh.silent(0)
    assert fresh.read(30.0)
    assert fresh.age_s(31.0) == 0.0
    assert not fresh.read(50.0)


def test_byte_on_every_watch_ends_the_age_one_alone_does_not() -> None:
    fresh = Freshness(2, 0.0)
    fresh.failed(22.0)
    fresh.heard(0, 23.0)
    assert fresh.age_s(24.0) == 24.0
    fresh.heard(1, 24.0)
    assert fresh.age_s(25.0) == 0.0


def test_suspicion_hastens_the_read_but_ages_nothing() -> None:
    fresh = Freshness(1, 0.0)
    fresh.read(10.0)
    fresh.suspect()
    assert fresh.next_probe() == 12.0
    assert fresh.age_s(11.0) == 0.0
