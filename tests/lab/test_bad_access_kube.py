"""Access that goes wrong on a real API server: nothing moves, and it heals without a restart."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netns_lab.lab import Lab
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("kube",)
LAB_NODES = 1
SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
SERVICES = "/api/v1/namespaces/default/services"
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/herald-speaker"
CONTROLLER_ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/herald-controller"
STATE = "/apis/metallb.io/v1beta1/namespaces/metallb-system/configurationstates/controller"
LIST_SLICES: dict[str, Any] = {
    "who": "herald-speaker",
    "what": {"group": "discovery.k8s.io", "resource": "endpointslices", "verb": "list"},
}
PATCH_STATUS: dict[str, Any] = {
    "who": "herald-controller",
    "what": {"resource": "services", "subresource": "status", "verb": "patch"},
}
URL = "http://192.168.4.10:8090"
STARTS_S, NOTICED_S, HEALED_S = 90, 60, 120
SERVED_S = 10.0
"""Longer than a machine stands still, for the one answer that there must be."""
UNAUTHORIZED, FORBIDDEN = "401 Unauthorized", "403 Forbidden"
"""With the word: figures alone are in times and versions too."""


@pytest.fixture(scope="module", autouse=True)
def _applied(lab: Lab) -> None:
    lab.apply_file(str(SAMPLES / "first-pool.yaml"))
    until(lambda: lab.fetch("client", URL), STARTS_S, "an answer at the address")


@pytest.fixture
def daemons(lab: Lab) -> Iterator["Daemons"]:
    """Those that talk to the API server; none of them is started again meanwhile."""
    before = starts(lab)
    yield Daemons(lab, tuple(before))
    assert starts(lab) == before


def starts(lab: Lab) -> dict[str, int]:
    processes = {each["process"]: each["starts"] for each in lab.status()["processes"]}
    return {n: count for n, count in processes.items() if n.startswith(("controller", "brain"))}


class Daemons:
    """What the daemons log from now on."""

    def __init__(self, lab: Lab, names: tuple[str, ...]) -> None:
        self._lab = lab
        self._marks = {name: len(lab.log(name)) for name in names}

    def words(self, start: str = "") -> dict[str, str]:
        return {
            name: self._lab.log(name)[mark:]
            for name, mark in self._marks.items()
            if name.startswith(start)
        }

    def all_say(self, word: str, start: str = "") -> bool:
        return all(word in text for text in self.words(start).values())

    def one_says(self, word: str) -> bool:
        return any(word in text for text in self.words().values())


def reconnect(lab: Lab) -> None:
    """End every connection: running watches would outlive what access they were begun with."""
    lab.api_fault(mode="close")
    lab.api_fault(mode="pass")


def load_balancer(name: str, port: int) -> dict[str, Any]:
    spec = {
        "type": "LoadBalancer",
        "ports": [{"port": port, "targetPort": 80}],
        "selector": {"app": "nginx-deployment"},
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def answer(lab: Lab, name: str, port: int) -> str | None:
    """What the Service answers at the address it was given; None before both."""
    status = (lab.get(f"{SERVICES}/{name}") or {}).get("status") or {}
    entries = (status.get("loadBalancer") or {}).get("ingress")
    return lab.fetch("client", f"http://{entries[0]['ip']}:{port}") if entries else None


def works_again(lab: Lab, name: str, port: int) -> None:
    """A new Service gets an address from the controller and an answer through the speaker."""
    lab.request("POST", SERVICES, load_balancer(name, port))
    until(lambda: answer(lab, name, port), HEALED_S, f"an answer of the new Service {name}")
    lab.request("DELETE", f"{SERVICES}/{name}")


def test_a_wrong_token_is_said_and_the_right_one_is_taken_up(lab: Lab, daemons: Daemons) -> None:
    accounts = ("herald-controller", "herald-speaker")
    right = {account: lab.state.token(account).read_text() for account in accounts}
    for account in accounts:
        lab.state.write_token(account, "not-a-token")
    reconnect(lab)

    until(lambda: daemons.all_say(UNAUTHORIZED), NOTICED_S, "a word of each daemon")
    assert lab.fetch("client", URL, timeout_s=SERVED_S)
    for account, token in right.items():
        lab.state.write_token(account, token)
    works_again(lab, "after-token", 8101)


def test_a_revoked_verb_stops_its_kind_alone_until_it_is_granted_again(
    lab: Lab, daemons: Daemons
) -> None:
    rules: list[dict[str, Any]] = lab.request("GET", ROLE)["rules"]
    left = [rule for rule in rules if rule["resources"] != ["endpointslices"]]
    assert len(left) == len(rules) - 1
    lab.patch(ROLE, {"rules": left})
    until(lambda: not may_list_slices(lab), NOTICED_S, "the server's authorizer knows")
    reconnect(lab)

    until(lambda: daemons.all_say(FORBIDDEN, "brain"), NOTICED_S, "a word of the brain")
    assert not daemons.all_say(UNAUTHORIZED, "brain")
    assert lab.fetch("client", URL, timeout_s=SERVED_S)
    lab.patch(ROLE, {"rules": rules})
    works_again(lab, "after-role", 8102)


def test_refused_writes_are_told_where_users_look(lab: Lab, daemons: Daemons) -> None:
    rules: list[dict[str, Any]] = lab.request("GET", CONTROLLER_ROLE)["rules"]
    left = [rule for rule in rules if rule["resources"] != ["services/status"]]
    assert len(left) == len(rules) - 1
    lab.patch(CONTROLLER_ROLE, {"rules": left})
    until(lambda: not may(lab, PATCH_STATUS), NOTICED_S, "the server's authorizer knows")

    lab.request("POST", SERVICES, load_balancer("refused", 8104))
    until(lambda: "refuses to store the status of Service default/refused" in summary(lab),
          NOTICED_S, "the ConfigurationState")  # fmt: skip
    said = ""

    def says_why() -> bool:
        nonlocal said
        said = explained(lab, "refused")
        return "herald-controller is at work: the API server refuses to store the status" in said

    until(says_why, NOTICED_S, "an explanation")
    assert "403" in said
    assert "is running" not in said

    lab.patch(CONTROLLER_ROLE, {"rules": rules})
    until(lambda: answer(lab, "refused", 8104), HEALED_S, "an answer of the Service")
    until(lambda: not summary(lab), NOTICED_S, "a clean ConfigurationState")
    lab.request("DELETE", f"{SERVICES}/refused")
    assert daemons.one_says(FORBIDDEN)


def summary(lab: Lab) -> str:
    return str(((lab.get(STATE) or {}).get("status") or {}).get("errorSummary") or "")


def explained(lab: Lab, service: str) -> str:
    command = [
        str(Path(sys.executable).parent / "herald"),
        "explain",
        service,
        "--lab",
        lab.plan.name,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout


def may_list_slices(lab: Lab) -> bool:
    return may(lab, LIST_SLICES)


def may(lab: Lab, wish: dict[str, Any]) -> bool:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:metallb-system:{wish['who']}",
            "resourceAttributes": wish["what"],
        },
    }
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(lab.request("POST", path, review)["status"]["allowed"])


def test_an_expired_certificate_is_said_and_a_new_one_is_taken_up(
    lab: Lab, daemons: Daemons
) -> None:
    pki = lab.state.plane / "pki"
    lab.api_fault(certificate=str(pki / "expired.crt"), key=str(pki / "expired.key"))

    until(lambda: daemons.all_say("expired"), NOTICED_S, "a word of each daemon")
    assert lab.fetch("client", URL, timeout_s=SERVED_S)
    lab.api_fault(certificate=str(pki / "apiserver.crt"), key=str(pki / "apiserver.key"))
    works_again(lab, "after-certificate", 8103)


def test_a_full_store_is_said_and_what_waits_is_done_when_there_is_room(
    lab: Lab, daemons: Daemons
) -> None:
    message = "etcdserver: mvcc: database space exceeded"
    lab.api_fault(mode="error", code=500, verbs=["create", "update", "patch"], message=message)
    lab.request("POST", SERVICES, load_balancer("waiting", 8104))

    until(lambda: daemons.one_says("space exceeded"), NOTICED_S, "a word of the controller")
    assert lab.fetch("client", URL, timeout_s=SERVED_S)
    lab.api_fault(mode="pass")
    until(lambda: answer(lab, "waiting", 8104), HEALED_S, "an answer of the Service that waited")
    lab.request("DELETE", f"{SERVICES}/waiting")
