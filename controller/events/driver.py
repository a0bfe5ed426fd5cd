"""Sends Events, a few at a time, behind the writes that they tell of."""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Iterable

from controller.leader.client import LeaderClient
from controller.news import News, event_body
from kube.api import ApiError, collection_path

LOG = logging.getLogger("controller.events")

TELLERS = 8
"""Events under way at once."""
MAX_WAITING = 10_000
"""Older Events are dropped beyond that: they are for people."""


class Teller:
    """A queue of Events; `run` sends them until it is cancelled."""

    def __init__(self, leader: LeaderClient) -> None:
        self._leader = leader
        self._waiting: deque[News] = deque(maxlen=MAX_WAITING)
        self._more = asyncio.Event()
        self.sent = 0
        self.failed = 0

    def tell(self, news: Iterable[News]) -> None:
        """Send these when their turn comes."""
        self._waiting.extend(news)
        if self._waiting:
            self._more.set()

    def forget(self) -> None:
        """Drop what is not sent yet: another replica leads."""
        self._waiting.clear()

    async def run(self) -> None:
        """Send Events until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(TELLERS):
                tasks.create_task(self._send_all())

    async def _send_all(self) -> None:
        while True:
            if not self._waiting:
                self._more.clear()
                await self._more.wait()
            elif self._leader.leads():
                await self._send(self._waiting.popleft())
            else:
                self._waiting.clear()

    async def _send(self, news: News) -> None:
        body = event_body(news, timestamp(), secrets.token_hex(8))
        path = collection_path("Event", news.object.namespace)
        try:
            await self._leader.create(path, body)
            self.sent += 1
        except ApiError as error:
            # No second try: an Event too many costs more than one too few.
            self.failed += 1
            LOG.info("event not sent", extra={"fields": {"error": str(error)}})


def timestamp() -> str:
    """Return the wall clock's time for people, in RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
