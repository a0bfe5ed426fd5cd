"""An IPv6 Service, in both modes: NDP on the LAN, a /128 in the router."""

import json

import pytest

from netns_lab.lab import Lab
from netns_lab.manifests import read_manifests
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("embedded", "kube")
LAB_NODES = 2
LIMIT_S = 60.0
ADDRESS = "fd00:4::1:10"
URL = f"http://[{ADDRESS}]:80"
OBJECTS = f"""
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {{name: six, namespace: metallb-system}}
spec: {{addresses: ["{ADDRESS}-fd00:4::1:20"]}}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {{name: six, namespace: metallb-system}}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {{name: six, namespace: metallb-system}}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {{name: six, namespace: metallb-system}}
spec: {{myASN: 64512, peerASN: 64513, peerAddress: "fd00:4::1"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: nginx, ports: [{{containerPort: 80}}]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  type: LoadBalancer
  ipFamilies: [IPv6]
  ipFamilyPolicy: SingleStack
  selector: {{app: web}}
  ports: [{{port: 80}}]
"""
SERVICE = "/api/v1/namespaces/default/services/web"


@pytest.fixture(scope="module", autouse=True)
def _applied(lab: Lab) -> None:
    list(lab.apply(read_manifests(OBJECTS, "test")))


def neighbour(lab: Lab) -> str:
    """The MAC that the LAN client has for the address."""
    text = lab.exec("client", ["ip", "-j", "neigh", "show", ADDRESS]).stdout
    return next((entry.get("lladdr", "") for entry in json.loads(text or "[]")), "")


def gateways(lab: Lab) -> set[str]:
    text = lab.exec("router", ["ip", "-6", "-j", "route", "show", f"{ADDRESS}/128"]).stdout
    found = json.loads(text or "[]")
    return {hop["gateway"] for route in found for hop in route.get("nexthops", [route])}


def test_lan_client_finds_the_owner_by_neighbour_discovery(lab: Lab) -> None:
    until(lambda: lab.fetch("client", URL), LIMIT_S, "an answer by IPv6")
    macs = {nic.mac for node in lab.plan.nodes for nic in node.host.nics if nic.name == "lan0"}
    until(lambda: neighbour(lab) in macs, LIMIT_S, "a node in the client's table")


def test_router_has_the_route_by_every_node_and_serves_the_far_client(lab: Lab) -> None:
    until(lambda: len(gateways(lab)) == 2, LIMIT_S, "the /128 by both nodes")
    answer = until(lambda: lab.fetch("remote", URL), LIMIT_S, "an answer behind the router")
    assert answer in ("web1\n", "web2\n")


def test_owner_that_dies_is_replaced(lab: Lab) -> None:
    until(lambda: lab.fetch("client", URL), LIMIT_S, "an answer by IPv6")
    has = {nic.mac: node.name for node in lab.plan.nodes for nic in node.host.nics}
    owner = until(lambda: has.get(neighbour(lab), ""), LIMIT_S, "the owner in the client's table")
    lab.kill_node(owner)
    try:
        other = next(node for node in lab.plan.nodes if node.name != owner)
        mac = next(nic.mac for nic in other.host.nics if nic.name == "lan0")
        until(lambda: neighbour(lab) == mac, LIMIT_S, f"{other.name} in the client's table")
    finally:
        lab.start_node(owner)
