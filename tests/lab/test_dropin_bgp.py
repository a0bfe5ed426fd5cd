"""In place of MetalLB in BGP mode: its sessions are left to it, taken over, and given back."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from herald.reach import LabReach, all_status
from herald.trace import trace
from netns_lab.lab import Lab
from netns_lab.manifests import Manifest, read_file
from tests.lab.metallb_end import (
    CHART_SPEAKER_LABELS,
    MANIFEST_LABELS,
    SPEAKER_LABELS,
    Routing,
    assign,
    controller,
    routing,
    speaker,
)
from tests.lab.required import skip_without
from tests.lab.until import until

pytestmark = [
    pytest.mark.netns,
    skip_without(shutil.which("bird"), "needs BIRD: apt-get install bird2"),
]

LAB_NODES = 2
SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
GIVEN = "192.168.4.15"
URL = f"http://{GIVEN}:8090"
LIMIT_S = 60
BESIDE_S = 5.0
STATUSES = "/apis/metallb.io/v1beta1/namespaces/metallb-system/servicebgpstatuses"


@pytest.fixture(scope="module")
def before(lab: Lab) -> dict[str, Any]:
    """The sample's objects, announced by BGP alone, with an address that MetalLB has given."""
    found = [
        each
        for name in ("first-pool.yaml", "bgp-router.yaml")
        for each in read_file(str(SAMPLES / name))
        if each.obj["kind"] not in ("Service", "L2Advertisement")
    ]
    # Before pool and peers: else Herald would have begun.
    theirs = [speaker(node, SPEAKER_LABELS) for node in lab.plan.node_names]
    theirs.append(controller(MANIFEST_LABELS))
    list(lab.apply(theirs))
    for each in theirs:
        until(partial(is_ready, lab, each), LIMIT_S, f"{each.words} ready")
    list(lab.apply(found))
    given = assign(lab, service(), GIVEN, "first-pool")
    list(lab.delete([controller(MANIFEST_LABELS)]))
    return given


def test_sessions_are_left_to_it_taken_over_and_given_back(
    lab: Lab, before: dict[str, Any], tmp_path: Path
) -> None:
    with ExitStack() as stack:
        birds = {
            node: stack.enter_context(routing(lab, node, GIVEN, tmp_path))
            for node in lab.plan.node_names
        }
        all_up(lab, birds)
        waits_beside(lab, birds)
        with served(lab):
            for node, bird in birds.items():
                # Seen gone, so that the route by this node is Herald's when it is there again.
                bird.stop()
                until(partial(is_withdrawn, lab, node), LIMIT_S, f"the route by {node} withdrawn")
                list(lab.delete([speaker(node, SPEAKER_LABELS)]))
                until(partial(has_session, lab, node), LIMIT_S, f"Herald's session on {node}")
                until(lambda: len(hops(lab)) == LAB_NODES, LIMIT_S, "the route by every node")
        until(lambda: announcing(lab) == set(lab.plan.node_names), LIMIT_S, "statuses of Herald's")
        assert kept(lab.request("GET", service().path)) == kept(before)

        # Back, one node after the other: Herald's speaker ends, then MetalLB's begins.
        with served(lab):
            for node in lab.plan.node_names:
                lab.stop_speaker(node)
                until(partial(is_withdrawn, lab, node), LIMIT_S, f"the route by {node} withdrawn")
                list(lab.apply([speaker(node, CHART_SPEAKER_LABELS)]))
                birds[node] = stack.enter_context(routing(lab, node, GIVEN, tmp_path))
                until(birds[node].is_up, LIMIT_S, f"MetalLB's session on {node}")
                until(lambda: len(hops(lab)) == LAB_NODES, LIMIT_S, "the route by every node")
        # Herald starts where a MetalLB runs.
        for node in lab.plan.node_names:
            lab.release(node)
        until(lambda: all(page(lab, node) for node in birds), LIMIT_S, "Herald's speakers again")
        waits_beside(lab, birds)
        assert kept(lab.request("GET", service().path)) == kept(before)
        for node in lab.plan.node_names:
            list(lab.delete([speaker(node, CHART_SPEAKER_LABELS)]))


