"""Waiting in lab tests: for a condition, with a limit, and with the last answer when it fails."""

import time
from collections.abc import Callable
from typing import TypeVar

POLL_S = 0.02
PATIENCE = 4
"""Limits are for a machine of one's own: beside others everything takes its multiple."""

Answer = TypeVar("Answer")


def until(condition: Callable[[], Answer], limit_s: float, what: str) -> Answer:
    """Return the first true answer of `condition`; fail with the last one after `limit_s`.

    It is asked once more after the limit: all may have stood still until then.
    """
    limit_s *= PATIENCE
    limit = time.monotonic() + limit_s
    while True:
        last = time.monotonic() > limit
        answer = condition()
        if answer:
            return answer
        if last:
            raise AssertionError(f"not within {limit_s:g} s: {what}; the last answer: {answer!r}")
        time.sleep(POLL_S)
