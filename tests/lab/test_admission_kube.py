"""Admission on a real API server: refused before it is stored, by kubectl, and never in the way.

Each test leaves the lab as the next one wants it: the pool `first`, both controllers up.
"""

import base64
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from controller.admission.certificate import Keys, issue
from controller.admission.trust import host_of
from netns_lab.lab import Lab
from netns_lab.orders import Json
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("kube",)
LAB_NODES = 2
NAMESPACE = "metallb-system"
OBJECTS = f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/herald-webhook-cert"
CONFIGURATION = (
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/herald-webhook"
)
STATE = f"{OBJECTS}/configurationstates/controller"
OVERLAP = "overlaps with already defined CIDR"
SERVICES = "/api/v1/namespaces/default/services"
MOVED_S = 4.0
"""After it Services of a pool that is gone would have moved: they wait for 2 s."""
LOOK_LIMIT_S = 30.0
"""The controllers look at their certificate every ten seconds or so."""


def herald(kind: str, name: str, spec: Json, namespace: str = NAMESPACE) -> Json:
    version = "v1beta2" if kind == "BGPPeer" else "v1beta1"
    metadata = {"name": name, "namespace": namespace}
    api_version = f"metallb.io/{version}"
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


FIRST = herald("IPAddressPool", "first", {"addresses": ["192.168.4.10-192.168.4.20"]})
OVERLAPPING = herald("IPAddressPool", "overlapping", {"addresses": ["192.168.4.16/28"]})
PROFILE = herald("BFDProfile", "fast", {"receiveInterval": 100})
PEER = herald(
    "BGPPeer",
    "router",
    {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.168.4.99", "bfdProfile": "fast"},
)


def load_balancer(name: str) -> Json:
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def kubectl(lab: Lab, *words: str, **piped: Json) -> "subprocess.CompletedProcess[str]":
    """Run kubectl beside the API server; `obj` is what it reads as its input."""
    command = lab.command("control", ["kubectl", *words])
    text = yaml.safe_dump(piped["obj"]) if piped else ""
    return subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, timeout=30
    )


def apply(lab: Lab, obj: Json) -> str:
    """Apply an object; what kubectl says against it, empty if nothing."""
    done = kubectl(lab, "apply", "-f", "-", obj=obj)
    return done.stderr if done.returncode else ""


def refused(lab: Lab, obj: Json) -> str:
    """What the server says against creating the object, which is not done."""
    done = kubectl(lab, "create", "--dry-run=server", "-f", "-", obj=obj)
    return done.stderr if done.returncode else ""


def controllers(lab: Lab) -> dict[str, Json]:
    processes: list[Json] = lab.status()["processes"]
    return {p["process"]: p for p in processes if p["process"].startswith("controller@")}


def starts(lab: Lab) -> dict[str, int]:
    return {name: each["starts"] for name, each in controllers(lab).items()}


def all_ready(lab: Lab) -> bool:
    return all(each["ready"] for each in controllers(lab).values())


@pytest.fixture(autouse=True)
def _guarded(lab: Lab) -> Iterator[None]:
    """The first pool is there, and an overlapping one is refused."""
    assert apply(lab, FIRST) == ""
    until(lambda: OVERLAP in refused(lab, OVERLAPPING), LOOK_LIMIT_S, "the webhook judges")
    yield
    kubectl(lab, "delete", "--ignore-not-found", "-n", NAMESPACE, "ipaddresspool/overlapping")


def test_overlapping_pool_is_refused_with_metallbs_phrase(lab: Lab) -> None:
    said = apply(lab, OVERLAPPING)
    assert 'admission webhook "validate.herald.io" denied the request' in said
    assert f'{OVERLAP} or range of pool "first"' in said
    assert lab.get(f"{OBJECTS}/ipaddresspools/overlapping") is None


def test_wrong_namespace_is_refused_with_the_right_one(lab: Lab) -> None:
    there = herald("L2Advertisement", "l2", {}, namespace="default")
    assert f"resource must be created in {NAMESPACE} namespace" in refused(lab, there)


