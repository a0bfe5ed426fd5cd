"""Policy in a lab: traffic policies, gates, drains and bad input, seen by clients and `explain`."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from herald.moves import MoveTrace, moves
from herald.reach import LabReach, all_status
from herald.trace import AddressTrace, trace
from herald.troubles import dropped, troubles
from netns_lab.lab import Lab
from tests.lab.lab_attempts import once_more_when_wires_starved
from tests.lab.until import until

pytestmark = pytest.mark.netns

SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
VIP = "192.168.4.10"
URL = f"http://{VIP}:8090"
SERVICE = "/api/v1/namespaces/default/services/nginx-deployment-service"
HERALD = str(Path(sys.executable).with_name("herald"))
BOTH = {"web1\n", "web2\n"}
EXCLUDE = "node.kubernetes.io/exclude-from-external-load-balancers"
LIMIT_S = 60.0
PATIENCE_S = 20.0
"""Of one question that must be answered, however busy the machine."""
HERALD_OBJECTS = "/apis/metallb.io/v1beta1/namespaces/metallb-system"


@pytest.fixture(scope="module", autouse=True)
def _applied(lab: Lab) -> None:
    for name in ("first-pool.yaml", "bgp-router.yaml"):
        lab.apply_file(str(SAMPLES / name))
    until(lambda: lab.fetch("client", URL), LIMIT_S, "the Service answers")
    until(lambda: routes(lab) == {"node1", "node2", "node3"}, 2 * LIMIT_S, "every node's route")


@pytest.fixture(autouse=True)
def _well_again(lab: Lab) -> Iterator[None]:
    yield
    lab.api_fault(mode="pass")
    until(lambda: lab.fetch("client", URL), LIMIT_S, "the Service answers again")


def layer2(lab: Lab) -> AddressTrace:
    return trace(all_status(LabReach(lab)), VIP, "layer2")


def bgp(lab: Lab) -> AddressTrace:
    return trace(all_status(LabReach(lab)), VIP, "bgp")


def owner(lab: Lab) -> str:
    active = layer2(lab).active
    return active[0] if len(active) == 1 else ""


def agreed(lab: Lab) -> str:
    """The owner, if all nodes' pages say that it is the same: one alone may lag behind."""
    pages = all_status(LabReach(lab)).values()
    said = [
        each["owner"] if each["state"] in ("owned", "other") else ""
        for page in pages
        for entry in (page or {"addresses": ()})["addresses"]
        if (entry["address"], entry["protocol"]) == (VIP, "layer2")
        for each in entry["owners"]
        if each["interface"] == "lan0"
    ]
    return said[0] if len(said) == len(pages) and len(set(said)) == 1 else ""


def said_owner(lab: Lab) -> str:
    """The owner, once all agree."""
    return until(lambda: agreed(lab), LIMIT_S, "one owner, by all nodes")


def routes(lab: Lab) -> set[str]:
    """Nodes that the router has as next hops."""
    text = lab.exec("router", ["ip", "-j", "route", "show", f"{VIP}/32"]).stdout
    found = json.loads(text or "[]")
    hops = {hop.get("gateway") for route in found for hop in route.get("nexthops", [route])}
    return {node.name for node in lab.plan.nodes if node.lan_v4 in hops}


def closed(found: AddressTrace, node: str) -> list[str]:
    return [gate["gate"] for each in found.nodes if each.node == node for gate in each.closed]


def status(lab: Lab, node: str) -> dict[str, Any]:
    page = until(lambda: LabReach(lab).status(node), LIMIT_S, f"the page of {node}")
    assert page is not None
    return page


def all_pages(lab: Lab) -> dict[str, dict[str, Any]]:
    return {node: status(lab, node) for node in lab.plan.node_names}


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run_well(*arguments: str) -> bool:
    return run(HERALD, *arguments).returncode == 0


def kept(lab: Lab, node: str) -> str:
    """What a node's brain keeps for a start without the API server."""
    folder = lab.state.node(node) / "state"
    return "".join(file.read_text() for file in folder.glob("*.intent"))


