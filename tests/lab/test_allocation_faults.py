"""A controller behind an API server that breaks while it allocates: nothing is lost or doubled."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from controller.main import selections
from controller.reconciler import Reconciler
from kube.client import Client
from kube.driver import Watcher
from kube.election.driver import Elector
from kube.lease import Terms
from kube.objects import ObjectName
from netns_lab.faults.modes import PASS, Fault, Mode
from netns_lab.faults.proxy import FaultProxy, Upstream
from tests.controller.live import NAMESPACE, Live, kubeconfig, live
from tests.lab.asking import until

pytestmark = pytest.mark.netns

BEFORE, AFTER = 15, 40
TERMS = Terms(lease_duration_s=4.0, renew_deadline_s=2.8, retry_s=0.3)
STATUS = "/status"


@asynccontextmanager
async def behind_proxy(there: Live, folder: Path) -> AsyncIterator[tuple[FaultProxy, Reconciler]]:
    """Run an elected controller whose every request goes through a proxy that can break."""
    server = urlsplit(there.url)
    proxy = FaultProxy("127.0.0.1", 0, Upstream(str(server.hostname), int(server.port or 0)))
    await proxy.start()
    path = folder / "proxied"
    path.write_text(kubeconfig(f"http://127.0.0.1:{proxy.port}"))
    try:
        async with Client.connect(str(path)) as client, asyncio.TaskGroup() as tasks:
            elector = Elector(
                client,
                ObjectName(NAMESPACE, "herald-controller"),
                "one",
                lambda role: reconciler.on_role(role),  # noqa: PLW0108 - made below
                terms=TERMS,
            )
            reconciler = Reconciler(client, elector, namespace=NAMESPACE, lb_class=None)
            watcher = Watcher(client, selections(NAMESPACE), reconciler.on_change)
            running = [tasks.create_task(p.run()) for p in (elector, reconciler, watcher)]
            try:
                yield proxy, reconciler
            finally:
                for task in running:
                    task.cancel()
    finally:
        await proxy.stop()


def all_have_one(there: Live, count: int) -> Callable[[], object]:
    async def found() -> dict[str, list[str]] | None:
        every = await there.all_addresses()
        return every if sum(bool(got) for got in every.values()) >= count else None

    return found


def all_but(there: Live, name: str, count: int) -> Callable[[], object]:
    """Ask for the addresses once so many have one, and `name`, whose is free again, has none."""

    async def found() -> dict[str, list[str]] | None:
        every = await there.all_addresses()
        there_are = sum(bool(got) for got in every.values())
        return every if there_are == count and not every[name] else None

    return found


async def took_effect(there: Live, reconciler: Reconciler, proxy: FaultProxy) -> bool:
    """Tell whether what the fault is about has happened."""
    fault = proxy.fault
    if fault.selective:
        return sum(reconciler.write_errors.values()) >= 3
    if fault.mode in {Mode.OUTAGE, Mode.REFUSE}:
        return reconciler.planner is None
    if fault.mode in {Mode.GONE, Mode.HALF}:
        verbs = proxy.counts.requests.items()
        return sum(number for (_, _, verb, _), number in verbs if verb == "watch") >= 5
    every = await there.all_addresses()
    return sum(bool(got) for got in every.values()) >= AFTER - 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(Mode.ERROR, verbs=("patch",)), id="writes are answered 500"),
        pytest.param(Fault(Mode.ERROR, verbs=("patch",), code=429), id="writes are answered 429"),
        pytest.param(Fault(Mode.HANG, match=STATUS), id="writes are done and not answered"),
        pytest.param(Fault(Mode.HALF, verbs=("patch",)), id="writes are answered by half"),
        pytest.param(Fault(Mode.CLOSE, verbs=("patch",)), id="writes are cut off"),
        pytest.param(Fault(Mode.SLOW, delay_ms=300), id="everything is slow"),
        pytest.param(Fault(Mode.GONE), id="watches are gone"),
        pytest.param(Fault(Mode.HALF), id="watches break off in a line"),
        pytest.param(Fault(Mode.OUTAGE), id="everything is frozen"),
        pytest.param(Fault(Mode.REFUSE), id="nobody listens"),
    ],
)
async def test_nothing_is_lost_or_doubled(tmp_path: Path, fault: Fault) -> None:
    async with live(tmp_path) as there, behind_proxy(there, tmp_path) as (proxy, reconciler):
        await there.create_pool("pool", "192.168.4.0/26")
        for i in range(BEFORE):
            await there.create_service(f"s{i}")
        before = await until(all_have_one(there, BEFORE))

        await proxy.set_fault(fault)
        proxy.counts.clear()
        for i in range(BEFORE, AFTER):
            await there.create_service(f"s{i}")
        await there.patch_service("s0", {"spec": {"type": "ClusterIP"}})
        await until(lambda: took_effect(there, reconciler, proxy))
        await proxy.set_fault(PASS)

        after = await until(all_but(there, "s0", AFTER - 1))
        given = [address for addresses in after.values() for address in addresses]
        assert len(given) == len(set(given))
        kept = {name: got for name, got in before.items() if name != "s0"}
        assert {name: after[name] for name in kept} == kept
        await until(lambda: reconciler.planner is not None)
