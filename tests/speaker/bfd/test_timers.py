"""RFC 5880's arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speaker.bfd.timers import detection_time_s, jittered_s, transmit_interval_us


def test_the_slower_side_sets_the_transmit_interval() -> None:
    assert transmit_interval_us(100_000, 300_000) == 300_000
    assert transmit_interval_us(300_000, 100_000) == 300_000


def test_detection_time_is_the_remote_multiplier_times_the_slower_interval() -> None:
    assert detection_time_s(5, 100_000, 300_000) == pytest.approx(1.5)
    assert detection_time_s(3, 400_000, 300_000) == pytest.approx(1.2)


@given(st.floats(0, 1), st.integers(2, 255))
def test_jitter_shortens_by_a_quarter_at_most(jitter: float, multiplier: int) -> None:
    assert 0.075 - 1e-9 <= jittered_s(100_000, multiplier, jitter) <= 0.1 + 1e-9


@given(st.floats(0, 1))
def test_with_a_multiplier_of_one_jitter_always_shortens(jitter: float) -> None:
    assert 0.075 - 1e-9 <= jittered_s(100_000, 1, jitter) <= 0.09 + 1e-9
