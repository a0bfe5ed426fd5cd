"""Every way the lab breaks things: it is real, it ends when told, and Herald is whole again."""

import signal
from pathlib import Path

import pytest

from netns_lab.lab import Lab
from netns_lab.orders import LabError
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("embedded", "kube")
LAB_NODES = 2
LIMIT_S = 60.0
PATIENCE_S = 20.0
"""Of one question that must be answered, however busy the machine."""
SAMPLE = Path(__file__).parents[2] / "manifests" / "samples" / "first-pool.yaml"
SERVICE = "/api/v1/namespaces/default/services/nginx-deployment-service"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
MODES = ("outage", "hang", "refuse", "gone", "half", "error")
HEALTHZ = "http://192.168.4.101:10256/healthz"


@pytest.fixture(scope="module", autouse=True)
def _served(lab: Lab) -> None:
    lab.apply_file(str(SAMPLE))
    until(lambda: served(lab), LIMIT_S, "an answer at the address")


def process(lab: Lab, name: str) -> dict[str, object]:
    found = [p for p in lab.status()["processes"] if p["process"] == name]
    return dict(found[0]) if found else {}


def ingress(lab: Lab) -> str:
    status = (lab.get(SERVICE) or {}).get("status", {})
    entries = (status.get("loadBalancer") or {}).get("ingress") or [{}]
    return str(entries[0].get("ip", ""))


def served(lab: Lab) -> str | None:
    """What the LAN client gets from the Service, at whatever address it has now."""
    address, url = ingress(lab), "http://{}:8090"
    return lab.fetch("client", url.format(address), timeout_s=PATIENCE_S) if address else None


def ready_endpoints(lab: Lab) -> int:
    return sum(
        endpoint["conditions"]["ready"]
        for each in (lab.get(SLICES) or {})["items"]
        if each["metadata"]["name"].startswith("nginx-deployment-service-")
        for endpoint in each.get("endpoints") or ()
    )


@pytest.mark.parametrize("mode", MODES)
def test_broken_api_moves_nothing_and_work_goes_on_when_it_is_mended(lab: Lab, mode: str) -> None:
    wanted = f"192.168.4.{11 + MODES.index(mode)}"
    lab.api_fault(mode=mode)
    try:
        assert served(lab)
        lab.patch(SERVICE, {"metadata": {"annotations": {"metallb.io/loadBalancerIPs": wanted}}})
    finally:
        lab.api_fault(mode="pass")
    until(lambda: ingress(lab) == wanted and served(lab), LIMIT_S, "the new address answers")


def test_unknown_fault_is_refused_with_those_there_are(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"nonsense.*outage"):
        lab.api_fault(mode="nonsense")


def test_held_process_stays_down_until_it_is_released(lab: Lab) -> None:
    lab.signal("brain@node2", signal.SIGKILL, hold=True)
    until(lambda: process(lab, "brain@node2")["state"] == "held", LIMIT_S, "held")
    until(lambda: process(lab, "brain@node2")["ready"] is False, LIMIT_S, "not ready")
    assert served(lab)
    lab.release("brain@node2")
    until(lambda: process(lab, "brain@node2")["ready"], LIMIT_S, "ready again")


def test_frozen_process_is_not_ready_and_thaws(lab: Lab) -> None:
    lab.signal("wire@node1", signal.SIGSTOP)
    until(lambda: process(lab, "wire@node1")["ready"] is False, LIMIT_S, "not ready")
    lab.signal("wire@node1", signal.SIGCONT)
    until(lambda: process(lab, "wire@node1")["ready"], LIMIT_S, "ready again")
    until(lambda: served(lab), LIMIT_S, "served")


def test_speaker_that_is_stopped_hands_over_and_comes_back(lab: Lab) -> None:
    lab.stop_speaker("node1")
    names = [f"{each}@node1" for each in ("wire", "bgp", "brain")]
    until(lambda: all(process(lab, n)["state"] == "held" for n in names), LIMIT_S, "all have ended")
    assert served(lab)
    lab.release("node1")
    until(lambda: all(process(lab, n)["ready"] for n in names), LIMIT_S, "ready again")


def test_stopped_service_proxy_leaves_its_rules_and_closes_its_health_check(lab: Lab) -> None:
    until(lambda: lab.fetch("client", HEALTHZ), LIMIT_S, "health check open")
    lab.stop_proxy("node1")
    until(lambda: lab.fetch("client", HEALTHZ) is None, LIMIT_S, "health check closed")
    assert served(lab)
    lab.start_proxy("node1")
    until(lambda: lab.fetch("client", HEALTHZ), LIMIT_S, "health check open")


def test_pod_reported_unready_leaves_the_endpoints_and_returns(lab: Lab) -> None:
    pod = next(p["pod"] for p in lab.status()["pods"] if p["name"] == "web1")
    lab.pod_ready(pod, ready=False)
    until(lambda: ready_endpoints(lab) == 1, LIMIT_S, "one endpoint is ready")
    lab.pod_ready(pod, ready=True)
    until(lambda: ready_endpoints(lab) == 2, LIMIT_S, "both are ready")
