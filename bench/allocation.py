"""Figures of the allocator, pure: no I/O, no API server. `bench/writes.py` has the end to end.

Prints, never judges. The clock is the process's own CPU time, so that whoever else is busy on the
machine does not count.
"""

import gc
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType

from controller.ask import parse_ask
from controller.ledger import Holding
from controller.outcome import Assigned
from controller.patches import POOL_ANNOTATION
from controller.planner import Planner
from controller.view import View, outlook_of
from kube.objects import IPFamilyPolicy, ObjectName, Service, ServicePort
from kube.snapshot import Kind, Snapshot
from tests.builders import pool

IN_USE = 10_000
ROUNDS = 20_000
MILLION = "10.0.0.0-10.15.66.63"


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


def main() -> None:
    """Measure and print."""
    for in_use in (1_000, IN_USE, 10 * IN_USE):
        from_a_million(in_use)
    services = {each.name: each for each in map(service, range(IN_USE))}
    planner = Planner()
    view = view_of(services, MILLION)
    took = timed(lambda: planner.replan(view, 0.0, services=services))
    figure("planner: 10,000 new Services in one pass", f"{IN_USE / took:,.0f}/s", took)
    beside_many(services, planner)
    full()
    sharing()
    dual()


def from_a_million(in_use: int) -> None:
    """Give addresses of one pool while so many are held."""
    services = {each.name: each for each in map(service, range(in_use))}
    planner = Planner()
    planner.replan(view_of(services, MILLION), 0.0, services=services)
    asks = [parse_ask(service(i)) for i in range(in_use, in_use + ROUNDS)]
    allocator, ledger = planner._allocator, planner.ledger  # noqa: SLF001

    def allocate() -> None:
        for ask in asks:
            grant = allocator.allocate(ask, {}, 0.0)  # type: ignore[arg-type]
            ledger.seat(Holding(ask.service, grant.addresses, ask.terms), 0.0)  # type: ignore

    took = timed(allocate)
    what = f"allocator: from a million addresses, {in_use:,} in use"
    figure(what, f"{ROUNDS / took:,.0f}/s", took)


def beside_many(services: dict[ObjectName, Service], planner: Planner) -> None:
    """Restart beside 10,000, and then one new Service after the other."""
    applied = dict(adopted(services, planner))
    took = timed(lambda: Planner().replan(view_of(applied, MILLION), 0.0))
    figure("planner: restart with 10,000 addresses adopted", "one pass", took)

    single = Planner()
    many = view_of(applied, MILLION)
    single.replan(many, 0.0)
    fresh = [service(IN_USE + i) for i in range(2000)]

    def one_by_one() -> None:
        for each in fresh:
            applied[each.name] = each
            single.replan(many, 0.0, services=(each.name,))

    took = timed(one_by_one)
    figure("planner: one new Service beside 10,000", f"{took / len(fresh) * 1e6:.0f} us each", took)


def full() -> None:
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


def timed(work: Callable[[], object]) -> float:
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def figure(what: str, value: str, took: float) -> None:
    print(f"{what:56} {value}" + (f"  ({took * 1000:,.0f} ms)" if took else ""), flush=True)


if __name__ == "__main__":
    main()
