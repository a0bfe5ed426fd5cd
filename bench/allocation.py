"""Figures of the allocator: pure, and end to end beside a writer that only patches.

Prints, never judges. Usage: `python bench/allocation.py [--services N] [--skip-api]`.
"""

import argparse
import asyncio
import gc
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import MappingProxyType

from controller.ask import parse_ask
from controller.ledger import Holding
from controller.outcome import Assigned
from controller.patches import POOL_ANNOTATION
from controller.planner import Planner
from controller.view import View, outlook_of
from kube.api import Patch, object_path
from kube.client import Client
from kube.objects import IPFamilyPolicy, ObjectName, Service, ServicePort
from kube.snapshot import Kind, Snapshot
from tests.builders import pool
from tests.controller.live import Live, controlling, kubeconfig, writes
from tests.lab.asking import until

IN_USE = 10_000
ROUNDS = 20_000
BATCH = 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=1000, help="for the end-to-end part")
    parser.add_argument("--skip-api", action="store_true", help="only the pure part")
    flags = parser.parse_args()
    pure()
    if not flags.skip_api:
        asyncio.run(end_to_end(flags.services))


def service(number: int, **changes: object) -> Service:
    values: dict[str, object] = {
        "name": ObjectName("default", f"s{number}"),
        "uid": f"uid-{number}",
        "created": f"{number:08}",
        "type": "LoadBalancer",
        "ports": (ServicePort("TCP", 80),),
        "cluster_ips": (IPv4Address("10.96.0.1"),),
        "ip_families": ("IPv4",),
    }
    return Service(**(values | changes))  # type: ignore[arg-type]


def view_of(services: dict[ObjectName, Service], *pools: str) -> View:
    resources = {each.name: each for each in (pool(f"p{i}", text) for i, text in enumerate(pools))}
    return replace(
        outlook_of(Snapshot(pools=resources, listed=frozenset(Kind))).view, services=services
    )


def pure() -> None:
    """Allocator, planner and restart without any I/O."""
    million = "10.0.0.0-10.15.66.63"
    services = {each.name: each for each in map(service, range(IN_USE))}
    view = view_of(services, million)
    planner = Planner()
    took = timed(lambda: planner.replan(view, 0.0, services=services))
    figure("planner: 10,000 new Services in one pass", f"{IN_USE / took:,.0f}/s", took)

    asks = [parse_ask(service(i)) for i in range(IN_USE, IN_USE + ROUNDS)]
    allocator, ledger = planner._allocator, planner.ledger  # noqa: SLF001

    def allocate() -> None:
        for ask in asks:
            grant = allocator.allocate(ask, {}, 0.0)  # type: ignore[arg-type]
            ledger.seat(Holding(ask.service, grant.addresses, ask.terms), 0.0)  # type: ignore

    took = timed(allocate)
    figure("allocator: from a million addresses, 10,000 in use", f"{ROUNDS / took:,.0f}/s", took)

    applied = dict(adopted(services, planner))
    took = timed(lambda: Planner().replan(view_of(applied, million), 0.0))
    figure("planner: restart with 10,000 addresses adopted", "one pass", took)

    single = Planner()
    many = view_of(applied, million)
    single.replan(many, 0.0)
    fresh = [service(IN_USE + i) for i in range(2000)]

    def one_by_one() -> None:
        for each in fresh:
            applied[each.name] = each
            single.replan(many, 0.0, services=(each.name,))

    took = timed(one_by_one)
    figure("planner: one new Service beside 10,000", f"{took / len(fresh) * 1e6:.0f} us each", took)
    full(applied)
    sharing()
    dual()


def full(applied: dict[ObjectName, Service]) -> None:
    waiting = {each.name: each for each in map(service, range(5000))}
    planner = Planner()
    took = timed(lambda: planner.replan(view_of(waiting, "192.0.2.0/28"), 0.0, services=waiting))
    figure("planner: 5,000 Services for 16 addresses", f"{5000 / took:,.0f}/s", took)


def sharing() -> None:
    services = {}
    for number in range(5000):
        annotations = MappingProxyType({"metallb.io/allow-shared-ip": "k"})
        port = (ServicePort("TCP", number % 100),)
        each = service(number, annotations=annotations, ports=port)
        services[each.name] = each
    planner = Planner()
    took = timed(lambda: planner.replan(view_of(services, "10.0.0.0/16"), 0.0, services=services))
    figure("planner: 5,000 Services of one key, 100 ports", f"{5000 / took:,.0f}/s", took)