def pools(lab: Lab) -> list[str]:
    """Names of pools that some brain still uses."""
    pages = all_pages(lab).values()
    return [name for page in pages for name in page["configuration"]["pools"]]


def endpoints(lab: Lab) -> list[str]:
    """The nodes of the Service's ready endpoints."""
    slices = lab.get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices") or {}
    return [
        endpoint["nodeName"]
        for each in slices["items"]
        if each["metadata"]["labels"].get("kubernetes.io/service-name", "").startswith("nginx")
        for endpoint in each.get("endpoints") or ()
        if endpoint["conditions"]["ready"]
    ]


@once_more_when_wires_starved
def test_an_excluded_node_gives_up_its_address_and_its_route(lab: Lab) -> None:
    first = said_owner(lab)
    lab.patch(f"/api/v1/nodes/{first}", {"metadata": {"labels": {EXCLUDE: "false"}}})

    until(lambda: owner(lab) not in ("", first), LIMIT_S, "another owner")
    until(lambda: first not in routes(lab), LIMIT_S, "its route is gone")
    until(lambda: closed(layer2(lab), first) == ["node-not-excluded"], LIMIT_S, "why not by layer2")
    until(lambda: closed(bgp(lab), first) == ["node-not-excluded"], LIMIT_S, "why not by bgp")

    def last() -> MoveTrace | None:
        found = moves(all_pages(lab), VIP)
        return found[-1] if found and found[-1].other else None

    told = until(last, LIMIT_S, "the move")
    assert told is not None
    assert told.before == first
    assert "label excludes the node" in told.other

    lab.patch(f"/api/v1/nodes/{first}", {"metadata": {"labels": {EXCLUDE: None}}})
    until(lambda: first in routes(lab), LIMIT_S, "its route is back")
    assert said_owner(lab) != first, "a returning node takes nothing back"


def test_a_drained_node_hands_over_and_comes_back(lab: Lab) -> None:
    first = said_owner(lab)
    lab.patch(f"/api/v1/nodes/{first}", {"metadata": {"annotations": {"herald.io/drain": "true"}}})

    until(lambda: owner(lab) not in ("", first), LIMIT_S, "another owner")
    until(lambda: first not in routes(lab), LIMIT_S, "its route is gone")
    until(lambda: closed(layer2(lab), first) == ["node-not-draining"], LIMIT_S, "why not")

    lab.patch(f"/api/v1/nodes/{first}", {"metadata": {"annotations": {"herald.io/drain": None}}})
    until(lambda: first in routes(lab), LIMIT_S, "its route is back")


def test_local_is_announced_only_where_an_endpoint_is(lab: Lab) -> None:
    lab.patch(SERVICE, {"spec": {"externalTrafficPolicy": "Local"}})
    until(lambda: len(endpoints(lab)) == 2, LIMIT_S, "both endpoints")
    have = set(endpoints(lab))
    assert 0 < len(have) < 3

    until(lambda: routes(lab) == have, LIMIT_S, f"routes by {have} alone")
    until(lambda: owner(lab) in have, LIMIT_S, "an owner with an endpoint")
    lacking = min({"node1", "node2", "node3"} - have)
    until(lambda: closed(layer2(lab), lacking) == ["local-endpoint"], LIMIT_S, "why not elsewhere")

    def health() -> list[str]:
        return list(status(lab, min(have))["health"].values())

    until(lambda: health() == ["open"] * 2, LIMIT_S, "the node's port and the Service's are open")
    until(lambda: lab.fetch("client", URL) in BOTH, LIMIT_S, "the Service answers")

    lab.patch(SERVICE, {"spec": {"externalTrafficPolicy": "Cluster"}})
    until(lambda: len(routes(lab)) == 3, LIMIT_S, "routes by all")


