"""Metrics: MetalLB's names with the counters of the pools, read off the plan."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from controller.main import reading, selections
from controller.metrics import AllocatorCollector, Reading
from controller.status import count_pools
from kube.driver import Watcher
from kube.faults import Fault
from kube.faults import Reason as FaultReason
from kube.snapshot import Kind
from tests.builders import pool, service
from tests.controller.cluster import Cluster, pool_name
from tests.controller.live import NAMESPACE, Leads, controlling, live
from tests.controller.steps import svc
from tests.waiting import until


def page(reading: Reading) -> set[str]:
    registry = CollectorRegistry()
    registry.register(AllocatorCollector(lambda: reading))
    return set(generate_latest(registry).decode().splitlines())


def of(cluster: Cluster) -> set[str]:
    return page(Reading(cluster.planner, config_loaded=True))


def test_counters_follow_the_services_and_sharing_counts_an_address_once() -> None:
    cluster = Cluster(pool("p", "192.0.2.0/30", "fd00::/126"))
    cluster.put(service("a", created="1", **svc("a", key="k"))).run()
    cluster.put(service("b", created="2", **svc("b", key="k", ports=["TCP/81"]))).run()
    cluster.put(service("c", created="3")).run()

    found = of(cluster)

    assert 'metallb_allocator_addresses_total{pool="p"} 8.0' in found
    assert 'metallb_allocator_ipv4_addresses_total{pool="p"} 4.0' in found
    assert 'metallb_allocator_addresses_in_use_total{pool="p"} 2.0' in found
    assert 'metallb_allocator_ipv4_addresses_in_use_total{pool="p"} 2.0' in found
    assert 'metallb_allocator_ipv6_addresses_in_use_total{pool="p"} 0.0' in found
    assert 'metallb_allocator_services_allocated_total{pool="p"} 3.0' in found

    cluster.delete("b", "c").run()
    assert 'metallb_allocator_addresses_in_use_total{pool="p"} 1.0' in of(cluster)
    cluster.replace_pools(pool("q", "192.0.2.0/31")).run()
    found = of(cluster)
    assert 'metallb_allocator_addresses_in_use_total{pool="q"} 1.0' in found
    assert not any('pool="p"' in line for line in found)


def test_those_that_wait_are_counted_by_reason() -> None:
    cluster = Cluster(pool("p", "192.0.2.0/32"))
    cluster.put(*(service(f"s{i}", created=f"{i}") for i in range(3)))
    cluster.put(service("x", **svc("x", pool="none"))).run()

    found = of(cluster)

    assert 'herald_allocator_services_pending{reason="PoolFull"} 2.0' in found
    assert 'herald_allocator_services_pending{reason="PoolUnknown"} 1.0' in found


def test_those_whose_address_is_not_written_are_counted_as_waiting() -> None:
    cluster = Cluster(pool("p", "192.0.2.0/31"))
    cluster.put(service("a")).run()

    found = page(Reading(cluster.planner, unwritten=1))

    assert 'herald_allocator_services_pending{reason="NotWritten"} 1.0' in found


def test_follower_says_so() -> None:
    found = page(
        Reading(
            None,
            updates={"status": 3, "event": 2},
            write_errors={("services/status", 403): 1},
            watch_breaks={Kind.SERVICE: 2},
        )
    )

    assert "herald_controller_leading 0.0" in found
    assert "metallb_k8s_client_updates_total 5.0" in found
    assert "metallb_k8s_client_update_errors_total 1.0" in found
    assert (
        'herald_controller_write_errors_total{object="services/status",status="403"} 1.0' in found
    )
    assert "metallb_k8s_client_config_loaded_bool 0.0" in found
    assert 'herald_watch_breaks_total{kind="Service"} 2.0' in found


async def test_only_the_leader_tells_of_refused_pools_and_no_replica_seems_to_lack_them(
    tmp_path: Path,
) -> None:
    """Both replicas are scraped: an alarm must not come from the one that only waits."""
    leads = Leads(leads=False)
    async with live(tmp_path) as there, controlling(there, leads) as (reconciler, client):
        await there.create_pool("wrong", "192.168.4.20-192.168.4.10")

        def found() -> set[str]:
            watcher = Watcher(client, selections(NAMESPACE), reconciler.on_change)
            return page(reading(reconciler, watcher))

        await until(lambda: "metallb_k8s_client_config_loaded_bool 1.0" in found())
        assert "herald_controller_leading 0.0" in found()
        leads.now = True
        reconciler.on_role(None)
        await until(lambda: "metallb_k8s_client_config_stale_bool 1.0" in found())
        leads.now = False
        reconciler.on_role(None)

        assert "metallb_k8s_client_config_stale_bool 0.0" in found()
        assert "metallb_k8s_client_config_loaded_bool 1.0" in found()


def test_refused_pools_are_counted_by_reason() -> None:
    bad = Fault(Kind.IP_ADDRESS_POOL, pool_name("bad"), "spec", "wrong", FaultReason.BAD_RANGE)
    found = page(Reading(None, config_loaded=True, faults=(bad,)))

    assert 'herald_configuration_faults{kind="IPAddressPool",reason="bad-range"} 1.0' in found
    assert "metallb_k8s_client_config_stale_bool 1.0" in found


def least_in_use(cluster: Cluster, act: Callable[[], object]) -> float:
    """Return the fewest addresses in use at any call or return while something happens."""
    counts: list[int] = []

    def look(*_: object) -> None:
        counts.append(sum(c.used_v4 + c.used_v6 for c in count_pools(cluster.planner.ledger)))

    sys.setprofile(look)
    try:
        act()
    finally:
        sys.setprofile(None)
    return min(counts)


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param({"labels": {"team": "red"}}, id="a label"),
        pytest.param(svc("a", key="k", ports=["TCP/81"]), id="a port"),
        pytest.param(svc("a", key="other"), id="the sharing key"),
        pytest.param(svc("a", pool="p"), id="the pool that it is of already"),
    ],
)
def test_edit_of_a_service_that_keeps_its_address_is_never_seen_as_one_less(
    edit: dict[str, Any],
) -> None:
    """Metrics are read in another thread, in the middle of a pass too."""
    cluster = Cluster(pool("p", "192.0.2.0/24"))
    cluster.put(service("a", **svc("a", key="k")), service("b")).run()

    assert least_in_use(cluster, cluster.put(service("a", **edit)).run) == 2


def test_edit_of_a_pool_is_never_seen_as_fewer_addresses_in_use() -> None:
    cluster = Cluster(pool("p", "192.0.2.0/24"), pool("q", "198.51.100.0/24"))
    cluster.put(*(service(f"s{i}") for i in range(5))).run()
    after = cluster.replace_pools(pool("p", "192.0.2.0/28"), pool("q", "198.51.100.0/28"))

    assert least_in_use(cluster, after.run) == 5


def test_restart_shows_no_counters_before_it_knows_them() -> None:
    cluster = Cluster(pool("p", "192.0.2.0/24")).put(service("a")).run().restart()

    assert not any("in_use" in line and "pool=" in line for line in of(cluster))
