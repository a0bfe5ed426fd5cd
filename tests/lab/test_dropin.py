"""In place of MetalLB: what it gave is kept, while it runs Herald waits, and going back works."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from netns_lab.lab import Lab
from netns_lab.manifests import Manifest, read_file
from tests.lab.metallb_end import (
    CHART_LABELS,
    MANIFEST_LABELS,
    STATUSES,
    announce_status,
    answering,
    assign,
    controller,
)
from tests.lab.until import until

pytestmark = pytest.mark.netns

SAMPLE = Path(__file__).parents[2] / "manifests/samples/first-pool.yaml"
POOL = "first-pool"
GIVEN = "192.168.4.15"
"Not the first of the pool: Herald would choose another one."
THEIRS = "node2"
BESIDE_S = 3.0
LIMIT_S = 60.0
PATIENCE_S = 20.0
"""Of one question that must be answered, however busy the machine."""


def manifests() -> list[Manifest]:
    return read_file(str(SAMPLE))


def service(name: str) -> Manifest:
    (found,) = (each for each in manifests() if each.obj["kind"] == "Service")
    found.obj["metadata"]["name"] = name
    return found


def ingress(lab: Lab, name: str) -> list[str]:
    status = lab.request("GET", service(name).path).get("status") or {}
    return [each["ip"] for each in (status.get("loadBalancer") or {}).get("ingress") or ()]


def kept(obj: dict[str, Any]) -> tuple[Any, Any]:
    """What must not change by a migration."""
    return obj["status"]["loadBalancer"], obj["metadata"]["annotations"]


def answers(lab: Lab, address: str) -> set[str]:
    """The nodes that answer ARP requests within a second."""
    argv = ["arping", "-b", "-c", "9", "-w", "1", "-I", "lan0", address]
    found = re.findall(r"\[([0-9A-Fa-f:]{17})\]", lab.exec("watcher", argv).stdout)
    nodes = {
        n.mac: node.name for node in lab.plan.nodes for n in node.host.nics if n.name == "lan0"
    }
    return {nodes[mac.lower()] for mac in found}


def who_answers(lab: Lab) -> set[str]:
    """The nodes that answer, asked until any does: silence is a busy machine's."""
    return until(lambda: answers(lab, GIVEN), LIMIT_S, "an answer by ARP")


def test_it_waits_beside_metallb_takes_over_unchanged_and_can_be_taken_back(lab: Lab) -> None:
    url = f"http://{GIVEN}:8090"
    old, new, newer = service("old"), service("new"), service("newer")
    list(lab.apply([controller(MANIFEST_LABELS)]))
    until(lambda: is_ready(lab), LIMIT_S, "MetalLB's controller ready")
    until(lambda: waits(lab), LIMIT_S, "Herald's controller waits")
    with answering(lab, THEIRS, GIVEN):
        others = [each for each in manifests() if each.obj["kind"] != "Service"]
        list(lab.apply(others))
        before = assign(lab, old, GIVEN, POOL)
        announce_status(lab, "old", THEIRS)
        until(lambda: lab.fetch("client", url), LIMIT_S, "an answer through MetalLB's node")
        list(lab.apply([new]))
        until(lambda: is_told(lab, "old"), LIMIT_S, "Herald's speakers find the other")
        until(lambda: answers(lab, GIVEN) == {THEIRS}, LIMIT_S, "all of them stand back")
        stays_beside(lab, url)
        assert ingress(lab, "new") == []

        list(lab.delete([controller(MANIFEST_LABELS)]))
        until(lambda: ingress(lab, "new"), LIMIT_S, "Herald's controller takes over")
        assert ingress(lab, "new") != [GIVEN]
        assert who_answers(lab) == {THEIRS}

    until(lambda: len(answers(lab, GIVEN)) == 1, LIMIT_S, "Herald's speakers take over")
    until(lambda: lab.fetch("client", url), LIMIT_S, "an answer through Herald")
    until(lambda: is_replaced(lab, "old"), LIMIT_S, "MetalLB's ServiceL2Status replaced")
    after = lab.request("GET", old.path)
    assert kept(after) == kept(before)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]

    # Back: Herald's speakers end first, then MetalLB's begin.
    for node in lab.plan.node_names:
        lab.stop_speaker(node)
    try:
        until(lambda: speakers(lab) == {"held"}, LIMIT_S, "Herald's speakers have ended")
        until(lambda: not answers(lab, GIVEN), LIMIT_S, "nobody answers")
        list(lab.apply([controller(CHART_LABELS)]))
        until(lambda: is_ready(lab), LIMIT_S, "MetalLB's controller ready")
        until(lambda: waits(lab), LIMIT_S, "Herald's controller waits")
        with answering(lab, THEIRS, GIVEN):
            until(lambda: lab.fetch("client", url), LIMIT_S, "an answer through MetalLB's node")
            list(lab.apply([newer]))
            time.sleep(BESIDE_S)
            assert ingress(lab, "newer") == []
            assert kept(lab.request("GET", old.path)) == kept(before)
    finally:
        for node in lab.plan.node_names:
            lab.release(node)


def stays_beside(lab: Lab, url: str) -> None:
    """For a while only MetalLB's node answers, and every client is served."""
    until_s = time.monotonic() + BESIDE_S
    while time.monotonic() < until_s:
        assert who_answers(lab) == {THEIRS}
        assert lab.fetch("client", url, timeout_s=PATIENCE_S)
    assert [each["status"]["node"] for each in statuses(lab, "old")] == [THEIRS]


def speakers(lab: Lab) -> set[str]:
    """Return the states of all processes of the nodes' speakers."""
    found = [each for each in lab.status()["processes"] if "@node" in each["process"]]
    speaking = [each for each in found if each["process"].startswith(("wire", "bgp", "brain"))]
    return {each["state"] for each in speaking}


def statuses(lab: Lab, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.request("GET", STATUSES)["items"]
    return [each for each in found if (each.get("status") or {}).get("serviceName") == name]


def is_replaced(lab: Lab, name: str) -> bool:
    """Tell whether there is one status, by Herald, and a true one."""
    found = statuses(lab, name)
    shown = [(each["status"]["node"], "interfaces" in each["status"]) for each in found]
    return shown == [(owner, True) for owner in answers(lab, GIVEN)]


def is_told(lab: Lab, name: str) -> bool:
    """Tell whether an Event says that a host which is no speaker has the address."""
    events = lab.request("GET", "/api/v1/namespaces/default/events")["items"]
    told = {(each["involvedObject"]["name"], each["reason"]) for each in events}
    return (name, "announceFailed") in told


def waits(lab: Lab) -> bool:
    """Tell whether Herald's controller has seen the other and leads no more."""
    text = lab.fetch("control", "http://127.0.0.1:9130/metrics") or ""
    return "herald_controller_leading 0.0" in text


def is_ready(lab: Lab) -> bool:
    found = lab.get(controller(MANIFEST_LABELS).path) or {}
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)