def test_a_service_without_endpoints_is_announced_by_nobody(lab: Lab) -> None:
    deployment = "/apis/apps/v1/namespaces/default/deployments/nginx-deployment"
    lab.patch(deployment, {"spec": {"replicas": 0}})

    until(lambda: not routes(lab), LIMIT_S, "no route")
    until(lambda: not layer2(lab).active, LIMIT_S, "no owner")
    until(lambda: closed(layer2(lab), "node1") == ["endpoint"], LIMIT_S, "why not")
    told = f"{VIP}: no node announces it by layer2"
    until(lambda: told in troubles(all_status(LabReach(lab))), LIMIT_S, "it is told")

    lab.patch(deployment, {"spec": {"replicas": 2}})
    until(lambda: len(routes(lab)) == 3, LIMIT_S, "routes by all")


@once_more_when_wires_starved
def test_all_pools_deleted_at_once_lose_nothing_that_is_in_use(lab: Lab) -> None:
    before = said_owner(lab)
    pool = lab.get(f"{HERALD_OBJECTS}/ipaddresspools/first-pool") or {}
    lab.request("DELETE", f"{HERALD_OBJECTS}/ipaddresspools/first-pool")

    until(lambda: not pools(lab), LIMIT_S, "all brains know that the pools are gone")
    assert said_owner(lab) == before
    until(lambda: len(routes(lab)) == 3, LIMIT_S, "routes by all")
    assert lab.fetch("client", URL, timeout_s=PATIENCE_S) in BOTH

    made = {key: pool[key] for key in ("apiVersion", "kind", "spec")}
    made["metadata"] = {"name": "first-pool"}
    lab.request("POST", f"{HERALD_OBJECTS}/ipaddresspools", made)
    assert said_owner(lab) == before


def test_a_forbidden_kind_stops_nothing_else(lab: Lab) -> None:
    lab.api_fault(mode="error", match="/bgppeers", code=403)
    lab.signal("brain@node1", 9)  # a fresh brain never gets to list it
    until(lambda: LabReach(lab).status("node1"), LIMIT_S, "a new brain")
    until(
        lambda: "BGPPeer" in status(lab, "node1")["api"]["unavailable"],
        LIMIT_S,
        "the fault is said",
    )

    wanted = {"layer2": [], "bgp": ["BGPPeer"]}
    until(lambda: status(lab, "node1")["api"]["missing"] == wanted, LIMIT_S, "all else is listed")
    until(lambda: "node1" in routes(lab), LIMIT_S, "what bgp was told before stays")

    def explained() -> bool:
        said = run(HERALD, "explain", VIP, "--lab", lab.plan.name).stdout
        return "! node1: cannot watch BGPPeer" in said

    until(explained, LIMIT_S, "`explain` tells of it")
    lab.api_fault(mode="pass")
    until(lambda: not status(lab, "node1")["api"]["unavailable"], LIMIT_S, "it is watched again")
    until(lambda: "node1" in routes(lab), LIMIT_S, "its route")


def failed_watches(lab: Lab) -> list[str]:
    return [each for each in dropped(all_status(LabReach(lab))) if "watches that failed" in each]


@once_more_when_wires_starved
def test_watches_that_break_off_in_half_a_line_change_nothing(lab: Lab) -> None:
    before = said_owner(lab)
    lab.api_fault(mode="half")
    lab.patch(SERVICE, {"metadata": {"labels": {"touched": "yes"}}})
    until(lambda: failed_watches(lab), LIMIT_S, "watches have failed")
    lab.api_fault(mode="pass")

    until(lambda: lab.fetch("client", URL) in BOTH, LIMIT_S, "the Service answers")
    assert said_owner(lab) == before
    until(lambda: len(routes(lab)) == 3, LIMIT_S, "routes by all")


