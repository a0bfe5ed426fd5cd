"""Herald installed from `manifests/` on the real control plane, run by the lab's kubelet."""

from pathlib import Path

import pytest

from netns_lab.drill import objects
from netns_lab.drill.lateness import LATE_MS
from netns_lab.drill.measure import RunFigures, measure_run, with_machine
from netns_lab.drill.probes import Probes
from netns_lab.drill.rig import Rig
from netns_lab.lab import Lab
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("kube",)
SPEAKERS = "/apis/apps/v1/namespaces/metallb-system/daemonsets/herald-speaker"
PODS = "/api/v1/namespaces/metallb-system/pods"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/metallb-system/leases/herald-controller"
NET_RAW = 1 << 13
ATTEMPTS = 3


def capabilities(lab: Lab, process: str) -> int:
    """What the process may do beyond what everybody may, as the kernel sees it."""
    pid = next(p["pid"] for p in lab.status()["processes"] if p["process"] == process)
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("CapEff:")), 16)


def rolled_out(lab: Lab) -> bool:
    daemon_set = lab.request("GET", SPEAKERS)
    status, wanted = daemon_set["status"], len(lab.plan.nodes)
    seen = status.get("observedGeneration") == daemon_set["metadata"]["generation"]
    counts = (status.get("updatedNumberScheduled"), status.get("numberAvailable"))
    return seen and counts == (wanted, wanted)


def containers(lab: Lab, node: str) -> dict[str, tuple[bool, int]]:
    """Which containers of the node's speaker are ready, and how often each was restarted."""
    return {
        each["name"]: (each["ready"], each["restartCount"])
        for pod in lab.request("GET", PODS)["items"]
        if pod["spec"].get("nodeName") == node
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "speaker"
        for each in pod["status"]["containerStatuses"]
    }


def starts_of(lab: Lab, process: str) -> int:
    return int(next(p["starts"] for p in lab.status()["processes"] if p["process"] == process))


def leader(lab: Lab) -> str:
    return str((lab.get(LEASE) or {}).get("spec", {}).get("holderIdentity") or "")


def while_rolled(lab: Lab, rig: Rig, name: str) -> RunFigures:
    """What clients suffer while every speaker is replaced."""
    annotations = {"metadata": {"annotations": {"test/rolled": name}}}
    with Probes(lab, rig.address, arp=True) as probes:
        lab.patch(SPEAKERS, {"spec": {"template": annotations}})
        until(lambda: rolled_out(lab), 60, "every speaker replaced and ready")
        seen = probes.stop()
    figures = measure_run(seen.clients, seen.arp, seen.routes, 0.0)
    return with_machine(figures, seen.waits_s, None)


def test_each_process_has_the_privileges_of_its_container_only(lab: Lab) -> None:
    assert capabilities(lab, "wire@node1") == NET_RAW
    assert capabilities(lab, "brain@node1") == 0
    assert capabilities(lab, "bgp@node1") == 0


@pytest.mark.timeout(900)
def test_rolling_update_of_the_speakers_loses_nothing(lab: Lab) -> None:
    rig = Rig(lab, layer2=True, policy="Cluster")
    list(lab.apply(objects.base()))
    rig.settle(rig.nodes)
    rig.wait_programmed()
    for attempt in range(ATTEMPTS):
        figures = while_rolled(lab, rig, f"{attempt}")
        # What is lost while the machine stands still tells nothing about the update.
        if figures.late_ms <= LATE_MS:
            break
    assert figures.lost == 0, figures
    assert figures.sent > 1000


def test_killed_container_is_started_again_and_its_pod_ready(lab: Lab) -> None:
    before = {name: restarts for name, (_, restarts) in containers(lab, "node2").items()}
    starts = starts_of(lab, "brain@node2")
    lab.signal("brain@node2", 9)
    until(lambda: starts_of(lab, "brain@node2") > starts, 20, "brain runs again")
    wanted = {name: (True, before[name] + (name == "brain")) for name in ("wire", "brain", "bgp")}
    until(lambda: containers(lab, "node2") == wanted, 20, "its Pod's status says so")


def test_second_replica_leads_when_the_leaders_node_dies(lab: Lab) -> None:
    first = until(lambda: leader(lab), 10, "a leader")
    path = f"/api/v1/namespaces/metallb-system/pods/{first.split('_')[0]}"
    node = lab.request("GET", path)["spec"]["nodeName"]
    lab.kill_node(node)
    try:
        until(lambda: leader(lab) not in ("", first), 30, "the other replica holds the Lease")
    finally:
        lab.start_node(node)
