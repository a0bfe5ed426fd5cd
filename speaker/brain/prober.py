"""Asks the node's service proxy what it has programmed: HTTP GETs on the node's own addresses.

The nftables kube-proxy serves node ports on the node's primary addresses only, and some
distributions bind 10256 to loopback; so the InternalIPs of each family are dialled first, then
loopback, and the address that answered is tried first the next time. When to ask, and what
follows from an outcome, is `speaker.policy.health`'s business.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from contextlib import suppress

from kube.objects import Address
from speaker.policy.health import NODE_PORT, Health, Outcome

TIMEOUT_S = 1.0
"""For one address, connect and answer together: it is a process on this very machine."""
LOOPBACK = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))
STATUS_LINE_LIMIT = 4096


class Prober:
    """Runs the probes that a `Health` asks for."""

    def __init__(
        self,
        health: Health,
        addresses: Callable[[], Iterable[Address]],
        on_verdicts: Callable[[], None],
    ) -> None:
        self._health = health
        self._addresses = addresses
        self._on_verdicts = on_verdicts
        self._wake = asyncio.Event()
        self._answered: dict[int, Address] = {}

    def wake(self) -> None:
        """Look at the ports again: they or their due times have changed."""
        self._wake.set()

    async def run(self) -> None:
        """Probe until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            while True:
                for port in self._health.take_due(loop.time()):
                    tasks.create_task(self._probe(port))
                self._on_verdicts()
                await self._sleep(self._health.next_deadline(loop.time()))
                self._wake.clear()

    async def _sleep(self, until: float | None) -> None:
        loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        # Loop timers may fire a hair early; a core that says "not yet" would spin.
        if until is not None and loop.time() < until < loop.time() + 0.001:
            await asyncio.sleep(until - loop.time())

    async def _probe(self, port: int) -> None:
        outcome = Outcome.NO_ANSWER
        for address in self._candidates(port):
            outcome = await probe(address, port)
            if outcome is not Outcome.NO_ANSWER:
                self._answered[port] = address
                break
        self._health.tell(port, outcome, asyncio.get_running_loop().time())
        self._wake.set()

    def _candidates(self, port: int) -> list[Address]:
        known = [*self._addresses(), *LOOPBACK]
        before = self._answered.get(port)
        return [before, *(a for a in known if a != before)] if before in known else known


def path_of(port: int) -> str:
    """Return the path to ask: kube-proxy's own health page, or the Service's."""
    return "/healthz" if port == NODE_PORT else "/"


async def probe(address: Address, port: int) -> Outcome:
    """Return what one GET met."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                str(address), port, limit=STATUS_LINE_LIMIT
            )
            try:
                host = f"[{address}]" if address.version == 6 else str(address)
                request = (
                    f"GET {path_of(port)} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                )
                writer.write(request.encode())
                status = await reader.readline()
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, ValueError):
        return Outcome.NO_ANSWER
    return outcome_of(status)


def outcome_of(status_line: bytes) -> Outcome:
    """Return what a status line says; what isn't HTTP is no answer."""
    parts = status_line.split()
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/"):
        return Outcome.NO_ANSWER
    return Outcome.OK if parts[1] == b"200" else Outcome.REFUSED_SERVICE
