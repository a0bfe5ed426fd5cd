"""Durations in Go's text."""

import pytest

from kube.durations import DurationError, parse_duration_ns


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("90s", 90_000_000_000),
        ("1m30s", 90_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("0", 0),
        ("0s", 0),
        ("-3s", -3_000_000_000),
        ("+3s", 3_000_000_000),
        ("300ms", 300_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1h1m1s1ms1us1ns", 3_661_001_001_001),
    ],
)
def test_duration_is_read_as_go_does(text: str, nanoseconds: int) -> None:
    assert parse_duration_ns(text) == nanoseconds


@pytest.mark.parametrize(
    "text", ["", "-", "3", "s", ".s", "3 s", "3sec", "3s4", "1d", "--3s", "9" * 30 + "h", "１s"]
)
def test_text_that_go_refuses_is_refused(text: str) -> None:
    with pytest.raises(DurationError, match="invalid duration"):
        parse_duration_ns(text)
