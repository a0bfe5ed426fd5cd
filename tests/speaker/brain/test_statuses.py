"""Status objects: what they say, when they are written, and when not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from kube.api import collection_path
from speaker.seam.messages import InterfaceReport, Message, OwnerReport, OwnerState
from tests.speaker.brain.cluster import HERALD, VIP, Cluster, Ear, brain, cluster, running

ADDRESS = ip_address(VIP)
LAN = InterfaceReport("lan0", usable=True, addresses=("192.168.4.101/24",))
OWNED = OwnerReport(ADDRESS, "lan0", OwnerState.OWNED, "node1", "first-use", 1)
OTHER = OwnerReport(ADDRESS, "lan0", OwnerState.OTHER, "node2", "claimed", 2)
Say = Callable[[Message], None]


@pytest.fixture
async def first(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        await made.first()
        yield made


@asynccontextmanager
async def speaker(cluster: Cluster, *says: Message) -> AsyncIterator[Say]:
    """A brain beside a wire that says this, and then what it is told to."""
    wire = Ear("wire", says=list(says))
    listener = wire.listener(cluster.folder)
    async with running(listener), brain(cluster.settings(), coalesce_s=0.01):
        yield lambda message: listener.send(message, to="brain")


async def objects(cluster: Cluster, kind: str) -> list[dict[str, Any]]:
    pages = cluster.client.list_pages(collection_path(kind, HERALD))
    return [obj async for page in pages for obj in page.items]


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(5):
        while not await condition():  # noqa: ASYNC110  # the API server's state
            await asyncio.sleep(0.01)


async def said(cluster: Cluster, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait for so many objects that say something."""
    async with asyncio.timeout(5):
        while True:
            found = await objects(cluster, kind)
            if len(found) == count and all(each.get("status") for each in found):
                return found
            await asyncio.sleep(0.01)


async def test_the_owner_says_which_node_answers_and_takes_it_back(first: Cluster) -> None:
    await first.service()
    async with speaker(first, LAN, OWNED) as say:
        [status] = await said(first, "ServiceL2Status")
        assert status["status"] == {
            "node": "node1",
            "serviceName": "web",
            "serviceNamespace": "default",
            "interfaces": [{"name": "lan0"}],
        }
        assert status["metadata"]["labels"] == {
            "metallb.io/node": "node1",
            "metallb.io/service-name": "web",
            "metallb.io/service-namespace": "default",
        }
        say(OTHER)
        await said(first, "ServiceL2Status", 0)
