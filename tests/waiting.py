"""Waiting in tests without sleeping, for processes that all run in the test's own event loop.

Nothing changes there but in a turn of the loop. So a condition is judged once a turn, when all that
was due has run and before the loop waits for sockets and timers: no state is missed that lasts
until then, and nobody wakes up to look.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")

LIMIT_S = 60.0


class _Judge(selectors.DefaultSelector):
    """Judges the conditions that are waited for before it waits itself."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: dict[asyncio.Future[Any], Callable[[], Any]] = {}
        self.idle = False
        "Whether the loop has nothing left to run."

    def select(self, timeout: float | None = None) -> list[Any]:
        self.idle = timeout != 0
        settled = [_settle(future, condition) for future, condition in self.waits.items()]
        if any(settled):
            timeout = 0
        return super().select(timeout)


def _settle(future: "asyncio.Future[Any]", condition: Callable[[], Any]) -> bool:
    if future.done():
        return True
    try:
        if answer := condition():
            future.set_result(answer)
    except Exception as error:  # it belongs to the test that waits
        future.set_exception(error)
    return future.done()


class JudgingLoop(asyncio.SelectorEventLoop):
    """The loop of every asynchronous test."""

    def __init__(self) -> None:
        self.judge = _Judge()
        super().__init__(self.judge)


async def until(condition: Callable[[], T], what: object = "", limit_s: float = LIMIT_S) -> T:
    """Return the first true answer of the condition; fail with `what`, called if it can be."""
    if answer := condition():
        return answer
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JudgingLoop)
    future: asyncio.Future[T] = loop.create_future()
    loop.judge.waits[future] = condition
    try:
        async with asyncio.timeout(limit_s):
            return await future
    except TimeoutError:
        said = what() if callable(what) else what
        raise AssertionError(f"not within {limit_s:g} s: {said or condition()!r}") from None
    finally:
        del loop.judge.waits[future]


async def idle() -> None:
    """Let everything run that can without the outside: then only sockets and timers are left."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JudgingLoop)
    judge = loop.judge
    judge.idle = False
    await until(lambda: judge.idle)


async def until_stored(
    question: Callable[[], Awaitable[T]], revision: Callable[[], int], limit_s: float = LIMIT_S
) -> T:
    """Return the first true answer about an API's objects; ask again after each write to them."""
    answer: T | None = None
    try:
        async with asyncio.timeout(limit_s):
            while True:
                newer = _newer(revision, revision())
                if answer := await question():
                    return answer
                await until(newer, limit_s=limit_s)
    except TimeoutError:
        raise AssertionError(f"not within {limit_s:g} s; the last answer: {answer!r}") from None


def _newer(revision: Callable[[], int], than: int) -> Callable[[], bool]:
    return lambda: revision() != than
