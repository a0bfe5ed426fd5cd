"""Durations in Go's text, as the Kubernetes API writes them: `90s`, `1m30s`, `1.5h`, `0`."""

import re
from fractions import Fraction

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter: Go takes both
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
LARGEST_NS = 2**63 - 1


class DurationError(ValueError):
    """The text is no duration; the message says what one looks like."""


def parse_duration_ns(text: str) -> int:
    """Return nanoseconds, cut off below one as Go does."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    total, position = Fraction(0), 0
    while position < len(rest):
        part = _PART.match(rest, position)
        if part is None or not (part[1] or part[2]):
            raise DurationError(f'invalid duration "{text}": write for example 90s or 1m30s')
        number = Fraction(f"{part[1] or '0'}.{part[2] or '0'}")
        total += number * _UNITS_NS[part[3]]
        position = part.end()
    if not rest or total > LARGEST_NS:
        raise DurationError(f'invalid duration "{text}": write for example 90s or 1m30s')
    return sign * int(total)
