"""The pools' counters in the API: written on change only, also for a pool that is made anew."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

from controller.leader.client import LeaderClient
from controller.pool_status.driver import PoolCounters
from controller.restraint import FIRST_PAUSE_S
from controller.status import PoolCount
from kube.api import object_path
from kube.client import Client
from kube.objects import Json, ObjectName
from kube.written import Written
from netns_lab.faults.modes import Fault, Mode
from tests.controller.live import NAMESPACE, Leads, Live, behind_proxy, controlling, live
from tests.waiting import idle, until

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
        counters.show(lambda: [EMPTY])
        await there.until(lambda: shows(11))
        counters.show(lambda: [EMPTY])
        counters.show(lambda: [USED])
        await there.until(lambda: shows(10))
        assert counters.sent == 2

        await there.client.delete(POOL)
        counters.seen("first", None)
        await there.create_pool("first", "192.168.4.10-192.168.4.20")
        counters.show(lambda: [USED])
        await there.until(lambda: shows(10))
        assert (counters.sent, counters.failed) == (3, 0)
        running.cancel()


async def test_counters_follow_a_service_that_is_deleted(tmp_path: Path) -> None:
    """Nobody is given anything then, and no decision changes."""
    async with live(tmp_path) as there, controlling(there):
        await there.create_pool("first", "192.168.4.10-192.168.4.20")
        for text in ("a", "b"):
            await there.create_service(text)
        await there.until(lambda: shows(there, 9))

        await there.client.delete(object_path("Service", ObjectName("default", "a")))

        await there.until(lambda: shows(there, 10))


async def test_counters_that_somebody_else_wrote_are_put_right(tmp_path: Path) -> None:
    async with live(tmp_path) as there, controlling(there):
        await there.create_pool("first", "192.168.4.10-192.168.4.20")
        await there.until(lambda: shows(there, 11))
        await foreign_hand(there, 7)

        await there.until(lambda: shows(there, 11))


async def test_somebody_who_writes_again_and_again_is_not_answered_each_time(
    tmp_path: Path,
) -> None:
    async with live(tmp_path) as there, asyncio.TaskGroup() as tasks:
        leader = LeaderClient(there.client, Leads())
        counters = PoolCounters(there.client, leader, NAMESPACE, every_s=0.0, repair_every_s=60.0)
        running = tasks.create_task(counters.run())
        await there.create_pool("first", "192.168.4.10-192.168.4.20")
        counters.show(lambda: [EMPTY])
        await until(lambda: counters.sent == 1)

        for free_now in range(5):
            counters.seen("first", written(free_now))
            await idle()

        await until(lambda: counters.sent == 2)
        counters.seen("first", written(5))
        await idle()
        assert counters.sent == 2
        running.cancel()


async def test_pool_whose_counters_are_forbidden_holds_up_no_other_and_makes_no_storm(
    tmp_path: Path,
) -> None:
    first, second = (replace(EMPTY, pool=text) for text in ("first", "second"))
    async with (
        live(tmp_path) as there,
        behind_proxy(there, tmp_path) as (proxied, proxy),
        Client.connect(proxied.kubeconfig) as client,
        asyncio.TaskGroup() as tasks,
    ):
        await proxy.set_fault(Fault(Mode.ERROR, match="/first/status", code=403))
        counters = PoolCounters(client, LeaderClient(client, Leads()), NAMESPACE, every_s=0.001)
        running = tasks.create_task(counters.run())
        await there.create_pool("first", "192.168.4.10-192.168.4.20")
        await there.create_pool("second", "192.168.5.10-192.168.5.20")
        began = asyncio.get_running_loop().time()
        counters.show(lambda: [first, second])

        await until(lambda: counters.sent == 1)
        await until(lambda: counters.failed >= 3)
        assert asyncio.get_running_loop().time() - began >= 2 * FIRST_PAUSE_S
        await proxy.set_fault(Fault())

        await there.until(lambda: shows(there, 11))
        running.cancel()


async def shows(there: Live, count: int) -> bool:
    return await free(there) == count


async def foreign_hand(there: Live, count: int) -> None:
    await there.client.patch(f"{POOL}/status", {"status": {"availableIPv4": count}})


def written(count: int) -> Written:
    status: Json = EMPTY.status() | {"availableIPv4": count}
    return Written(ObjectName(NAMESPACE, "first"), said=json.dumps(status))