def test_old_version_of_a_peer_is_judged_as_the_new_one(lab: Lab) -> None:
    old = herald("BGPPeer", "old", {"myASN": 1, "peerASN": 2, "peerAddress": "192.168.4.256"})
    old["apiVersion"] = "metallb.io/v1beta1"
    assert "invalid BGPPeer address" in refused(lab, old)


def test_missing_reference_is_a_warning_that_kubectl_shows(lab: Lab) -> None:
    done = kubectl(lab, "create", "--dry-run=server", "-f", "-", obj=PEER)
    assert done.returncode == 0, done.stderr
    assert 'Warning: spec.bfdProfile: references non existing bfd profile "fast"' in done.stderr


def test_profile_in_use_cannot_be_deleted(lab: Lab) -> None:
    assert apply(lab, PROFILE) == apply(lab, PEER) == ""
    delete = ("delete", "-n", NAMESPACE)

    def refusal() -> str:
        return kubectl(lab, *delete, "--dry-run=server", "bfdprofile/fast").stderr

    said = until(refusal, 10, "the webhook has heard of the peer")
    assert 'failed to delete BFDProfile fast: used by BGPPeer "router"' in said
    assert kubectl(lab, *delete, "bfdprofile/fast").returncode != 0
    assert lab.get(f"{OBJECTS}/bfdprofiles/fast") is not None
    assert kubectl(lab, *delete, "bgppeer/router", "bfdprofile/fast").returncode == 0


def test_junk_is_refused_with_a_sentence_and_serves_on(lab: Lab) -> None:
    pods = lab.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
    address = next(
        pod["status"]["podIP"]
        for pod in pods
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] == "controller"
    )
    started = starts(lab)
    for junk, status in (("{}", "400"), ("\x00\x01", "400"), ("[" * 100_000, "400")):
        argv = ["curl", "-sk", "-w", "%{http_code}", f"https://{address}:9443/validate"]
        done = subprocess.run(
            lab.command("control", [*argv, "--data-binary", "@-"]),
            input=junk, capture_output=True, text=True, check=False, timeout=10,
        )  # fmt: skip
        assert done.stdout.endswith(status), done
    assert OVERLAP in refused(lab, OVERLAPPING)
    assert starts(lab) == started


def test_dead_controllers_block_nobody_and_judge_afterwards(lab: Lab) -> None:
    names = list(controllers(lab))
    for name in names:
        lab.signal(name, signal.SIGKILL, hold=True)
    try:
        assert apply(lab, OVERLAPPING) == ""
    finally:
        for name in names:
            lab.release(name)
    until(lambda: all_ready(lab), 30, "both controllers are back")
    summary = until(lambda: state(lab, "Invalid"), 40, "the controller reports the overlap")
    assert "IPAddressPool metallb-system/overlapping" in (summary or "")
    kubectl(lab, "delete", "-n", NAMESPACE, "ipaddresspool/overlapping")
    until(lambda: state(lab, "Valid") is not None, 20, "and that it is gone")


def state(lab: Lab, result: str) -> str | None:
    """The summary of the controller's ConfigurationState if it has this result."""
    status = (lab.get(STATE) or {}).get("status") or {}
    return status.get("errorSummary", "") if status.get("result") == result else None


def test_state_of_the_configuration_that_is_deleted_comes_back(lab: Lab) -> None:
    until(lambda: state(lab, "Valid") is not None, 20, "a state")
    lab.request("DELETE", STATE)
    until(lambda: state(lab, "Valid") is not None, 20, "the state again")


