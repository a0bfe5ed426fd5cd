"""A client that writes only while this process leads, and never longer than that.

A write that is still under way when the Lease is taken could undo what the next leader decides. So
each one gets at most the time for which leading is certain, and none is begun near its end.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from kube.api import ApiError, Patch, resource_words
from kube.client import Client
from kube.objects import Json

WRITE_TIMEOUT_S = 5.0
MARGIN_S = 0.25
"""A write is not begun when leading ends sooner than that."""


class Leadership(Protocol):
    """Who leads; `kube.election` has the real one."""

    def leads(self) -> bool:
        """Tell whether this process leads at this moment."""
        ...

    def time_left_s(self) -> float:
        """Return for how long leading is certain."""
        ...


class LeaderClient:
    """Writes of a leader; they raise ApiError with status 0 when it leads no more."""

    def __init__(self, client: Client, leadership: Leadership) -> None:
        self._client = client
        self._leadership = leadership
        self.errors: Counter[tuple[str, int]] = Counter()
        "Writes that were not done, or not known to be, by resource and HTTP status."

    def leads(self) -> bool:
        """Tell whether this process leads at this moment."""
        return self._leadership.leads()

    async def patch(self, path: str, body: Json, kind: Patch) -> Json:
        """Patch an object and return it."""
        with self._counted(path):
            return await self._client.patch(path, body, kind, timeout_s=self._timeout_s())

    async def create(self, path: str, body: Json) -> Json:
        """Create an object and return it."""
        with self._counted(path):
            return await self._client.create(path, body, timeout_s=self._timeout_s())

    async def get(self, path: str) -> Json:
        """Read an object; anyone may, at any time."""
        return await self._client.get(path, timeout_s=WRITE_TIMEOUT_S)

    @contextmanager
    def _counted(self, path: str) -> Iterator[None]:
        try:
            yield
        except ApiError as error:
            # What is gone needs no write, and what is not there yet is made then.
            if not error.not_found:
                self.errors[resource_words(path), error.status] += 1
            raise

    def _timeout_s(self) -> float:
        left = self._leadership.time_left_s() - MARGIN_S
        if not self._leadership.leads() or left <= 0:
            raise ApiError(0, "NotLeading", "this replica leads no more")
        return min(WRITE_TIMEOUT_S, left)
