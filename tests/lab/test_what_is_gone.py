"""What an operator takes away leaves nothing behind: no row, no series, no false move."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from herald.reach import LabReach, all_status
from netns_lab.lab import Lab
from tests.lab.until import until

pytestmark = pytest.mark.netns

LAB_NODES = 2
HERALD = str(Path(sys.executable).with_name("herald"))
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
    until(lambda: well(lab), 15, "all is well")


def well(lab: Lab) -> bool:
    """Tell whether `herald status` says so, by its exit status."""
    said = subprocess.run(
        [HERALD, "status", "--lab", lab.plan.name], capture_output=True, check=False
    )
    return said.returncode == 0


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
    until(lambda: not well(lab), 10, "the session is missed")
    until(lambda: len(series(lab, "node1", NOBODY)) == 4, 5, "its series, and BFD's")

    lab.request("DELETE", f"{PEERS}/nobody")

    until(lambda: well(lab), 5, "all is well")
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


def told(lab: Lab, node: str) -> list[tuple[str, str, str]]:
    """Return the moves on the LAN that a node has recorded."""
    moves = status(lab, node)["moves"]
    found = [each for each in moves if (each["address"], each["interface"]) == (VIP, "lan0")]
    return [(each["from"], each["to"], each["cause"]) for each in found]


def owner(lab: Lab) -> str:
    """Return the node that answers, if all say that it is the same."""
    pages = all_status(LabReach(lab)).values()
    said = [
        each["owner"] if each["state"] in ("owned", "other") else ""
        for page in pages
        for entry in (page or {"addresses": ()})["addresses"]
        if (entry["address"], entry["protocol"]) == (VIP, "layer2")
        for each in entry["owners"]
        if each["interface"] == "lan0"
    ]
    return said[0] if len(set(said)) == 1 else ""


def test_an_address_that_an_edit_took_away_and_gave_back_was_lost_in_between(lab: Lab) -> None:
    before = until(lambda: owner(lab), 5, "one owner")
    counts = {node: len(told(lab, node)) for node in ("node1", "node2")}
    path = "/apis/metallb.io/v1beta1/namespaces/metallb-system/l2advertisements"
    advertisement = f"{path}/example-advertisement"

    lab.patch(advertisement, {"spec": {"ipAddressPools": ["another"]}})
    until(lambda: len(told(lab, before)) > counts[before], 5, "the loss")
    lab.patch(advertisement, {"spec": {"ipAddressPools": ["first-pool"]}})
    after = until(lambda: owner(lab), 5, "one owner")

    for node in (before, after):
        new = told(lab, node)[counts[node] :]
        assert new[0][:2] == (before, "")
        assert new[-1][:2] == ("", after)
        steps = [(one[1], other[0]) for one, other in pairwise(new)]
        assert all(to == come_from for to, come_from in steps), new
    assert told(lab, before)[counts[before]][2] == "removed"


def test_an_advertisement_for_a_nic_that_no_node_has_is_named_and_counted(lab: Lab) -> None:
    before = until(lambda: owner(lab), 5, "one owner")
    path = "/apis/metallb.io/v1beta1/namespaces/metallb-system/l2advertisements"
    advertisement = f"{path}/example-advertisement"

    def closed() -> list[dict[str, Any]]:
        return [
            gate
            for entry in status(lab, before)["addresses"]
            if (entry["address"], entry["protocol"]) == (VIP, "layer2")
            for gate in entry["closed"]
        ]

    lab.patch(advertisement, {"spec": {"interfaces": ["eth77"]}})
    [gate] = until(closed, 5, "the gate")
    assert gate["gate"] == "interface"
    assert gate["object"] == "L2Advertisement example-advertisement"
    assert f"node {before} has no usable NIC eth77: it has lan0 (usable)" in gate["sentence"]
    text = lab.fetch(before, "http://127.0.0.1:9130/metrics") or ""
    assert 'herald_withheld{gate="interface",protocol="layer2"} 1.0' in text

    lab.patch(advertisement, {"spec": {"interfaces": ["lan0"]}})
    until(lambda: owner(lab), 5, "one owner")
    assert closed() == []
    lab.patch(advertisement, {"spec": {"interfaces": None}})
