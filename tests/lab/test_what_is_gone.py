"""What an operator takes away leaves nothing behind: no row, no series, no false move."""

from pathlib import Path
from typing import Any

import pytest

from herald.reach import LabReach, all_status
from herald.trace import troubles
from netns_lab.lab import Lab
from tests.lab.until import until

pytestmark = pytest.mark.netns

LAB_NODES = 2
SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
VIP = "192.168.4.10"
URL = f"http://{VIP}:8090"
PEERS = "/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers"
ROUTER, NOBODY = "192.168.4.1", "192.168.4.99"


@pytest.fixture(autouse=True)
def _applied(lab: Lab) -> None:
    for name in ("first-pool.yaml", "bgp-router.yaml"):
        lab.apply_file(str(SAMPLES / name))
    until(lambda: lab.fetch("client", URL), 10, "the Service answers")
    until(lambda: not trouble(lab), 15, "all is well")


def trouble(lab: Lab) -> list[str]:
    return troubles(all_status(LabReach(lab)))


def status(lab: Lab, node: str) -> dict[str, Any]:
    page = LabReach(lab).status(node)
    assert page is not None
    return page


def series(lab: Lab, node: str, address: str) -> list[str]:
    """Return the node's metrics that speak of a peer."""
    text = lab.fetch(node, "http://127.0.0.1:9130/metrics") or ""
    return [line for line in text.splitlines() if f'peer="{address}' in line]


def test_a_deleted_peer_that_was_down_leaves_no_trouble_behind(lab: Lab) -> None:
    spec = {"myASN": 64512, "peerASN": 64514, "peerAddress": NOBODY, "bfdProfile": "fast"}
    peer = {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": {"name": "nobody"}}
    lab.request("POST", PEERS, peer | {"spec": spec})
    until(lambda: any("nobody" in each for each in trouble(lab)), 10, "the session is missed")
    until(lambda: len(series(lab, "node1", NOBODY)) == 4, 5, "its series, and BFD's")

    lab.request("DELETE", f"{PEERS}/nobody")

    until(lambda: not trouble(lab), 5, "all is well")
    for node in ("node1", "node2"):
        assert [each["peer"] for each in status(lab, node)["sessions"]] == ["router"]
        assert [each["peer"] for each in status(lab, node)["bfd"]] == [ROUTER]
        assert series(lab, node, NOBODY) == series(lab, node, "nobody") == []
        assert len(series(lab, node, ROUTER)) == 4


def test_a_deleted_peer_that_was_up_is_said_to_be_up_no_more(lab: Lab) -> None:
    lab.request("DELETE", f"{PEERS}/router")

    until(lambda: not status(lab, "node1")["sessions"], 5, "the row is gone")
    until(lambda: not status(lab, "node1")["bfd"], 5, "BFD's too")
    assert series(lab, "node1", ROUTER) == series(lab, "node1", "router") == []
    assert trouble(lab) == [f"{VIP}: no node announces it by bgp"]
