"""One Service, as it is found, and what becomes of it: each row starts from nothing else.

The rows are run alone, and all together in several orders: none may depend on another.
"""

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from types import MappingProxyType
from typing import Any

import pytest

from controller.outcome import Assigned, Pending, Reason
from kube.objects import Service
from tests.builders import namespace, pool, service
from tests.controller.cluster import POOL_ANNOTATION, Cluster
from tests.controller.steps import DUAL, V4, V6, svc

POOLS = (
    pool("pool1", "1.2.3.0/31"),
    pool("pool2", "3.4.5.6/32"),
    pool("pool3", "1000::/127"),
    pool("pool4", "2000::1/128"),
    pool("pool5", "5.5.5.0/31", "5000::/127"),
    pool("pool6", "6.6.6.0/31", "6000::/127", autoAssign=False),
    pool("pool7", "20.0.0.0/24", serviceAllocation={"priority": 20, "namespaces": ["ns1"]}),
    pool("pool8", "30.0.0.0/24", serviceAllocation={"namespaces": ["ns2"]}),
    pool(
        "pool9",
        "40.0.0.0/24",
        serviceAllocation={"priority": 10, "serviceSelectors": [{"matchLabels": {"team": "red"}}]},
    ),
    pool(
        "pool10",
        "50.0.0.0/24",
        serviceAllocation={
            "namespaces": ["ns1"],
            "serviceSelectors": [{"matchLabels": {"team": "blue"}}],
        },
    ),
    pool("pool11", "70.0.0.0/31", serviceAllocation={"namespaces": ["nobody"]}),
    pool("pool12", "80.0.0.0/31", "8000::/127", serviceAllocation={"namespaces": ["nobody"]}),
)

Wants = tuple[str, ...] | str | Reason
"""Addresses, the pool they must be of, or why there are none."""


def row(rule: str, wants: Wants, name: str = "a", **spec: Any) -> Any:
    return pytest.param(name, spec, wants, id=rule)


ROWS = [
    row("not a load balancer", (), type="ClusterIP", **svc("a")),
    row("shows two of the wrong sorts", "pool1", **svc("a", ingress=("2.3.4.5", "1000::7"))),
    row(
        "is IPv6 and shows two of the wrong sorts",
        "pool3",
        **svc("a", ingress=("1.2.3.0", "2222::"), families=V6),
    ),
    row(
        "is dual stack and shows one family twice",
        "pool5",
        **svc("a", ingress=("5.5.5.0", "5.5.5.1"), families=DUAL),
    ),
    row("simple", "pool1", **svc("a")),
    row("address by field", ("3.4.5.6",), **svc("a", load_balancer_ip="3.4.5.6")),
    row("address by annotation", ("3.4.5.6",), **svc("a", ips="3.4.5.6")),
    row(
        "address by the old prefix",
        ("3.4.5.6",),
        **svc("a", annotations={"metallb.universe.tf/loadBalancerIPs": "3.4.5.6"}),
    ),
    row(
        "address by field and annotation",
        Reason.REQUEST_TWICE,
        **svc("a", ips="3.4.5.6", load_balancer_ip="3.4.5.6"),
    ),
    row("no address", Reason.REQUEST_MALFORMED, **svc("a", load_balancer_ip="please sir")),
    row("address outside all pools", Reason.ADDRESS_IN_NO_POOL, **svc("a", ips="9.9.9.9")),
    row("IPv6 for IPv4", Reason.FAMILY_MISMATCH, **svc("a", ips="1000::")),
    row("IPv4 for IPv6", Reason.FAMILY_MISMATCH, **svc("a", ips="1.2.3.0", families=V6)),
    row("field: IPv6 for IPv4", Reason.FAMILY_MISMATCH, **svc("a", load_balancer_ip="1000::")),
    row(
        "field: IPv4 for IPv6",
        Reason.FAMILY_MISMATCH,
        **svc("a", load_balancer_ip="1.2.3.0", families=V6),
    ),
    row("two of one family", Reason.REQUEST_MALFORMED, **svc("a", ips="1.2.3.0,1.2.3.1")),
    row(
        "address not of the pool asked for",
        Reason.ADDRESS_NOT_IN_POOL,
        **svc("a", ips="1.2.3.0", pool="pool2"),
    ),
    row("pool", ("3.4.5.6",), **svc("a", pool="pool2")),
    row("switch of pool", ("3.4.5.6",), **svc("a", pool="pool2", ingress=("1.2.3.0",))),
    row("unknown pool", Reason.POOL_UNKNOWN, **svc("a", pool="does-not-exist")),
    row("foreign address in the status", "pool1", **svc("a", ingress=("2.3.4.5",))),
    row("no address in the status", "pool1", **svc("a", ingress_complete=False)),
    row("was a load balancer", (), type="NodePort", **svc("a", ingress=("1.2.3.0",))),
    row("local endpoints", "pool1", **svc("a", local="a")),
    row("no cluster IP", Reason.NO_CLUSTER_IP, **svc("a", families=())),
    row("has IPv6, is IPv4", "pool1", **svc("a", ingress=("1000::",))),
    row("has IPv4, is IPv6", "pool3", **svc("a", ingress=("1.2.3.0",), families=V6)),
    row("dual stack", "pool5", **svc("a", families=DUAL)),
    row("dual stack of a pool", "pool6", **svc("a", families=DUAL, pool="pool6")),
    row("dual stack, one family there", "pool5", **svc("a", families=DUAL, ingress=("5.5.5.1",))),
    row(
        "dual stack of a pool of one family",
        Reason.FAMILY_NOT_IN_POOL,
        **svc("a", families=DUAL, pool="pool1"),
    ),
    row("prefers two, has two", "pool5", **svc("a", families=DUAL, policy="PreferDualStack")),
    row("prefers two, has one IPv4", "pool1", **svc("a", policy="PreferDualStack")),
    row("prefers two, has one IPv6", "pool3", **svc("a", families=V6, policy="PreferDualStack")),
    row(
        "prefers two, the pool has one",
        ("3.4.5.6",),
        **svc("a", families=DUAL, policy="PreferDualStack", pool="pool2"),
    ),
    row(
        "prefers two, the pool has the other one",
        ("2000::1",),
        **svc("a", families=DUAL, policy="PreferDualStack", pool="pool4"),
    ),
    row(
        "prefers two, is completed",
        ("5.5.5.0", "5000::"),
        **svc("a", families=DUAL, policy="PreferDualStack", ingress=("5.5.5.0",)),
    ),
    row(
        "prefers two, has one cluster IP and both addresses",
        ("5.5.5.0",),
        **svc("a", policy="PreferDualStack", ingress=("5.5.5.0", "5000::")),
    ),
    row("requires two, has one", Reason.NOT_DUAL_STACK, **svc("a", policy="RequireDualStack")),
    row("requires two", "pool5", **svc("a", families=DUAL, policy="RequireDualStack")),
    row(
        "field for dual stack",
        Reason.FAMILY_MISMATCH,
        **svc("a", families=DUAL, load_balancer_ip="5.5.5.1"),
    ),
    row("one of two", Reason.FAMILY_MISMATCH, **svc("a", families=DUAL, ips="5.5.5.1")),
    row("two of two", ("5.5.5.1", "5000::1"), **svc("a", families=DUAL, ips="5000::1, 5.5.5.1")),
    row(
        "dual stack, one of a foreign pool",
        "pool5",
        **svc("a", families=DUAL, ingress=("2.2.2.2", "2222::")),
    ),
    row("two of one", Reason.FAMILY_MISMATCH, **svc("a", families=V4, ips="5.5.5.1,5000::1")),
    row("namespace with a pool", "pool7", name="ns1/a", **svc("a")),
    row("namespace with a pool without priority", "pool8", name="ns2/a", **svc("a")),
    row("label with a pool", "pool9", **svc("a", labels={"team": "red"})),
    row("label before namespace by priority", "pool9", "ns1/a", **svc("a", labels={"team": "red"})),
    row("unset priority is last", "pool7", "ns1/a", **svc("a", labels={"team": "blue"})),
    row(
        "pool of another namespace",
        Reason.POOL_NOT_FOR_SERVICE,
        **svc("a", pool="pool11"),
    ),
    row("all of its class", (), load_balancer_class="other", **svc("a")),
]


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster(*POOLS)
    for text in ("ns1", "ns2"):
        cluster.namespaces[text] = namespace(text)
    return cluster