def dual() -> None:
    both = (IPv4Address("10.96.0.1"), IPv6Address("fd10::1"))
    policy = IPFamilyPolicy.PREFER_DUAL_STACK
    services = {
        each.name: each
        for each in (service(i, cluster_ips=both, ip_family_policy=policy) for i in range(5000))
    }
    resources = pool("p", "10.0.0.0/12", "fd00::/48")
    view = replace(
        outlook_of(Snapshot(pools={resources.name: resources}, listed=frozenset(Kind))).view,
        services=services,
    )
    took = timed(lambda: Planner().replan(view, 0.0, services=services))
    figure("planner: 5,000 dual-stack Services", f"{10_000 / took:,.0f} addresses/s", took)


def adopted(
    services: dict[ObjectName, Service], planner: Planner
) -> list[tuple[ObjectName, Service]]:
    found = []
    for name, each in services.items():
        outcome = planner.outcomes[name]
        assert isinstance(outcome, Assigned)
        annotations = MappingProxyType({POOL_ANNOTATION: outcome.pool})
        found.append((name, replace(each, ingress=outcome.addresses, annotations=annotations)))
    return found


async def end_to_end(count: int) -> None:
    """Run the reconciler on an API server, beside a writer that only patches and creates."""
    with tempfile.TemporaryDirectory() as folder:
        async with api_server(Path(folder)) as there:
            await there.create_pool("pool", "10.0.0.0/12")
            await create(there, count)
            plain = await only_writes(there, count)
            figure("API: a writer that only patches", f"{plain:,.0f} writes/s", 0.0)
            async with controlling(there) as (reconciler, client):
                await until(lambda: reconciler.planner is not None, 60.0)
                before, start = writes(client), time.perf_counter()
                await until(lambda: reconciler.writes["event"] >= count, 300.0)
                took = time.perf_counter() - start
                sent = writes(client) - before
            figure(
                "API: the controller",
                f"{sent / took:,.0f} writes/s, {sent / count:.2f} a Service, "
                f"{count / took:,.0f} Services/s, {sent / took / plain:.0%} of the plain writer",
                took,
            )
            async with controlling(there) as (reconciler, client):
                start = time.perf_counter()
                await until(lambda: reconciler.planner is not None, 60.0)
                took = time.perf_counter() - start
                figure("API: restart with all allocated", f"{writes(client)} writes", took)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figure("peak memory of writer and controller together", f"{peak:.0f} MB", 0.0)


@asynccontextmanager
async def api_server(folder: Path) -> AsyncIterator[Live]:
    """Run the lab's API server in a process of its own, as the real one would be."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "netns_lab.control_plane",
        "--listen=127.0.0.1:0",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().rpartition(" ")[2].strip()
        (folder / "kubeconfig").write_text(kubeconfig(url))
        async with Client.connect(str(folder / "kubeconfig")) as client:
            yield Live(client, str(folder / "kubeconfig"), url)
    finally:
        process.terminate()
        await process.wait()


async def create(there: Live, count: int) -> None:
    gate = asyncio.Semaphore(32)

    async def one(number: int) -> None:
        async with gate:
            await there.create_service(f"s{number}", allocateLoadBalancerNodePorts=False)

    await asyncio.gather(*(one(number) for number in range(count)))


async def only_writes(there: Live, count: int) -> float:
    """Patch each status and create an Event for it, 32 + 8 at a time as the controller does."""
    gate = asyncio.Semaphore(40)
    body = {"metadata": {"annotations": {"bench": "1"}}}

    async def one(number: int) -> None:
        name = ObjectName("default", f"s{number}")
        async with gate:
            path = object_path("Service", name, "status")
            await there.client.patch(path, body, Patch.STRATEGIC)
        async with gate:
            event = {
                "metadata": {"name": f"s{number}.bench", "namespace": "default"},
                "involvedObject": {"kind": "Service", "name": name.name, "namespace": "default"},
                "reason": "Bench",
                "message": "an Event of ordinary length, about as long as the real ones are",
            }
            await there.client.create("/api/v1/namespaces/default/events", event)

    start = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(count)))
    return 2 * count / (time.perf_counter() - start)


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def figure(what: str, value: str, took: float) -> None:
    print(f"{what:56} {value}" + (f"  ({took * 1000:,.0f} ms)" if took else ""), flush=True)


if __name__ == "__main__":
    main()