@once_more_when_wires_starved
@pytest.mark.parametrize("peer", ["wire", "bgp"])
def test_junk_on_the_seam_changes_nothing(lab: Lab, peer: str) -> None:
    before = said_owner(lab)
    path = lab.state.node(before) / "run" / f"{peer}.sock"
    for junk in (b"\x00\xff junk\n", b'{"v":1,"t":"Begin","epoch":"1","sender":"x"}\n', b"x" * 70):
        with socket.socket(socket.AF_UNIX) as end:
            end.connect(str(path))
            end.sendall(junk)

    assert said_owner(lab) == before
    until(lambda: before in routes(lab), LIMIT_S, "its route")
    port = {"wire": 17474, "bgp": 17475}[peer]
    url = f"http://127.0.0.1:{port}/metrics"
    until(lambda: "seam_faults" in (lab.fetch(before, url) or ""), LIMIT_S, "it is counted")
    told = f"{before}: {peer} has dropped"
    until(
        lambda: any(told in each for each in dropped(all_status(LabReach(lab)))),
        LIMIT_S,
        "it is told",
    )


@once_more_when_wires_starved
def test_the_brain_killed_moves_nothing(lab: Lab) -> None:
    before = said_owner(lab)
    lab.signal(f"brain@{before}", 9)
    until(lambda: LabReach(lab).status(before), LIMIT_S, "a new brain")
    assert said_owner(lab) == before, moves(all_pages(lab), VIP)

    until(lambda: before in routes(lab), LIMIT_S, "its route")
    assert [m for m in status(lab, before)["moves"] if m["address"] == VIP] == []


def test_speakers_that_all_restart_without_the_api_serve_what_they_last_knew(lab: Lab) -> None:
    until(lambda: owner(lab) and len(routes(lab)) == 3, LIMIT_S, "an owner and every route")
    until(
        lambda: all(kept(lab, n.name).count(VIP) >= 3 for n in lab.plan.nodes),
        LIMIT_S,
        "it is on every disk",
    )
    lab.api_fault(mode="refuse")
    for node in ("node1", "node2", "node3"):
        for process in ("brain", "bgp", "wire"):
            lab.signal(f"{process}@{node}", 9)

    def stale() -> bool:
        pages = all_status(LabReach(lab)).values()
        return all(page is not None and page["api"]["stale"] for page in pages)

    until(stale, LIMIT_S, "all brains go by what they last knew")
    until(lambda: owner(lab), LIMIT_S, "one owner")
    until(lambda: len(routes(lab)) == 3, LIMIT_S, "every node's route")
    lab.exec("client", ["ip", "neigh", "flush", "all"])
    until(lambda: lab.fetch("client", URL) in BOTH, LIMIT_S, "the LAN client is served")
    until(lambda: lab.fetch("remote", URL) in BOTH, LIMIT_S, "the routed client is served")
    word = "goes by its last good intent"
    until(
        lambda: any(word in each for each in troubles(all_status(LabReach(lab)))),
        LIMIT_S,
        "it says",
    )

    lab.api_fault(mode="pass")
    until(lambda: not troubles(all_status(LabReach(lab))), LIMIT_S, "all is well again")


def test_a_peer_without_its_secret_is_named_and_the_other_stays_up(lab: Lab) -> None:
    peers = "/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers"
    spec = {
        "myASN": 64512,
        "peerASN": 64513,
        "peerAddress": "192.168.4.99",
        "passwordSecret": {"name": "nowhere"},
    }
    locked = {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": {"name": "locked"}}
    lab.request("POST", peers, locked | {"spec": spec})

    def told() -> list[str]:
        found = troubles(all_status(LabReach(lab)))
        return [each for each in found if "BGPPeer metallb-system/locked" in each]

    assert "nowhere" in until(told, LIMIT_S, "the fault is said")[0]
    until(lambda: len(routes(lab)) == 3, LIMIT_S, "routes by all")
    lab.request("DELETE", f"{peers}/locked")
    until(lambda: not told(), LIMIT_S, "the fault is gone")


def test_the_command_explains_in_words_and_its_status_tells(lab: Lab) -> None:
    where = ["--lab", lab.plan.name]
    for arguments in (["status"], ["explain", VIP], ["why-moved", VIP]):
        finds_nothing_wrong = partial(run_well, *arguments, *where)
        until(finds_nothing_wrong, LIMIT_S, f"`{' '.join(arguments)}` finds nothing wrong")
    assert run(HERALD, "explain", "none", *where).returncode == 1
