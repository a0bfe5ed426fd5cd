"""The router's kernel routes, told by the kernel at each change: no polling, exact times."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.lab.bgp_lab import WAIT_S, run

MARK = "198.51.100.1/32"
"A route of ours, by which we see that we are told."
MARK_S = 0.5


class KernelRoutes:
    """The router's kernel routes, as the kernel tells of each change.

    What is waited for is looked for change by change, beginning after the last one waited for: a
    route that went and came back in one moment, when this process got no time, is seen gone.
    """

    def __init__(self, lines: asyncio.StreamReader) -> None:
        self._lines = lines
        self._told: asyncio.Queue[tuple[float, str, bool]] = asyncio.Queue()
        self._present: set[str] = set()

    async def follow(self) -> None:
        """Read changes for ever."""
        while line := (await self._lines.readline()).decode():
            words = line.split()
            gone = words[0] == "Deleted"
            self._told.put_nowait((time.monotonic(), f"{words[gone]}/32", not gone))

    async def until(
        self, prefixes: set[str], *, there: bool = True, limit_s: float = WAIT_S
    ) -> float:
        """Wait until all are there (or none); return when."""

        def holds() -> bool:
            return prefixes <= self._present if there else not prefixes & self._present

        at = time.monotonic()
        async with asyncio.timeout(limit_s):
            while not holds():
                at = self._take(*await self._told.get())
        return at

    def catch_up(self) -> None:
        """Look at no change that has been told of already."""
        while not self._told.empty():
            self._take(*self._told.get_nowait())

    def _take(self, at: float, prefix: str, there: bool) -> float:
        (self._present.add if there else self._present.discard)(prefix)
        return at


async def _is_told(namespace: str, routes: KernelRoutes) -> None:
    """Wait until `ip` listens: it has been started, and what changes before that is lost."""
    address, told = MARK.partition("/")[0], False
    while not told:
        run("ip", "-n", namespace, "route", "add", address, "dev", "lo")
        try:
            await routes.until({MARK}, limit_s=MARK_S)
            told = True
        except TimeoutError:
            pass
        run("ip", "-n", namespace, "route", "del", address, "dev", "lo")
    await routes.until({MARK}, there=False)


@asynccontextmanager
async def kernel_of(namespace: str) -> AsyncIterator[KernelRoutes]:
    """Follow the kernel of a namespace."""
    child = await asyncio.create_subprocess_exec(
        "ip", "-n", namespace, "monitor", "route", stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    routes = KernelRoutes(child.stdout)
    following = asyncio.create_task(routes.follow())
    try:
        await _is_told(namespace, routes)
        yield routes
    finally:
        following.cancel()
        child.kill()
        await child.wait()