def ingress(lab: Lab) -> dict[str, Json]:
    """The addresses of all Services of type LoadBalancer."""
    found = lab.request("GET", "/api/v1/services")["items"]
    return {
        each["metadata"]["name"]: each["status"]["loadBalancer"]
        for each in found
        if each["spec"]["type"] == "LoadBalancer"
    }


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"renamed": "192.168.4.10-192.168.4.20"}, id="another name"),
        pytest.param(
            {"low": "192.168.4.10/31", "high": "192.168.4.12-192.168.4.20"}, id="two of one"
        ),
    ],
)
def test_pool_deleted_and_applied_otherwise_keeps_its_addresses(
    lab: Lab, parts: dict[str, str]
) -> None:
    """With another pool beside it, so that it is not all pools that are gone."""
    other = herald("IPAddressPool", "other", {"addresses": ["192.168.4.64/28"]})
    pools = [herald("IPAddressPool", name, {"addresses": [at]}) for name, at in parts.items()]
    assert apply(lab, other) == ""
    for number in range(4):
        lab.request("POST", SERVICES, load_balancer(f"web{number}"))
    until(lambda: all(ingress(lab).values()), 20, "addresses for all")
    before = ingress(lab)

    assert kubectl(lab, "delete", "-n", NAMESPACE, "ipaddresspool/first").returncode == 0
    assert [apply(lab, each) for each in pools] == ["" for _ in pools]

    lab.request("POST", SERVICES, load_balancer("newcomer"))
    until(lambda: ingress(lab)["newcomer"], 20, "an address for a new Service")
    until(lambda: state(lab, "Valid") is not None, 20, "a state")
    time.sleep(MOVED_S)
    assert {name: at for name, at in ingress(lab).items() if name in before} == before
    for name in (*before, "newcomer"):
        lab.request("DELETE", f"{SERVICES}/{name}")
    kubectl(
        lab, "delete", "-n", NAMESPACE, *[f"ipaddresspool/{name}" for name in (*parts, "other")]
    )


def test_frozen_controllers_hold_nobody_up_for_long(lab: Lab) -> None:
    names = list(controllers(lab))
    for name in names:
        lab.signal(name, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert refused(lab, OVERLAPPING) == ""
        assert time.monotonic() - began < 10
    finally:
        for name in names:
            lab.signal(name, signal.SIGCONT)


def test_expired_certificate_is_renewed_without_a_restart(lab: Lab) -> None:
    private = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    long_ago = datetime.now(UTC) - timedelta(days=100)  # noqa: TID251 -- as the servers read it
    expired = issue(host_of(NAMESPACE), Keys(private[0], private[1], (1, 2)), long_ago)
    content = {key: base64.b64encode(value).decode() for key, value in expired.secret().items()}
    started = starts(lab)
    lab.patch(SECRET, {"data": content})

    def authorities() -> list[x509.Certificate]:
        (webhook,) = lab.request("GET", CONFIGURATION)["webhooks"]
        bundle = base64.b64decode(webhook["clientConfig"]["caBundle"])
        return x509.load_pem_x509_certificates(bundle)

    def stored() -> bytes:
        return base64.b64decode(lab.request("GET", SECRET)["data"]["tls.crt"])

    until(lambda: stored() != expired.certificate, LOOK_LIMIT_S, "a new certificate")
    leaf = x509.load_pem_x509_certificate(stored())
    until(lambda: authorities()[0].subject == leaf.issuer, LOOK_LIMIT_S, "it is trusted")
    # Both replicas serve it in the end: each of many calls is judged.
    until(
        lambda: all(OVERLAP in refused(lab, OVERLAPPING) for _ in range(5)),
        LOOK_LIMIT_S,
        "it is served",
    )
    assert starts(lab) == started


def test_bundle_and_secret_that_are_gone_are_made_anew(lab: Lab) -> None:
    body = {"webhooks": [{"name": "validate.herald.io", "clientConfig": {"caBundle": None}}]}
    kind = "application/strategic-merge-patch+json"
    (gone,) = lab.request("PATCH", CONFIGURATION, body, kind)["webhooks"]
    assert "caBundle" not in gone["clientConfig"]

    def trusted() -> bool:
        (webhook,) = lab.request("GET", CONFIGURATION)["webhooks"]
        return "caBundle" in webhook["clientConfig"]

    until(trusted, LOOK_LIMIT_S, "a bundle")
    until(lambda: OVERLAP in refused(lab, OVERLAPPING), LOOK_LIMIT_S, "trusted again")
    lab.request("DELETE", SECRET)
    until(lambda: lab.get(SECRET), LOOK_LIMIT_S, "a new Secret")
    until(lambda: OVERLAP in refused(lab, OVERLAPPING), LOOK_LIMIT_S, "and it is served")
