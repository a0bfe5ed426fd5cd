"""What Herald writes, on a real API server: true statuses, and nothing while it is quiet."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from netns_lab.drill import objects
from netns_lab.drill.rig import Rig
from netns_lab.lab import Lab
from netns_lab.manifests import Manifest
from tests.lab.audit import audit
from tests.lab.unrest import unrest
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("kube",)
QUIET_S = 60.0
LIMIT_S = 90.0
ROUNDS = 4
"""Where the machine stood still meanwhile."""
SETTLED_S = 12.0
"""Longer than a sweep waits and an Event's or a status's retry takes."""
WRITES = {"create", "update", "patch", "delete"}
METALLB = "/apis/metallb.io/v1beta1/namespaces/metallb-system"
BGP_TOO = Manifest(
    {
        "apiVersion": "metallb.io/v1beta1",
        "kind": "BGPAdvertisement",
        "metadata": {"name": "both", "namespace": "metallb-system"},
        "spec": {"ipAddressPools": [objects.L2_POOL]},
    }
)


def writes(lab: Lab) -> Iterator[tuple[str, str, str]]:
    """Verb, resource and name of what Herald wrote, but for the controller's Lease."""
    for entry in audit(lab):
        reference = entry.get("objectRef") or {}
        if entry["verb"] in WRITES and reference.get("resource") != "leases":
            yield entry["verb"], str(reference.get("resource")), str(reference.get("name", ""))


def items(lab: Lab, plural: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.request("GET", f"{METALLB}/{plural}")["items"]
    return [each for each in found if each.get("status")]


def quiet(lab: Lab) -> int:
    """Wait until nothing is written any more; return the number of writes so far."""
    count, since = len(list(writes(lab))), time.monotonic()

    def settled() -> bool:
        nonlocal count, since
        now = len(list(writes(lab)))
        if now != count:
            count, since = now, time.monotonic()
        time.sleep(0.5)
        return time.monotonic() > since + SETTLED_S

    until(settled, 120, "an end of the writing")
    return count


def announcers(lab: Lab) -> list[str]:
    return [each["status"]["node"] for each in items(lab, "servicel2statuses")]


def announcer(lab: Lab, *, other_than: str = "") -> str:
    """The node that announces the Service, once that is one alone."""

    def alone() -> str:
        (*more, last) = announcers(lab) or [""]
        return "" if more or last == other_than else last

    return until(alone, LIMIT_S, "one node's status")


def told(lab: Lab) -> dict[str, str]:
    """The moves that Events tell: each one's UID and message (the list has no order in time)."""
    found: list[dict[str, Any]] = lab.request("GET", "/api/v1/namespaces/default/events")["items"]
    moves = [each for each in found if each["reason"] == "nodeAssigned"]
    return {each["metadata"]["uid"]: each["message"] for each in moves}


@pytest.fixture(scope="module")
def rig(lab: Lab) -> Rig:
    made = Rig(lab, layer2=True, policy="Cluster")
    # No BFD: a machine that stands still for 0.3 s would be a change worth writing.
    list(lab.apply([*objects.base(), objects.peer(bfd=False), BGP_TOO]))
    made.settle(made.nodes)
    return made


def test_statuses_say_who_announces_the_service(lab: Lab, rig: Rig) -> None:
    def shown() -> list[tuple[str, list[dict[str, str]]]]:
        found = [each["status"] for each in items(lab, "servicel2statuses")]
        return [(each["node"], each["interfaces"]) for each in found]

    until(lambda: shown() == [(rig.owner(), [{"name": "lan0"}])], LIMIT_S, "a true status")

    def peers() -> list[list[str]]:
        return [each["status"]["peers"] for each in items(lab, "servicebgpstatuses")]

    until(lambda: peers() == [["router"]] * 3, LIMIT_S, "one of each node")

    def results() -> dict[str, str]:
        states = items(lab, "configurationstates")
        return {each["metadata"]["name"]: each["status"]["result"] for each in states}

    processes = ("controller", "speaker-node1", "speaker-node2", "speaker-node3")
    until(lambda: results() == dict.fromkeys(processes, "Valid"), LIMIT_S, "one of each process")


@pytest.mark.timeout(1000)
@pytest.mark.usefixtures("rig")
def test_nothing_but_the_lease_is_written_while_nothing_changes(lab: Lab) -> None:
    for _ in range(ROUNDS):
        before = quiet(lab)
        with unrest(lab) as noticed:
            time.sleep(QUIET_S)
            written = list(writes(lab))[before:]
            if not written or not noticed():
                break
    assert written == []


@dataclass(frozen=True, slots=True)
class Move:
    """What a drain brought."""

    owner: str
    messages: list[str]
    "Of the Events."
    written: list[tuple[str, str]]
    "Verb and resource."

    def wrong(self) -> list[str]:
        """What is not as it should be."""
        # What a drained node does with its routes is its own ServiceBGPStatus.
        about_l2 = [each for each in self.written if each[1] != "servicebgpstatuses"]
        told = [f'before on node "{self.owner}" (handed-over)' in each for each in self.messages]
        held = {
            f"written: {self.written}": about_l2 == WRITTEN_BY_A_MOVE,
            f"routes: {self.written}": len(self.written) - len(about_l2) <= 1,
            f"told: {self.messages}": told == [True],
        }
        return [words for words, holds in held.items() if not holds]


WRITTEN_BY_A_MOVE = [
    ("create", "events"),
    ("create", "servicel2statuses"),
    ("delete", "servicel2statuses"),
    ("patch", "servicel2statuses"),
]


@pytest.mark.timeout(1000)
@pytest.mark.usefixtures("rig")
def test_a_move_is_one_event_and_the_objects_of_two_nodes(lab: Lab) -> None:
    for _ in range(ROUNDS):
        before = quiet(lab)
        with unrest(lab) as noticed:
            wrong = drained(lab, before).wrong()
            if not wrong or not noticed():
                break
    assert wrong == []


def drained(lab: Lab, before: int) -> Move:
    """Drain the owner's node until all that follows is written; `before` is what was before."""
    known, owner = told(lab), announcer(lab)
    node = f"/api/v1/nodes/{owner}"
    lab.patch(node, {"metadata": {"annotations": {"herald.io/drain": "true"}}})
    try:
        announcer(lab, other_than=owner)
        quiet(lab)
        messages = [text for uid, text in told(lab).items() if uid not in known]
        written = sorted((verb, resource) for verb, resource, _ in list(writes(lab))[before:])
    finally:
        lab.patch(node, {"metadata": {"annotations": {"herald.io/drain": None}}})
    return Move(owner, messages, written)


def test_what_a_dead_node_left_is_replaced(lab: Lab, rig: Rig) -> None:
    quiet(lab)
    owner = announcer(lab)
    lab.kill_node(owner)
    try:
        announcer(lab, other_than=owner)
    finally:
        lab.start_node(owner)
        rig.wait_ready(LIMIT_S * 2)
