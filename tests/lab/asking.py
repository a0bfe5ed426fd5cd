"""Waiting in lab tests and benches for what only asking shows: the state of other processes."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

POLL_S = 0.005


async def until(condition: Callable[[], Any], limit_s: float = 20.0) -> Any:
    """Return the first true answer of the condition, which may be a coroutine function."""
    answer: Any = None
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while True:
                answer = condition()
                if asyncio.iscoroutine(answer):
                    answer = await answer
                if answer:
                    return answer
                await asyncio.sleep(POLL_S)
    raise AssertionError(f"not within {limit_s:g} s; the last answer: {answer!r}")
