"""The real kube-proxy in iptables mode: the walkthrough, and traffic that stays on its node."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from netns_lab.lab import Lab
from tests.lab.unrest import unrest
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("kube",)
PROXY_MODE = "iptables"
LAB_NODES, REPLICAS = 3, 2
SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
SERVICE = "/api/v1/namespaces/default/services/nginx-deployment-service"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
VIP = "192.168.4.10"
URL = f"http://{VIP}:8090"
BOTH = {"web1\n", "web2\n"}
LIMIT_S = 60
ROUNDS = 4
"""Where the machine stood still meanwhile."""


@pytest.fixture(scope="module", autouse=True)
def _applied(lab: Lab) -> None:
    for name in ("first-pool.yaml", "bgp-router.yaml"):
        lab.apply_file(str(SAMPLES / name))
    until(lambda: lab.fetch("client", URL), LIMIT_S, "an answer at the address")


def hops(lab: Lab) -> set[str]:
    """Nodes that the router has as next hops."""
    text = lab.exec("router", ["ip", "-j", "route", "show", f"{VIP}/32"]).stdout
    found = json.loads(text or "[]")
    by = {hop.get("gateway") for route in found for hop in route.get("nexthops", [route])}
    return {node.name for node in lab.plan.nodes if node.lan_v4 in by}


def owners(lab: Lab) -> set[str]:
    """Nodes that answer ARP for the address."""
    argv = ["arping", "-b", "-c", "2", "-w", "2", "-I", "lan0", VIP]
    words = lab.exec("watcher", argv).stdout.split()
    macs = {word.strip("[]").lower() for word in words if word.startswith("[")}
    nics = {nic.mac: node.name for node in lab.plan.nodes for nic in node.host.nics}
    return {nics[mac] for mac in macs}


def endpoints(lab: Lab) -> dict[str, str]:
    """The nodes of the Service's ready endpoints, with their addresses."""
    return dict(ready(lab))


def ready(lab: Lab) -> list[tuple[str, str]]:
    """Node and address of each endpoint that is not on its way in or out."""
    found: dict[str, Any] = lab.request("GET", SLICES)
    return [
        (endpoint["nodeName"], endpoint["addresses"][0])
        for each in found["items"]
        if each["metadata"]["labels"].get("kubernetes.io/service-name", "").startswith("nginx")
        for endpoint in each["endpoints"] or ()
        if endpoint["conditions"].get("ready") and not endpoint["conditions"].get("terminating")
    ]


def nodes_of(lab: Lab, count: int) -> set[str]:
    """The nodes of the Service's endpoints, once there are as many as that."""
    until(lambda: len(ready(lab)) == count, LIMIT_S, f"{count} endpoints")
    return set(endpoints(lab))


def owner(lab: Lab) -> str:
    """The node that answers ARP for the address, once one alone does."""

    def alone() -> str:
        (*more, last) = sorted(owners(lab)) or [""]
        return "" if more else last

    return until(alone, LIMIT_S, "one owner")


def has_chain(lab: Lab, node: str) -> bool:
    return f"-d {VIP}/32" in lab.exec(node, ["iptables-save", "-t", "nat"]).stdout


def answers(lab: Lab, host: str) -> bool:
    return lab.fetch(host, URL) in BOTH


def all_seen(lab: Lab, host: str) -> None:
    answers: set[str | None] = set()

    def both() -> bool:
        answers.add(lab.fetch(host, URL))
        return answers >= BOTH

    until(both, LIMIT_S, f"web1 and web2 at {host}")


def test_the_walkthrough_is_served_by_chains_of_iptables(lab: Lab) -> None:
    all_seen(lab, "client")
    until(lambda: hops(lab) == set(lab.plan.node_names), LIMIT_S, "the /32 by every node")
    all_seen(lab, "remote")
    assert owner(lab) in lab.plan.node_names
    for node in lab.plan.node_names:
        until(partial(has_chain, lab, node), LIMIT_S, f"the address in the chains of {node}")
        assert "kube-proxy" not in lab.exec(node, ["nft", "list", "tables"]).stdout


def test_local_traffic_goes_to_nodes_with_an_endpoint_and_keeps_its_source(lab: Lab) -> None:
    have = nodes_of(lab, REPLICAS)
    assert 0 < len(have) < LAB_NODES
    lab.patch(SERVICE, {"spec": {"externalTrafficPolicy": "Local"}})
    try:
        until(lambda: hops(lab) == have, LIMIT_S, f"routes by {have} alone")
        until(lambda: owner(lab) in have, LIMIT_S, "an owner among them")
        for host in ("client", "remote"):
            until(partial(answers, lab, host), LIMIT_S, f"an answer at {host}")
        until(partial(keeps_its_source, lab), LIMIT_S, "a connection that is not masqueraded")
    finally:
        lab.patch(SERVICE, {"spec": {"externalTrafficPolicy": "Cluster"}})
    until(lambda: hops(lab) == set(lab.plan.node_names), LIMIT_S, "routes by all")


def keeps_its_source(lab: Lab) -> bool:
    """Ask once more, and tell whether the owner knows the endpoint as the client's other end."""
    lab.fetch("client", URL)
    node = owner(lab)
    seen = lab.exec(node, ["conntrack", "-L", "-d", VIP, "-p", "tcp"]).stdout
    # Not masqueraded: the endpoint answers the client, not the node.
    return f"src={endpoints(lab).get(node)} dst={client_address(lab)}" in seen


def client_address(lab: Lab) -> str:
    (nic,) = lab.plan.host("client").nics
    return str(next(each.ip for each in nic.addresses if each.version == 4))


def test_a_local_endpoint_that_goes_takes_the_route_along(lab: Lab) -> None:
    deployment = "/apis/apps/v1/namespaces/default/deployments/nginx-deployment"
    nodes_of(lab, REPLICAS)
    lab.patch(SERVICE, {"spec": {"externalTrafficPolicy": "Local"}})
    try:
        lab.patch(deployment, {"spec": {"replicas": 1}})
        nodes_of(lab, 1)
        until(lambda: hops(lab) == set(endpoints(lab)), LIMIT_S, "the route by its node alone")
        for host in ("client", "remote"):
            until(partial(answers, lab, host), LIMIT_S, f"an answer at {host}")
    finally:
        lab.patch(deployment, {"spec": {"replicas": REPLICAS}})
        lab.patch(SERVICE, {"spec": {"externalTrafficPolicy": "Cluster"}})
    until(lambda: hops(lab) == set(lab.plan.node_names), LIMIT_S, "routes by all")


def test_a_restarted_kube_proxy_moves_nothing(lab: Lab) -> None:
    for _ in range(ROUNDS):
        until(lambda: hops(lab) == set(lab.plan.node_names), LIMIT_S, "routes by all")
        before = owner(lab)
        with unrest(lab) as noticed:
            restart_proxy(lab, before)
            after, by = owner(lab), hops(lab)
            if (after == before and by == set(lab.plan.node_names)) or not noticed():
                break
    assert (after, by) == (before, set(lab.plan.node_names))


def restart_proxy(lab: Lab, node: str) -> None:
    lab.stop_proxy(node)
    try:
        until(lambda: lab.fetch("client", URL), LIMIT_S, "an answer without kube-proxy")
    finally:
        lab.start_proxy(node)
    until(lambda: lab.fetch("client", URL), LIMIT_S, "an answer again")
