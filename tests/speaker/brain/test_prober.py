"""Real probes against small servers on loopback."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

from kube.objects import Address
from speaker.brain.prober import Prober, probe
from speaker.policy.health import Health, Outcome, Verdict
from tests.waiting import until

LOOPBACK = ip_address("127.0.0.1")
SECOND = ip_address("127.0.0.2")


class Proxy:
    """A service proxy that answers as it is told."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\n\r\n"
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readline())
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(proxy: Proxy, host: Address = LOOPBACK) -> AsyncIterator[int]:
    server = await asyncio.start_server(proxy, str(host), 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def probing(health: Health, *addresses: Address) -> AsyncIterator[Callable[[], int]]:
    """Run a prober; what it gives counts how often verdicts were looked at."""
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1

    prober = Prober(health, lambda: addresses, look)
    task = asyncio.create_task(prober.run())
    try:
        yield lambda: looks
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_verdict_follows_what_the_proxy_says() -> None:
    proxy = Proxy()
    async with serving(proxy) as port:
        loop = asyncio.get_running_loop()
        health = Health(loop.time())
        health.want([port], loop.time())
        async with probing(health):
            await until(lambda: health.verdict(port, loop.time()) is Verdict.OPEN)
            proxy.answer = b"HTTP/1.1 503 Service Unavailable\r\n\r\n"
            await until(lambda: health.verdict(port, loop.time()) is Verdict.FAILED)
            assert proxy.requests[0] == b"GET / HTTP/1.1\r\n"


async def test_the_nodes_own_addresses_are_tried_before_loopback() -> None:
    proxy = Proxy()
    async with serving(proxy, SECOND) as port:
        loop = asyncio.get_running_loop()
        health = Health(loop.time())
        health.want([port], loop.time())
        async with probing(health, SECOND):
            await until(lambda: health.verdict(port, loop.time()) is Verdict.OPEN)


async def test_a_proxy_that_is_gone_is_silent_and_not_failed() -> None:
    proxy = Proxy()
    async with serving(proxy) as port:
        pass
    assert await probe(LOOPBACK, port) is Outcome.NO_ANSWER


async def test_a_proxy_that_talks_junk_is_no_answer() -> None:
    proxy = Proxy()
    for proxy.answer in (b"\x00" * 10_000, b"", b"hello\r\n"):
        async with serving(proxy) as port:
            assert await probe(LOOPBACK, port) is Outcome.NO_ANSWER
