"""The router's kernel routes, told by the kernel at each change: no polling, exact times."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class KernelRoutes:
    """The router's kernel routes, as the kernel tells of each change."""

    def __init__(self, lines: asyncio.StreamReader) -> None:
        self._lines = lines
        self.present: set[str] = set()
        self._changed = asyncio.Condition()

    async def follow(self) -> None:
        """Read changes for ever."""
        while line := (await self._lines.readline()).decode():
            words = line.split()
            gone = words[0] == "Deleted"
            prefix = f"{words[gone]}/32"
            async with self._changed:
                (self.present.discard if gone else self.present.add)(prefix)
                self._changed.notify_all()

    async def until(
        self, prefixes: set[str], *, there: bool = True, limit_s: float = 20.0
    ) -> float:
        """Wait until all are there (or none); return when."""

        def holds() -> bool:
            return prefixes <= self.present if there else not prefixes & self.present

        async with asyncio.timeout(limit_s), self._changed:
            await self._changed.wait_for(holds)
        return time.monotonic()


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
        yield routes
    finally:
        following.cancel()
        child.kill()
        await child.wait()
