"""What an operator takes away leaves nothing behind: no row, no series, no false move."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from herald.reach import LabReach, all_status
from netns_lab.lab import Lab
from tests.lab.lab_attempts import once_more_when_wires_starved
from tests.lab.until import until

pytestmark = pytest.mark.netns

LAB_NODES = 2
NODES = ("node1", "node2")
LIMIT_S = 60.0
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
    until(lambda: lab.fetch("client", URL), LIMIT_S, "the Service answers")
    until(lambda: well(lab), LIMIT_S, "all is well")


def well(lab: Lab) -> bool:
    """Tell whether `herald status` says so, by its exit status."""
    said = subprocess.run(
        [HERALD, "status", "--lab", lab.plan.name], capture_output=True, check=False
    )
    return said.returncode == 0


def status(lab: Lab, node: str) -> dict[str, Any]:
    page = until(lambda: LabReach(lab).status(node), LIMIT_S, f"the page of {node}")
    assert page is not None
    return page


def rows(lab: Lab, node: str) -> tuple[list[str], list[str]]:
    """Return the peers of which the node's page has a session, and those with BFD."""
    page = status(lab, node)
    return [each["peer"] for each in page["sessions"]], [each["peer"] for each in page["bfd"]]


def left(lab: Lab, node: str, *peers: str) -> list[str]:
    """Return the node's metrics that speak of any of the peers."""
    return [line for peer in peers for line in series(lab, node, peer)]


def metrics(lab: Lab, node: str) -> str:
    """Return the metrics of the node's brain; no answer is not the same as none."""
    url = "http://127.0.0.1:9130/metrics"
    return until(lambda: lab.fetch(node, url), LIMIT_S, f"the metrics of {node}") or ""


def series(lab: Lab, node: str, address: str) -> list[str]:
    """Return the node's metrics that speak of a peer."""
    text = metrics(lab, node)
    return [line for line in text.splitlines() if f'peer="{address}' in line]


def test_a_deleted_peer_that_was_down_leaves_no_trouble_behind(lab: Lab) -> None:
    spec = {"myASN": 64512, "peerASN": 64514, "peerAddress": NOBODY, "bfdProfile": "fast"}
    peer = {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": {"name": "nobody"}}
    lab.request("POST", PEERS, peer | {"spec": spec})
    until(lambda: not well(lab), LIMIT_S, "the session is missed")
    until(lambda: len(series(lab, "node1", NOBODY)) == 4, LIMIT_S, "its series, and BFD's")

    lab.request("DELETE", f"{PEERS}/nobody")

    until(lambda: well(lab), LIMIT_S, "all is well")
    until(lambda: all(rows(lab, n) == (["router"], [ROUTER]) for n in NODES), LIMIT_S, "no row")
    until(lambda: not any(left(lab, n, NOBODY, "nobody") for n in NODES), LIMIT_S, "no series")
    until(lambda: all(len(series(lab, n, ROUTER)) == 4 for n in NODES), LIMIT_S, "the other's")


def test_a_deleted_peer_that_was_up_is_said_to_be_up_no_more(lab: Lab) -> None:
    lab.request("DELETE", f"{PEERS}/router")

    until(lambda: rows(lab, "node1") == ([], []), LIMIT_S, "the row is gone, and BFD's too")
    until(lambda: not left(lab, "node1", ROUTER, "router"), LIMIT_S, "no series of it")


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


@once_more_when_wires_starved
def test_an_address_that_an_edit_took_away_and_gave_back_was_lost_in_between(lab: Lab) -> None:
    before = until(lambda: owner(lab), LIMIT_S, "one owner")
    counts = {node: len(told(lab, node)) for node in NODES}

    def new(node: str) -> list[tuple[str, str, str]]:
        return told(lab, node)[counts[node] :]

    def now_at(node: str) -> str | None:
        """Return where the address has gone, as the node has heard: None while not at all."""
        return found[-1][1] if (found := new(node)) else None

    def taken() -> str:
        """Return the owner, once both have noted it."""
        there = owner(lab)
        return there if {now_at(node) for node in NODES} == {there} else ""

    path = "/apis/metallb.io/v1beta1/namespaces/metallb-system/l2advertisements"
    advertisement = f"{path}/example-advertisement"

    lab.patch(advertisement, {"spec": {"ipAddressPools": ["another"]}})
    until(lambda: all(now_at(node) == "" for node in NODES), LIMIT_S, "the loss, on both")
    lab.patch(advertisement, {"spec": {"ipAddressPools": ["first-pool"]}})
    after = until(taken, LIMIT_S, "one owner")

    for node in (before, after):
        moves = new(node)
        assert moves[0][:2] == (before, "")
        assert moves[-1][:2] == ("", after)
        steps = [(one[1], other[0]) for one, other in pairwise(moves)]
        assert all(to == come_from for to, come_from in steps), moves
    assert told(lab, before)[counts[before]][2] == "removed"


def test_an_advertisement_for_a_nic_that_no_node_has_is_named_and_counted(lab: Lab) -> None:
    before = until(lambda: owner(lab), LIMIT_S, "one owner")
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
    [gate] = until(closed, LIMIT_S, "the gate")
    assert gate["gate"] == "interface"
    assert gate["object"] == "L2Advertisement example-advertisement"
    assert f"node {before} has no usable NIC eth77: it has lan0 (usable)" in gate["sentence"]
    counted = 'herald_withheld{gate="interface",protocol="layer2"} 1.0'
    until(lambda: counted in metrics(lab, before), LIMIT_S, "it is counted")

    lab.patch(advertisement, {"spec": {"interfaces": ["lan0"]}})
    until(lambda: not closed(), LIMIT_S, "no gate")
    until(lambda: owner(lab), LIMIT_S, "one owner")
    lab.patch(advertisement, {"spec": {"interfaces": None}})
