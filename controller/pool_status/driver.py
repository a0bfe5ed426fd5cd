"""Writes the pools' counters, on change only and at most once a second for each pool."""

import asyncio
import logging

from controller.leader.client import LeaderClient
from controller.status import PoolCount
from kube.api import ApiError, Patch, collection_path, object_path
from kube.client import Client
from kube.objects import Json, ObjectName

LOG = logging.getLogger("controller.pool_status")

EVERY_S = 1.0


class PoolCounters:
    """Keeps `IPAddressPool.status` equal to the counters it is shown."""

    def __init__(
        self, client: Client, leader: LeaderClient, namespace: str, *, every_s: float = EVERY_S
    ) -> None:
        self._client = client
        self._leader = leader
        self._namespace = namespace
        self._every_s = every_s
        self._wanted: dict[str, Json] = {}
        self._shown: dict[str, Json] = {}
        self._changed = asyncio.Event()
        self.sent = 0
        self.failed = 0

    def show(self, counts: list[PoolCount]) -> None:
        """Write these counters where they differ from what the pools show."""
        self._wanted = {count.pool: count.status() for count in counts}
        # A pool that is gone shows nothing when another one comes under its name.
        self._shown = {pool: status for pool, status in self._shown.items() if pool in self._wanted}
        if any(self._shown.get(pool) != status for pool, status in self._wanted.items()):
            self._changed.set()

    def forget(self) -> None:
        """Stop writing: another replica leads."""
        self._wanted = {}

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
        while True:
            await self._changed.wait()
            self._changed.clear()
            for pool, status in list(self._wanted.items()):
                if self._shown.get(pool) != status:
                    await self._write(pool, status)
            await asyncio.sleep(self._every_s)

    async def _write(self, pool: str, status: Json) -> None:
        path = object_path("IPAddressPool", ObjectName(self._namespace, pool), "status")
        try:
            await self._leader.patch(path, {"status": status}, Patch.MERGE)
        except ApiError as error:
            self.failed += 1
            LOG.info("pool status", extra={"fields": {"pool": pool, "error": str(error)}})
            if not error.not_found:
                self._changed.set()
            return
        self.sent += 1
        self._shown[pool] = status
