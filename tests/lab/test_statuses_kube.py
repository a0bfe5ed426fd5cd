"""What Herald writes, on a real API server: true statuses, and nothing while it is quiet."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from netns_lab.drill import objects
from netns_lab.drill.rig import Rig
from netns_lab.lab import Lab
from netns_lab.manifests import Manifest
from tests.lab.audit import audit
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("kube",)
QUIET_S = 60.0
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

    until(settled, 90, "an end of the writing")
    return count


def contacts(rig: Rig) -> int:
    """How often a speaker has lost or found another: a machine that stands still looks so too."""
    return sum(len(page["contacts"]) for page in rig.pages())


def announcers(lab: Lab) -> list[str]:
    return [each["status"]["node"] for each in items(lab, "servicel2statuses")]


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
    until(lambda: announcers(lab) == [rig.owner()], 30, "a ServiceL2Status, and a true one")
    (status,) = items(lab, "servicel2statuses")
    assert status["status"]["interfaces"] == [{"name": "lan0"}]

    def peers() -> list[list[str]]:
        return [each["status"]["peers"] for each in items(lab, "servicebgpstatuses")]

    until(lambda: peers() == [["router"]] * 3, 30, "one of each node")

    def results() -> dict[str, str]:
        states = items(lab, "configurationstates")
        return {each["metadata"]["name"]: each["status"]["result"] for each in states}

    processes = ("controller", "speaker-node1", "speaker-node2", "speaker-node3")
    until(lambda: results() == dict.fromkeys(processes, "Valid"), 30, "one of each process")


@pytest.mark.timeout(600)
def test_nothing_but_the_lease_is_written_while_nothing_changes(lab: Lab, rig: Rig) -> None:
    for _ in range(3):
        before, known = quiet(lab), contacts(rig)
        time.sleep(QUIET_S)
        if contacts(rig) == known:
            break
    assert list(writes(lab))[before:] == []


@pytest.mark.timeout(300)
def test_a_move_is_one_event_and_the_objects_of_two_nodes(lab: Lab, rig: Rig) -> None:
    before, known = quiet(lab), told(lab)
    (owner,) = announcers(lab)
    node = f"/api/v1/nodes/{owner}"
    lab.patch(node, {"metadata": {"annotations": {"herald.io/drain": "true"}}})
    until(lambda: announcers(lab) and announcers(lab) != [owner], 20, "another node's status")
    quiet(lab)
    assert len(announcers(lab)) == 1
    (message,) = (text for uid, text in told(lab).items() if uid not in known)
    assert f'before on node "{owner}" (handed-over)' in message
    written = sorted((verb, resource) for verb, resource, _ in list(writes(lab))[before:])
    # What a drained node does with its routes is its own ServiceBGPStatus.
    about_l2 = [each for each in written if each[1] != "servicebgpstatuses"]
    assert about_l2 == [
        ("create", "events"),
        ("create", "servicel2statuses"),
        ("delete", "servicel2statuses"),
        ("patch", "servicel2statuses"),
    ]
    assert len(written) - len(about_l2) <= 1
    lab.patch(node, {"metadata": {"annotations": {"herald.io/drain": None}}})


def test_what_a_dead_node_left_is_replaced(lab: Lab, rig: Rig) -> None:
    quiet(lab)
    (owner,) = announcers(lab)
    lab.kill_node(owner)
    try:
        until(lambda: len(announcers(lab)) == 1 and announcers(lab) != [owner], 40, "one status")
    finally:
        lab.start_node(owner)
        rig.wait_ready()
