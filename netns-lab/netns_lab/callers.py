"""A client that fetches a page over and over: what a user behind the Service would notice.

A new connection every 20 ms, in a thread inside the client's namespace. Far simpler than the
drills' numbered datagrams, and honest about what a browser meets: a connection that is not answered
within its limit is a failed one.
"""

import asyncio
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from netns_lab import netns

INTERVAL_S = 0.02
ANSWER_LIMIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Fetch:
    """One try."""

    began: float
    "CLOCK_MONOTONIC, seconds."
    body: str | None
    "None: failed."


@dataclass(frozen=True, slots=True)
class Experience:
    """What the client met."""

    tries: int
    failed: int
    longest_gap_ms: float
    "Between the begin of two tries that went well, with failed ones between; 0 without a failure."


class Caller:
    """Fetches `http://ADDRESS:PORT/` from `namespace` while used as a context."""

    def __init__(self, namespace: str, address: str, port: int) -> None:
        self._namespace = namespace
        self._target = address, port
        self._done: list[Fetch] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def fetched(self) -> tuple[Fetch, ...]:
        """All tries that are over, by begin."""
        return tuple(sorted(self._done, key=lambda fetch: fetch.began))

    def _run(self) -> None:
        netns.enter(self._namespace)
        asyncio.run(self._call())

    async def _call(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            due = time.monotonic()
            while not self._stop.is_set():
                tasks.create_task(self._fetch())
                due += INTERVAL_S
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _fetch(self) -> None:
        began = time.monotonic()
        body: str | None = None
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                reader, writer = await asyncio.open_connection(*self._target)
                try:
                    writer.write(b"GET / HTTP/1.1\r\nHost: herald\r\nConnection: close\r\n\r\n")
                    answer = await reader.read()
                    body = answer.decode().partition("\r\n\r\n")[2].strip() or None
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            body = None
        self._done.append(Fetch(began, body))


def experience(fetched: tuple[Fetch, ...]) -> Experience:
    """Return what a client met over these tries, which are in order."""
    longest = 0.0
    last_good: float | None = None
    failed_since = False
    for fetch in fetched:
        if fetch.body is None:
            failed_since = True
            continue
        if failed_since and last_good is not None:
            longest = max(longest, fetch.began - last_good)
        last_good, failed_since = fetch.began, False
    failed = sum(fetch.body is None for fetch in fetched)
    return Experience(len(fetched), failed, longest * 1000)


def bodies(fetched: tuple[Fetch, ...], since: float = 0.0) -> set[str]:
    """Return the different answers that came to tries begun after `since`."""
    return {fetch.body for fetch in fetched if fetch.body is not None and fetch.began >= since}
