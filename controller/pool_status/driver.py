"""Keeps the pools' counters true: written on change only, at most once a second for each pool.

They are counted when they are to be written, not when something was given: a pass of the planner
only says that they may have changed. Whoever else changes them is noticed by the watch.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from controller.leader.client import LeaderClient
from controller.restraint import Restraint
from controller.status import PoolCount
from kube.api import ApiError, Patch, collection_path, object_path
from kube.client import Client
from kube.objects import Json, ObjectName
from kube.written import Written

LOG = logging.getLogger("controller.pool_status")

EVERY_S = 1.0
REPAIR_EVERY_S = 10.0
"""Somebody who writes other counters again and again must not be answered each time."""


class PoolCounters:
    """Keeps `IPAddressPool.status` equal to the counters it is shown."""

    def __init__(
        self,
        client: Client,
        leader: LeaderClient,
        namespace: str,
        *,
        every_s: float = EVERY_S,
        repair_every_s: float = REPAIR_EVERY_S,
    ) -> None:
        self._client = client
        self._leader = leader
        self._namespace = namespace
        self._every_s = every_s
        self._repair_every_s = repair_every_s
        self._count: Callable[[], Iterable[PoolCount]] | None = None
        self._shown: dict[str, Json] = {}
        self._changed = asyncio.Event()
        self._repair: asyncio.TimerHandle | None = None
        self._repaired_at = float("-inf")
        self._restraint = Restraint()
        self._denied: set[str] = set()
        "Pools whose last write was forbidden: the others come first."
        self.sent = 0
        self.failed = 0

    def show(self, count: Callable[[], Iterable[PoolCount]]) -> None:
        """Write what this counts, soon, where it differs from what the pools show."""
        self._count = count
        self._changed.set()

    def seen(self, pool: str, written: Written | None) -> None:
        """Take what the watch shows of the pool, None when it is gone."""
        status = written.status if written else {}
        if self._shown.get(pool, {}) == status:
            return
        # It may be older than our last write: then one more write changes nothing.
        self._shown[pool] = status
        if written is None:
            del self._shown[pool]
        elif self._count is not None and self._repair is None:
            at = self._repaired_at + self._repair_every_s
            self._repair = asyncio.get_running_loop().call_at(at, self._put_right)

    def _put_right(self) -> None:
        self._repair, self._repaired_at = None, asyncio.get_running_loop().time()
        self._changed.set()

    def forget(self) -> None:
        """Stop writing: another replica leads."""
        self._count = None

    async def read(self) -> None:
        """See what the pools show now, so that nothing is written that is there."""
        shown: dict[str, Json] = {}
        path = collection_path("IPAddressPool", self._namespace)
        async for page in self._client.list_pages(path):
            for obj in page.items:
                shown[obj["metadata"]["name"]] = obj.get("status") or {}
        self._shown = shown

    async def run(self) -> None:
        """Write until cancelled."""
        now = asyncio.get_running_loop().time
        while True:
            await self._changed.wait()
            self._changed.clear()
            counts = self._count() if self._count else ()
            for count in sorted(counts, key=lambda each: each.pool in self._denied):
                shown = self._shown.get(count.pool, {})
                if count.status().items() <= shown.items():
                    continue
                if self._restraint.allowance(now(), 0, most=1):
                    await self._write(count.pool, count.status(), now)
            pause_s = (self._restraint.next_at(now()) or now()) - now()
            await asyncio.sleep(max(self._every_s, pause_s))

    async def _write(self, pool: str, status: Json, now: Callable[[], float]) -> None:
        path = object_path("IPAddressPool", ObjectName(self._namespace, pool), "status")
        try:
            await self._leader.patch(path, {"status": status}, Patch.MERGE)
        except ApiError as error:
            self.failed += 1
            LOG.info("pool status", extra={"fields": {"pool": pool, "error": str(error)}})
            if error.forbidden:
                self._restraint.refused(now())
                self._denied.add(pool)
            if not error.not_found:
                self._changed.set()
            return
        self._restraint.accepted()
        self._denied.discard(pool)
        self.sent += 1
        self._shown[pool] = status
