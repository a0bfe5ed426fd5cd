"""The walkthrough every user starts with, unchanged, in both modes; then everything removed."""

import json
from pathlib import Path

import pytest

from netns_lab.lab import Lab
from netns_lab.manifests import read_file
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("embedded", "kube")
SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
SERVICE = "/api/v1/namespaces/default/services/nginx-deployment-service"
URL = "http://192.168.4.10:8090"
BOTH = {"web1\n", "web2\n"}


@pytest.fixture(scope="module", autouse=True)
def _applied(lab: Lab) -> None:
    lab.apply_file(str(SAMPLES / "first-pool.yaml"))


def ingress(lab: Lab) -> list[str]:
    service = lab.get(SERVICE) or {}
    entries = (service.get("status", {}).get("loadBalancer") or {}).get("ingress") or ()
    return [entry["ip"] for entry in entries]


def routes(lab: Lab) -> set[str]:
    text = lab.exec("router", ["ip", "-j", "route", "show", "192.168.4.10/32"]).stdout
    found = json.loads(text or "[]")
    return {hop["gateway"] for route in found for hop in route.get("nexthops", [route])}


def arp_answers(lab: Lab) -> set[str]:
    """MACs that answer one broadcast request."""
    argv = ["arping", "-b", "-c", "2", "-w", "2", "-I", "lan0", "192.168.4.10"]
    words = lab.exec("watcher", argv).stdout.split()
    return {word.strip("[]").lower() for word in words if word.startswith("[")}


def test_service_gets_the_first_address_of_the_pool(lab: Lab) -> None:
    assert until(lambda: ingress(lab), 60, "an address in the status") == ["192.168.4.10"]
    annotations = (lab.get(SERVICE) or {})["metadata"]["annotations"]
    assert annotations["metallb.io/ip-allocated-from-pool"] == "first-pool"


def test_lan_client_meets_both_web_servers(lab: Lab) -> None:
    answers: set[str | None] = set()

    def both() -> bool:
        answers.add(lab.fetch("client", URL))
        return answers >= BOTH

    until(both, 20, "web1 and web2")


def test_exactly_one_node_answers_arp(lab: Lab) -> None:
    answers = until(lambda: arp_answers(lab), 20, "an ARP answer")
    owners = {nic.mac for node in lab.plan.nodes for nic in node.host.nics if nic.name == "lan0"}
    assert len(answers) == 1
    assert answers <= owners


def test_client_behind_the_router_is_served_by_bgp(lab: Lab) -> None:
    lab.apply_file(str(SAMPLES / "bgp-router.yaml"))
    nodes = {node.lan_v4 for node in lab.plan.nodes}
    until(lambda: routes(lab) == nodes, 20, "the /32 by every node")
    assert until(lambda: lab.fetch("remote", URL), 20, "an answer behind the router") in BOTH


def test_deleting_it_all_leaves_no_route_and_no_answer(lab: Lab) -> None:
    for name in ("bgp-router.yaml", "first-pool.yaml"):
        list(lab.delete(read_file(str(SAMPLES / name))))
    until(lambda: not routes(lab), 20, "the route is gone")
    until(lambda: not arp_answers(lab), 20, "nobody answers")
