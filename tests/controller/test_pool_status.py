"""The pools' counters in the API: written on change only, also for a pool that is made anew."""

import asyncio
from pathlib import Path

from controller.leader.client import LeaderClient
from controller.pool_status.driver import PoolCounters
from controller.status import PoolCount
from kube.api import object_path
from kube.objects import ObjectName
from tests.controller.live import NAMESPACE, Leads, Live, live

POOL = object_path("IPAddressPool", ObjectName(NAMESPACE, "first"))
EMPTY = PoolCount("first", total_v4=11, total_v6=0, used_v4=0, used_v6=0)
USED = PoolCount("first", total_v4=11, total_v6=0, used_v4=1, used_v6=0)


async def free(there: Live) -> int | None:
    found = ((await there.client.get(POOL)).get("status") or {}).get("availableIPv4")
    return None if found is None else int(found)


async def test_counters_are_written_when_they_differ_from_what_the_pool_shows(
    tmp_path: Path,
) -> None:
    async def shows(count: int) -> bool:
        return await free(there) == count

    async with live(tmp_path) as there, asyncio.TaskGroup() as tasks:
        leader = LeaderClient(there.client, Leads())
        counters = PoolCounters(there.client, leader, NAMESPACE, every_s=0.001)
        running = tasks.create_task(counters.run())
        await there.create_pool("first", "192.168.4.10-192.168.4.20")
        counters.show([EMPTY])
        await there.until(lambda: shows(11))
        counters.show([EMPTY])
        counters.show([USED])
        await there.until(lambda: shows(10))
        assert counters.sent == 2

        await there.client.delete(POOL)
        counters.show([])
        await there.create_pool("first", "192.168.4.10-192.168.4.20")
        counters.show([USED])
        await there.until(lambda: shows(10))
        assert (counters.sent, counters.failed) == (3, 0)
        running.cancel()
