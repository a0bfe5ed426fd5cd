"""Herald installed from `manifests/` on the real control plane, run by the lab's kubelet."""

from pathlib import Path

import pytest

from netns_lab.callers import Caller, experience
from netns_lab.lab import Lab
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("kube",)
SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
SPEAKERS = "/apis/apps/v1/namespaces/metallb-system/daemonsets/herald-speaker"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/metallb-system/leases/herald-controller"
URL = "http://192.168.4.10:8090"
NET_RAW = 1 << 13


@pytest.fixture(scope="module", autouse=True)
def _served(lab: Lab) -> None:
    for name in ("first-pool.yaml", "bgp-router.yaml"):
        lab.apply_file(str(SAMPLES / name))
    until(lambda: lab.fetch("client", URL), 20, "an answer on the LAN")
    until(lambda: lab.fetch("remote", URL), 20, "an answer behind the router")


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


def caller(lab: Lab, host: str) -> Caller:
    return Caller(lab.plan.host(host).namespace, "192.168.4.10", 8090)


def leader(lab: Lab) -> str:
    return str((lab.get(LEASE) or {}).get("spec", {}).get("holderIdentity") or "")


def test_each_process_has_the_privileges_of_its_container_only(lab: Lab) -> None:
    assert capabilities(lab, "wire@node1") == NET_RAW
    assert capabilities(lab, "brain@node1") == 0
    assert capabilities(lab, "bgp@node1") == 0


def test_rolling_update_of_the_speakers_loses_nothing(lab: Lab) -> None:
    annotations = {"metadata": {"annotations": {"test/rolled": "once"}}}
    with caller(lab, "client") as near, caller(lab, "remote") as far:
        lab.patch(SPEAKERS, {"spec": {"template": annotations}})
        until(lambda: rolled_out(lab), 90, "every speaker replaced and ready")
    assert experience(near.fetched).failed == 0
    # The router spreads flows anew six times: each node leaves and comes back. A TCP connection
    # that lives at such a moment may meet a node without its conntrack entry; no new one fails.
    assert experience(far.fetched).failed <= 6


def test_killed_container_is_started_again_and_its_pod_ready(lab: Lab) -> None:
    lab.signal("brain@node2", 9)
    until(
        lambda: any(
            p["process"] == "brain@node2" and p["starts"] == 2 and p["ready"]
            for p in lab.status()["processes"]
        ),
        20,
        "brain runs again",
    )


def test_second_replica_leads_when_the_leaders_node_dies(lab: Lab) -> None:
    first = until(lambda: leader(lab), 10, "a leader")
    path = f"/api/v1/namespaces/metallb-system/pods/{first.split('_')[0]}"
    node = lab.request("GET", path)["spec"]["nodeName"]
    lab.kill_node(node)
    try:
        until(lambda: leader(lab) not in ("", first), 30, "the other replica holds the Lease")
    finally:
        lab.start_node(node)
