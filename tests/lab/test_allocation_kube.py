"""The controller on a real API server: the table of single Services, and a burst of many.

etcd and kube-apiserver run on loopback, once for all tests; what a test created it deletes.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from controller.reconciler import Reconciler
from kube.api import ApiError, collection_path, object_path
from kube.objects import ObjectName
from netns_lab.control_plane.binaries import find
from tests.controller.live import Live, controlling, writes
from tests.controller.test_mutation import Wants
from tests.lab.asking import until
from tests.lab.real_api import Real, real, shared_memory
from tests.lab.test_allocation_mutation import SERVED, got, prepare, put, settled, shows
from tests.quiet import watch_of_a_quiet_kind_ends_in_time

pytestmark = pytest.mark.netns

BURST = 300
AT_ONCE = 20
# A load balancer without a cluster IP is refused before the controller sees it.
ROWS = [row for row in SERVED if row.values[1].get("cluster_ips") != ()]
SPACES = ("default", "ns1", "ns2")


@pytest.fixture(scope="module")
def server() -> Iterator[Real]:
    """One API server for the module, with the pools and namespaces of the table."""
    binaries, missing = find(os.environ)
    if missing and os.environ.get("HERALD_REQUIRE_KUBE") != "1":
        pytest.skip(f"{', '.join(missing)} missing: `make kube` provides them")
    with (
        TemporaryDirectory(dir=shared_memory()) as folder,
        real(Path(folder), binaries) as there,
    ):
        asyncio.run(_prepared(there))
        yield there


async def _prepared(server: Real) -> None:
    async with server.connected() as there:
        await prepare(there)


@asynccontextmanager
async def emptied(server: Real) -> AsyncIterator[Live]:
    """Give a client, and delete all Services in the end."""
    async with server.connected() as there:
        try:
            yield there
        finally:
            await until(lambda: all_gone(there), 120.0)


async def all_gone(there: Live) -> bool:
    """Delete all Services; False while a busy server leaves one of the requests unanswered."""
    try:
        found = [name for space in SPACES async for name in load_balancers(there, space)]
        for name in found:
            await there.client.delete(object_path("Service", name))
    except ApiError as error:
        if error.status == 0:
            return False
        raise
    return not found


async def load_balancers(there: Live, space: str) -> AsyncIterator[ObjectName]:
    async for page in there.client.list_pages(collection_path("Service", space)):
        for obj in page.items:
            name = ObjectName(space, obj["metadata"]["name"])
            if name != ObjectName("default", "kubernetes"):
                yield name


@pytest.mark.parametrize(("name", "spec", "wants"), ROWS)
async def test_one_service(server: Real, name: str, spec: Mapping[str, Any], wants: Wants) -> None:
    async with emptied(server) as there:
        await put(there, name, spec)
        async with controlling(there) as (reconciler, _):
            await until(lambda: reconciler.planner is not None)
            found = await until(lambda: settled(there, name, wants))
            # One pass is enough: what it wrote brings no further write.
            await there.create_service("fence")
            await until(lambda: shows(there, "fence"))
            assert await got(there, name) == found
            assert refused(reconciler) == set()


async def test_watch_of_a_quiet_kind_ends_in_time(server: Real) -> None:
    async with server.connected() as there:
        await watch_of_a_quiet_kind_ends_in_time(there.client)


async def test_burst_costs_two_writes_each_and_a_restart_none(server: Real) -> None:
    async with emptied(server) as there:
        await there.create_pool("many", "10.64.0.0/20")
        async with controlling(there) as (first, client):
            await until(lambda: first.planner is not None)
            await create(there, BURST)
            await until(lambda: told(first) == BURST, 120.0)

            given = await there.all_addresses()
            times = Counter(address for each in given.values() for address in each)
            assert len(times) == BURST
            assert set(times.values()) == {1}
            assert refused(first) == set()
            await until(lambda: first.writes["pool"] >= 1)
            # A pool's counters go out at their own pace: a slow machine is not to count them.
            assert writes(client) - first.writes["pool"] <= BURST * 2.1 + 10

        async with controlling(there) as (second, client):
            await until(lambda: second.planner is not None)
            await there.create_service("fence", {"metallb.io/address-pool": "many"})
            await until(lambda: told(second) == 1)
            assert second.writes["status"] == 1
            assert await there.all_addresses() == given | await fence(there)


def refused(reconciler: Reconciler) -> set[tuple[str, int]]:
    """Writes that were answered, by no; a busy server leaves some unanswered."""
    return {(what, status) for what, status in reconciler.write_errors if status}


def told(reconciler: Reconciler) -> int:
    """Events that were written, or may be: one that is not answered is not sent again."""
    return reconciler.writes["event"] + reconciler.write_errors.get(("events", 0), 0)


async def fence(there: Live) -> dict[str, list[str]]:
    return {"fence": await there.addresses("fence")}


async def create(there: Live, count: int) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with gate:
            await there.create_service(f"s{number}", {"metallb.io/address-pool": "many"})

    await asyncio.gather(*(one(number) for number in range(count)))