@pytest.mark.parametrize(("name", "spec", "wants"), ROWS)
def test_one_service(cluster: Cluster, name: str, spec: Mapping[str, Any], wants: Wants) -> None:
    cluster.put(service(name, **spec)).settle()

    check(cluster, name, wants)
    assert cluster.plan().changes == ()
    cluster.restart().settle()
    check(cluster, name, wants)


DELETED = [
    pytest.param(svc("a"), id="deleted before it had an address"),
    pytest.param(svc("a", ingress=("1.2.3.1",)), id="deleted with an address"),
    pytest.param(svc("a", families=DUAL, ingress=("5.5.5.0", "5000::")), id="deleted with two"),
    pytest.param(svc("a", pool="none"), id="deleted while it waited"),
]


@pytest.mark.parametrize("spec", DELETED)
def test_one_service_deleted(cluster: Cluster, spec: Mapping[str, Any]) -> None:
    """Before it was planned for, and after."""
    cluster.put(service("a", **spec)).delete("a").run()
    cluster.put(service("a", **spec)).settle()
    had = cluster.addresses("a")

    cluster.delete("a").settle()

    assert not cluster.planner.outcomes
    assert not cluster.planner.ledger.holdings()
    for number, address in enumerate(had):
        families = V4 if "." in address else V6
        cluster.put(service(f"b{number}", **svc("b", families=families, ips=address))).run()
        assert cluster.addresses(f"b{number}") == (address,)


@pytest.mark.parametrize("seed", range(5))
def test_rows_in_one_cluster_in_any_order(cluster: Cluster, seed: int) -> None:
    """Each row is put, checked and removed while the planner lives on."""
    rows = list(ROWS)
    Random(seed).shuffle(rows)
    for param in rows:
        name, spec, wants = param.values
        cluster.put(service(name, **spec)).run(70.0)
        check(cluster, name, wants)
        cluster.delete(name).run(70.0)


def check(cluster: Cluster, name: str, wants: Wants) -> None:
    got = cluster.addresses(name)
    outcome = cluster.outcome(name)
    if isinstance(wants, Reason):
        assert isinstance(outcome, Pending)
        assert (outcome.reason, got) == (wants, ())
    elif isinstance(wants, str):
        assert isinstance(outcome, Assigned)
        assert (outcome.pool, tuple(map(str, outcome.addresses))) == (wants, got)
    else:
        assert got == wants


def test_annotation_of_the_pool_goes_with_the_address() -> None:
    cluster = Cluster(*POOLS).put(service("a")).run()
    [found] = cluster.services.values()
    assert found.annotations[POOL_ANNOTATION] == "pool1"

    headless = replace(found, cluster_ips=(), annotations=MappingProxyType(dict(found.annotations)))
    cluster.services[found.name] = headless
    cluster.put(headless).run()

    cleared: Service = cluster.services[found.name]
    assert POOL_ANNOTATION not in cleared.annotations
    assert cleared.ingress == ()
