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
SAMPLE = Path(__file__).parents[2] / "manifests" / "samples" / "first-pool.yaml"
SERVICE = "/api/v1/namespaces/default/services/nginx-deployment-service"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
HEALTHZ = "http://192.168.4.101:10256/healthz"


@pytest.fixture(scope="module", autouse=True)
def _served(lab: Lab) -> None:
    lab.apply_file(str(SAMPLE))
    until(lambda: served(lab), 60, "an answer at the address")


def process(lab: Lab, name: str) -> dict[str, object]:
    found = [p for p in lab.status()["processes"] if p["process"] == name]
    return dict(found[0]) if found else {}


def ingress(lab: Lab) -> str:
    status = (lab.get(SERVICE) or {}).get("status", {})
    entries = (status.get("loadBalancer") or {}).get("ingress") or [{}]
    return str(entries[0].get("ip", ""))


def served(lab: Lab) -> str | None:
    """What the LAN client gets from the Service, at whatever address it has now."""
    address = ingress(lab)
    return lab.fetch("client", f"http://{address}:8090") if address else None


def ready_endpoints(lab: Lab) -> int:
    return sum(
        endpoint["conditions"]["ready"]
        for each in (lab.get(SLICES) or {})["items"]
        if each["metadata"]["name"].startswith("nginx-deployment-service-")
        for endpoint in each.get("endpoints") or ()
    )


@pytest.mark.parametrize("mode", ["outage", "hang", "refuse", "gone", "half", "error"])
def test_broken_api_moves_nothing_and_work_goes_on_when_it_is_mended(lab: Lab, mode: str) -> None:
    lab.api_fault(mode=mode)
    try:
        assert served(lab)
        lab.patch(SERVICE, {"spec": {"type": "ClusterIP"}})
        lab.patch(SERVICE, {"spec": {"type": "LoadBalancer"}})
    finally:
        lab.api_fault(mode="pass")
    until(lambda: served(lab), 60, "an address is given and answered")


def test_unknown_fault_is_refused_with_those_there_are(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"nonsense.*outage"):
        lab.api_fault(mode="nonsense")


def test_held_process_stays_down_until_it_is_released(lab: Lab) -> None:
    lab.signal("brain@node2", signal.SIGKILL, hold=True)
    until(lambda: process(lab, "brain@node2")["state"] == "held", 20, "held")
    until(lambda: process(lab, "brain@node2")["ready"] is False, 20, "not ready")
    assert served(lab)
    lab.release("brain@node2")
    until(lambda: process(lab, "brain@node2")["ready"], 40, "ready again")


def test_frozen_process_is_not_ready_and_thaws(lab: Lab) -> None:
    lab.signal("wire@node1", signal.SIGSTOP)
    until(lambda: process(lab, "wire@node1")["ready"] is False, 20, "not ready")
    lab.signal("wire@node1", signal.SIGCONT)
    until(lambda: process(lab, "wire@node1")["ready"], 40, "ready again")
    until(lambda: served(lab), 20, "served")


def test_speaker_that_is_stopped_hands_over_and_comes_back(lab: Lab) -> None:
    lab.stop_speaker("node1")
    names = [f"{each}@node1" for each in ("wire", "bgp", "brain")]
    until(lambda: all(process(lab, n)["state"] == "held" for n in names), 20, "all have ended")
    assert served(lab)
    lab.release("node1")
    until(lambda: all(process(lab, n)["ready"] for n in names), 40, "ready again")


def test_stopped_service_proxy_leaves_its_rules_and_closes_its_health_check(lab: Lab) -> None:
    assert lab.fetch("client", HEALTHZ)
    lab.stop_proxy("node1")
    until(lambda: lab.fetch("client", HEALTHZ, timeout_s=0.3) is None, 20, "health check closed")
    assert served(lab)
    lab.start_proxy("node1")
    until(lambda: lab.fetch("client", HEALTHZ, timeout_s=0.3), 20, "health check open")


def test_pod_reported_unready_leaves_the_endpoints_and_returns(lab: Lab) -> None:
    pod = next(p["pod"] for p in lab.status()["pods"] if p["name"] == "web1")
    lab.pod_ready(pod, ready=False)
    until(lambda: ready_endpoints(lab) == 1, 20, "one endpoint is ready")
    lab.pod_ready(pod, ready=True)
    until(lambda: ready_endpoints(lab) == 2, 20, "both are ready")
