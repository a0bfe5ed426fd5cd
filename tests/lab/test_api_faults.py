"""An API server broken in each way a proxy can break it: nothing moves, no storm, prompt recovery.

The daemons are the real ones; the counts are those of the proxy, so nobody can flatter them.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netns_lab.lab import Lab
from tests.lab.until import until

pytestmark = pytest.mark.netns

LAB_NODES = 1
SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
SERVICES = "/api/v1/namespaces/default/services"
URL = "http://192.168.4.10:8090"
FAULT_S = 4.0
KINDS = 17
"Watched in this lab: 12 by the speaker, 5 by the controller."
REQUESTS_A_KIND = 14
"A list and a watch at each of the waits 0.2, 0.4, 0.8, 1.6 s, with jitter; and a few to recover."
OTHERS = 20
"Reads for freshness and the Lease; as many again each time that the fault lasts longer than meant."
ANSWER_S = 5.0
RECOVERY_S = 30.0
"The longest back-off of a watch is 30 s; after a fault this short it is a few."


@pytest.fixture(scope="module", autouse=True)
def _applied(lab: Lab) -> None:
    lab.apply_file(str(SAMPLES / "first-pool.yaml"))
    until(lambda: lab.fetch("client", URL), 60, "an answer at the address")


@pytest.fixture
def mended(lab: Lab) -> Iterator[None]:
    """Whatever the test finds, the next one starts with a sound API server."""
    yield
    lab.api_fault(mode="pass")


def asked(lab: Lab) -> int:
    """Requests of Herald's daemons since the last reset."""
    counts: list[dict[str, Any]] = lab.api_fault(get="counts")["requests"]
    return sum(each["count"] for each in counts if each["agent"].startswith("herald"))


def service(name: str) -> dict[str, Any]:
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "none"}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def has_address(lab: Lab, name: str) -> bool:
    status = (lab.get(f"{SERVICES}/{name}") or {}).get("status") or {}
    return bool((status.get("loadBalancer") or {}).get("ingress"))


@pytest.mark.usefixtures("mended")
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"mode": "gone"}, id="410"),
        pytest.param({"mode": "half"}, id="half a line"),
        pytest.param({"mode": "close"}, id="closed"),
        pytest.param({"mode": "refuse"}, id="refused"),
        pytest.param({"mode": "hang"}, id="hanging"),
        pytest.param({"mode": "outage"}, id="frozen"),
        pytest.param({"mode": "slow", "delay_ms": 300}, id="slow"),
        pytest.param({"mode": "error", "code": 500}, id="500"),
        pytest.param({"mode": "error", "code": 401}, id="401"),
    ],
)
def test_broken_api_server_costs_a_handful_of_requests_and_moves_nothing(
    lab: Lab, fault: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    lab.api_fault(reset="counts")
    lab.api_fault(**fault)
    began = time.monotonic()
    while time.monotonic() < began + FAULT_S:
        answer = lab.fetch("client", URL, timeout_s=ANSWER_S)
        assert answer, "the address answers all the time"
        time.sleep(0.2)
    requests = asked(lab)
    lasted_s = time.monotonic() - began
    assert requests <= KINDS * REQUESTS_A_KIND + OTHERS * lasted_s / FAULT_S

    lab.api_fault(mode="pass")
    name = f"after-{abs(hash(request.node.name)) % 10**6}"
    lab.request("POST", SERVICES, service(name))
    until(lambda: has_address(lab, name), RECOVERY_S, "an address for a new Service")
    assert lab.fetch("client", URL, timeout_s=ANSWER_S)
    lab.request("DELETE", f"{SERVICES}/{name}")
