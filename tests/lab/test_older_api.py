"""An API server of an older version: Herald works, or says what it misses; an upgrade heals it.

The embedded control plane plays the release, and daemons meet it as they meet an upgrade of the
cluster in the wrong direction and back: watches end, and what answers then knows less.
"""

import json
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from herald.reach import LabReach, all_status
from herald.troubles import troubles
from netns_lab.lab import Lab
from tests.lab.until import until

pytestmark = pytest.mark.netns

LAB_NODES = 2
SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
SERVICES = "/api/v1/namespaces/default/services"
SERVICE = f"{SERVICES}/nginx-deployment-service"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
URL = "http://192.168.4.10:8090"
NEWEST, NO_TYPE_SELECTOR, NO_SERVING, NO_SLICES = 36, 30, 21, 20
QUIET_S = 3.0
LIMIT_S = 90
SERVED_S = 5.0
"""Longer than a machine stands still, and not so long that what was broken is whole again."""


@pytest.fixture(scope="module", autouse=True)
def _applied(lab: Lab) -> None:
    for name in ("first-pool.yaml", "bgp-router.yaml"):
        lab.apply_file(str(SAMPLES / name))
    until(lambda: lab.fetch("client", URL), LIMIT_S, "an answer at the address")
    until(lambda: lab.fetch("remote", URL), LIMIT_S, "an answer behind the router")


@pytest.fixture(autouse=True)
def _upgraded(lab: Lab) -> Iterator[None]:
    """The next test begins with the newest."""
    yield
    lab.play_release(NEWEST)
    until(lambda: not said(lab), LIMIT_S, "all is well")


@pytest.fixture
def running(lab: Lab) -> Iterator[None]:
    """None of the daemons is started again by a test."""
    before = starts(lab)
    yield
    assert starts(lab) == before


def said(lab: Lab) -> list[str]:
    """What `herald status` says is wrong."""
    return list(troubles(all_status(LabReach(lab))))


def starts(lab: Lab) -> dict[str, int]:
    names = ("controller", "brain", "wire", "bgp")
    processes = {each["process"]: each["starts"] for each in lab.status()["processes"]}
    return {n: count for n, count in processes.items() if n.startswith(names)}


