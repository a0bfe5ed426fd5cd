"""Waiting in lab tests and benches for what only asking shows: the state of other processes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

POLL_S = 0.005
HANGS_S = 30.0
"""How much longer than its limit a wait goes on for an answer that does not come."""


async def until(condition: Callable[[], Any], limit_s: float = 180.0) -> Any:
    """Return the first true answer of the condition, which may be a coroutine function.

    It is asked once more after the limit: all may have stood still until then.
    """
    loop, answer = asyncio.get_running_loop(), None
    limit = loop.time() + limit_s
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s + HANGS_S):
            last = False
            while not last:
                last = loop.time() > limit
                answer = condition()
                if asyncio.iscoroutine(answer):
                    answer = await answer
                if answer:
                    return answer
                await asyncio.sleep(POLL_S)
    raise AssertionError(f"not within {limit_s:g} s; the last answer: {answer!r}")
