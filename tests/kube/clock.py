"""An asyncio loop on a virtual clock: when nothing is left to do, time jumps to the next timer.

Only for code whose outside is in memory: a real socket would never get the time it needs.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    """Doesn't wait: moves the loop's clock instead."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout > 0:
            self.loop.seconds += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at 1000 s, so that no test relies on zero."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.seconds


async def pass_time(seconds: float) -> None:
    """Let virtual time pass; on a loop of the real clock it would be sleep, and is refused."""
    assert isinstance(asyncio.get_running_loop(), VirtualLoop)
    await asyncio.sleep(seconds)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end; minutes take milliseconds and give the same result each time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