def load_balancer(name: str, port: int) -> dict[str, Any]:
    spec = {
        "type": "LoadBalancer",
        "ports": [{"port": port, "targetPort": 80}],
        "selector": {"app": "nginx-deployment"},
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def ingress(lab: Lab, path: str) -> list[dict[str, str]]:
    status = (lab.get(path) or {}).get("status") or {}
    return list((status.get("loadBalancer") or {}).get("ingress") or ())


def serves_anew(lab: Lab, name: str, port: int) -> None:
    """A new Service gets an address, is announced in both modes, and gives the address back."""
    path = f"{SERVICES}/{name}"
    lab.request("POST", SERVICES, load_balancer(name, port))
    address = until(lambda: ingress(lab, path), LIMIT_S, f"an address of {name}")[0]["ip"]
    for host in ("client", "remote"):
        asked = partial(lab.fetch, host, f"http://{address}:{port}")
        until(asked, LIMIT_S, f"an answer of {name} at {host}")
    # The watch shows it as a change of an object that is no longer wanted.
    lab.patch(path, {"spec": {"type": "ClusterIP"}})
    until(lambda: not ingress(lab, path), LIMIT_S, f"the address of {name} given back")
    lab.request("DELETE", path)


def is_quiet(lab: Lab) -> bool:
    lab.api_fault(reset="counts")
    stays(lab)
    return written(lab) == 0


def written(lab: Lab) -> int:
    """Requests of Herald's daemons that change something, the controller's Lease aside."""
    counts: list[dict[str, Any]] = lab.api_fault(get="counts")["requests"]
    return sum(
        each["count"]
        for each in counts
        if each["agent"].startswith("herald")
        and each["verb"] in ("create", "update", "patch", "delete")
        and each["resource"] != "leases"
    )


def stays(lab: Lab, seconds: float = QUIET_S) -> None:
    """For a while both clients are served as before."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert lab.fetch("client", URL, timeout_s=SERVED_S)
        assert lab.fetch("remote", URL, timeout_s=SERVED_S)


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("minor", [NO_TYPE_SELECTOR, NO_SERVING])
def test_an_older_server_is_enough(lab: Lab, minor: int) -> None:
    before = ingress(lab, SERVICE)[0]["ip"]
    lab.play_release(minor)
    stays(lab)
    serves_anew(lab, f"at-{minor}", 8000 + minor)
    # What the server drops of a write is not written again and again.
    until(lambda: is_quiet(lab), LIMIT_S, "an end of the writes")
    assert ingress(lab, SERVICE)[0]["ip"] == before
    until(lambda: not said(lab), LIMIT_S, "nothing is wrong")
    lab.play_release(NEWEST)
    stays(lab)
    serves_anew(lab, f"after-{minor}", 8100 + minor)


def test_daemons_start_on_an_older_server(lab: Lab) -> None:
    before = ingress(lab, SERVICE)
    lab.play_release(NO_SERVING)
    for process in ("controller", *(f"brain@{node}" for node in lab.plan.node_names)):
        lab.signal(process, signal.SIGKILL)
    stays(lab)
    serves_anew(lab, "started", 8200)
    assert [each["ip"] for each in ingress(lab, SERVICE)] == [each["ip"] for each in before]


@pytest.mark.usefixtures("running")
def test_traffic_that_stays_local_needs_no_condition_of_later_servers(lab: Lab) -> None:
    lab.play_release(NO_SERVING)
    lab.patch(SERVICE, {"spec": {"externalTrafficPolicy": "Local"}})
    try:
        by_all = "routes by the nodes with an endpoint"
        until(lambda: hops(lab) == nodes_with_endpoints(lab), LIMIT_S, by_all)
        until(lambda: lab.fetch("client", URL), LIMIT_S, "an answer at client")
        until(lambda: lab.fetch("remote", URL), LIMIT_S, "an answer at remote")
        scale(lab, 1)
        until(lambda: len(nodes_with_endpoints(lab)) == 1, LIMIT_S, "one endpoint")
        alone = "the route by its node alone"
        until(lambda: hops(lab) == nodes_with_endpoints(lab), LIMIT_S, alone)
    finally:
        scale(lab, 2)
        lab.patch(SERVICE, {"spec": {"externalTrafficPolicy": "Cluster"}})
    until(lambda: len(hops(lab)) == LAB_NODES, LIMIT_S, "routes by all")


@pytest.mark.usefixtures("running")
def test_a_server_without_a_kind_is_named_and_what_is_announced_stays(lab: Lab) -> None:
    lab.play_release(NO_SLICES)
    until(lambda: says_slices_are_missing(lab), LIMIT_S, "every brain says what it misses")
    stays(lab)
    lab.play_release(NEWEST)
    until(lambda: not said(lab), LIMIT_S, "all is well")
    serves_anew(lab, "upgraded", 8300)


def says_slices_are_missing(lab: Lab) -> bool:
    words = said(lab)
    return all(
        any(each.startswith(f"{node}: cannot watch EndpointSlice: 404") for each in words)
        for node in lab.plan.node_names
    )


def scale(lab: Lab, replicas: int) -> None:
    deployment = "/apis/apps/v1/namespaces/default/deployments/nginx-deployment"
    lab.patch(deployment, {"spec": {"replicas": replicas}})


def nodes_with_endpoints(lab: Lab) -> set[str]:
    found: dict[str, Any] = lab.request("GET", SLICES)
    return {
        endpoint["nodeName"]
        for each in found["items"]
        if each["metadata"]["labels"].get("kubernetes.io/service-name", "").startswith("nginx")
        for endpoint in each["endpoints"]
        if endpoint["conditions"]["ready"]
    }


def hops(lab: Lab) -> set[str]:
    """Nodes that the router has as next hops."""
    text = lab.exec("router", ["ip", "-j", "route", "show", "192.168.4.10/32"]).stdout
    found = json.loads(text or "[]")
    by = {hop.get("gateway") for route in found for hop in route.get("nexthops", [route])}
    return {node.name for node in lab.plan.nodes if node.lan_v4 in by}