def test_a_session_that_herald_has_is_kept_when_a_metallb_comes(lab: Lab) -> None:
    node = lab.plan.node_names[0]
    for each in lab.plan.node_names:
        until(partial(has_session, lab, each), LIMIT_S, f"Herald's session on {each}")
    until(lambda: len(connections(lab)) == LAB_NODES, LIMIT_S, "the router's sessions")
    until(lambda: len(hops(lab)) == LAB_NODES, LIMIT_S, "the route by every node")
    list(lab.apply([speaker(node, SPEAKER_LABELS)]))
    until(partial(is_ready, lab, speaker(node, SPEAKER_LABELS)), LIMIT_S, "MetalLB's speaker ready")
    since = connections(lab)
    with served(lab):
        fetch_on(lab)
    assert connections(lab) == since
    until(partial(has_session, lab, node), LIMIT_S, "Herald's own word of it")
    list(lab.delete([speaker(node, SPEAKER_LABELS)]))


def all_up(lab: Lab, birds: dict[str, Routing]) -> None:
    for node, bird in birds.items():
        until(bird.is_up, LIMIT_S, f"MetalLB's session on {node}")
    until(lambda: hops(lab) == set(birds), LIMIT_S, "the route by every node")
    until(lambda: lab.fetch("remote", URL), LIMIT_S, "an answer through MetalLB's nodes")


def waits_beside(lab: Lab, birds: dict[str, Routing]) -> None:
    """Herald says what it waits for, and the router hears of nobody but MetalLB."""
    for node in birds:
        until(partial(says_why, lab, node), LIMIT_S, f"why {node} waits")
    until(lambda: len(connections(lab)) == LAB_NODES, LIMIT_S, "the router's sessions")
    since = connections(lab)
    fetch_on(lab)
    assert connections(lab) == since
    assert all(bird.is_up() for bird in birds.values())
    assert hops(lab) == set(birds)
    for node in birds:
        told = until(partial(page, lab, node), LIMIT_S, f"the page of {node}")
        assert not told["configuration"]["peers_here"]


def says_why(lab: Lab, node: str) -> bool:
    found = trace(all_status(LabReach(lab)), GIVEN, "bgp")
    closed = [gate for each in found.nodes if each.node == node for gate in each.closed]
    expected = ("peer", f"Pod metallb-system/speaker-{node}")
    return [(gate["gate"], gate["object"]) for gate in closed] == [expected]


def fetch_on(lab: Lab) -> None:
    end = time.monotonic() + BESIDE_S
    while time.monotonic() < end:
        assert lab.fetch("remote", URL)


@contextmanager
def served(lab: Lab) -> Iterator[None]:
    """Meanwhile the client behind the router gets every answer it asks for."""
    end, failed, asked = threading.Event(), [], []

    def ask() -> None:
        while not end.is_set():
            asked.append(1)
            if lab.fetch("remote", URL) is None:
                failed.append(len(asked))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
    assert asked
    assert failed == []


def service() -> Manifest:
    all_of_them = read_file(str(SAMPLES / "first-pool.yaml"))
    (found,) = (each for each in all_of_them if each.obj["kind"] == "Service")
    return found


def kept(obj: dict[str, Any]) -> tuple[Any, Any, str]:
    """What must not change by a migration: Herald writes nothing to the Service."""
    meta = obj["metadata"]
    return obj["status"]["loadBalancer"], meta["annotations"], meta["resourceVersion"]


def page(lab: Lab, node: str) -> dict[str, Any]:
    return LabReach(lab).status(node) or {}


def has_session(lab: Lab, node: str) -> bool:
    sessions = page(lab, node).get("sessions") or []
    return [each["state"] for each in sessions] == ["up"]


def announcing(lab: Lab) -> set[str]:
    """Nodes whose ServiceBGPStatus names the peer."""
    found = [each.get("status") or {} for each in lab.request("GET", STATUSES)["items"]]
    return {each["node"] for each in found if each.get("peers") == ["router"]}


def is_withdrawn(lab: Lab, node: str) -> bool:
    return node not in hops(lab)


def hops(lab: Lab) -> set[str]:
    """Nodes that the router has as next hops."""
    text = lab.exec("router", ["ip", "-j", "route", "show", f"{GIVEN}/32"]).stdout
    found = json.loads(text or "[]")
    by = {hop.get("gateway") for route in found for hop in route.get("nexthops", [route])}
    return {node.name for node in lab.plan.nodes if node.lan_v4 in by}


def connections(lab: Lab) -> dict[str, int]:
    """The port at the other end of each session that the router has, by the node's address."""
    found: dict[str, Any] = json.loads(lab.vtysh("show bgp neighbors json"))
    return {
        address: each["portForeign"]
        for address, each in found.items()
        if isinstance(each, dict) and each.get("bgpState") == "Established"
    }


def is_ready(lab: Lab, pod: Manifest) -> bool:
    found = lab.get(pod.path) or {}
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)
