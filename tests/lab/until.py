"""Waiting in lab tests: for a condition, with a limit, and with the last answer when it fails."""

import time
from collections.abc import Callable
from typing import TypeVar

POLL_S = 0.02

Answer = TypeVar("Answer")


def until(condition: Callable[[], Answer], limit_s: float, what: str) -> Answer:
    """Return the first true answer of `condition`; fail with the last one after `limit_s`."""
    limit = time.monotonic() + limit_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > limit:
            raise AssertionError(f"not within {limit_s:g} s: {what}; the last answer: {answer!r}")
        time.sleep(POLL_S)
