"""Admission on a real API server: refused before it is stored, by kubectl, and never in the way.

Each test leaves the lab as the next one wants it: the pool `first`, both controllers up.

The server asks either controller, each of which hears of a change in its own time, and lets pass
what none answers within three seconds. So one answer tells nothing of the next: each test waits for
the one that it is about.
"""

import base64
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from controller.admission.certificate import Keys, issue
from controller.admission.trust import host_of
from netns_lab.lab import ApiRefusedError, Lab
from netns_lab.orders import Json
from tests.lab.unrest import unrest
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
QUICKLY_S = 1.0
"""Well within those 2 s."""
TRIES = 5
LOOK_LIMIT_S = 60.0
"""The controllers look at their certificate every ten seconds or so."""
BACK_S = 120.0
"""Two Pythons start, and wait until the Lease of the dead is over."""


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
        command, input=text, capture_output=True, text=True, check=False, timeout=60
    )


def apply(lab: Lab, obj: Json) -> str:
    """Apply an object; what kubectl says against it, empty if nothing."""
    done = kubectl(lab, "apply", "-f", "-", obj=obj)
    return done.stderr if done.returncode else ""


def refused(lab: Lab, obj: Json) -> str:
    """What the server says against creating the object, which is not done."""
    done = kubectl(lab, "create", "--dry-run=server", "-f", "-", obj=obj)
    return done.stderr if done.returncode else ""


def is_refused(lab: Lab, obj: Json, why: str) -> None:
    """Wait until the server refuses the object for the reason."""
    until(lambda: why in refused(lab, obj), LOOK_LIMIT_S, f"refused with {why!r}")


def is_applied(lab: Lab, obj: Json) -> None:
    """Apply the object, again while a controller has not heard of what is gone."""
    until(lambda: not apply(lab, obj), LOOK_LIMIT_S, "taken")


def delete(lab: Lab, *names: str) -> None:
    """Delete Herald's objects, again while a controller has not heard that they are not used."""
    words = ("delete", "--ignore-not-found", "-n", NAMESPACE, *names)
    until(lambda: kubectl(lab, *words).returncode == 0, LOOK_LIMIT_S, f"an end of {names}")


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
    is_applied(lab, FIRST)
    is_refused(lab, OVERLAPPING, OVERLAP)
    yield
    delete(lab, "ipaddresspool/overlapping")


def test_overlapping_pool_is_refused_with_metallbs_phrase(lab: Lab) -> None:
    def refusal() -> str:
        if said := apply(lab, OVERLAPPING):
            return said
        delete(lab, "ipaddresspool/overlapping")
        return ""

    said = until(refusal, LOOK_LIMIT_S, "a refusal")
    assert 'admission webhook "validate.herald.io" denied the request' in said
    assert f'{OVERLAP} or range of pool "first"' in said
    assert lab.get(f"{OBJECTS}/ipaddresspools/overlapping") is None


def test_wrong_namespace_is_refused_with_the_right_one(lab: Lab) -> None:
    there = herald("L2Advertisement", "l2", {}, namespace="default")
    is_refused(lab, there, f"resource must be created in {NAMESPACE} namespace")


def test_old_version_of_a_peer_is_judged_as_the_new_one(lab: Lab) -> None:
    old = herald("BGPPeer", "old", {"myASN": 1, "peerASN": 2, "peerAddress": "192.168.4.256"})
    old["apiVersion"] = "metallb.io/v1beta1"
    is_refused(lab, old, "invalid BGPPeer address")


def test_missing_reference_is_a_warning_that_kubectl_shows(lab: Lab) -> None:
    def warned() -> bool:
        done = kubectl(lab, "create", "--dry-run=server", "-f", "-", obj=PEER)
        assert done.returncode == 0, done.stderr
        warning = 'Warning: spec.bfdProfile: references non existing bfd profile "fast"'
        return warning in done.stderr

    until(warned, LOOK_LIMIT_S, "a warning")


def test_profile_in_use_cannot_be_deleted(lab: Lab) -> None:
    is_applied(lab, PROFILE)
    is_applied(lab, PEER)

    def refusal() -> str:
        done = kubectl(lab, "delete", "-n", NAMESPACE, "bfdprofile/fast")
        if done.returncode:
            return done.stderr
        is_applied(lab, PROFILE)
        return ""

    said = until(refusal, LOOK_LIMIT_S, "who is asked has heard of the peer")
    assert 'failed to delete BFDProfile fast: used by BGPPeer "router"' in said
    assert lab.get(f"{OBJECTS}/bfdprofiles/fast") is not None
    delete(lab, "bgppeer/router", "bfdprofile/fast")


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
            input=junk, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.stdout.endswith(status), done
    is_refused(lab, OVERLAPPING, OVERLAP)
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
    until(lambda: all_ready(lab), BACK_S, "both controllers are back")
    summary = until(lambda: state(lab, "Invalid"), BACK_S, "the controller reports the overlap")
    assert "IPAddressPool metallb-system/overlapping" in (summary or "")
    delete(lab, "ipaddresspool/overlapping")
    until(lambda: state(lab, "Valid") is not None, LOOK_LIMIT_S, "and that it is gone")


def state(lab: Lab, result: str) -> str | None:
    """The summary of the controller's ConfigurationState if it has this result."""
    status = (lab.get(STATE) or {}).get("status") or {}
    return status.get("errorSummary", "") if status.get("result") == result else None


def test_state_of_the_configuration_that_is_deleted_comes_back(lab: Lab) -> None:
    until(lambda: state(lab, "Valid") is not None, LOOK_LIMIT_S, "a state")
    lab.request("DELETE", STATE)
    until(lambda: state(lab, "Valid") is not None, LOOK_LIMIT_S, "the state again")


def ingress(lab: Lab) -> dict[str, Json]:
    """The addresses of all Services of type LoadBalancer."""
    found = lab.request("GET", "/api/v1/services")["items"]
    return {
        each["metadata"]["name"]: each["status"]["loadBalancer"]
        for each in found
        if each["spec"]["type"] == "LoadBalancer"
    }


def addressed(lab: Lab, count: int) -> dict[str, Json]:
    """New Services, with the addresses that they are given."""
    for number in range(count):
        lab.request("POST", SERVICES, load_balancer(f"web{number}"))
    until(lambda: all(ingress(lab).values()), LOOK_LIMIT_S, "addresses for all")
    return ingress(lab)


def remove(lab: Lab, services: Iterable[str]) -> None:
    for name in services:
        lab.request("DELETE", f"{SERVICES}/{name}")


def replaced(lab: Lab, parts: dict[str, str]) -> float:
    """Delete the first pool and make others of its addresses; return how long that took."""
    began = time.monotonic()
    lab.request("DELETE", f"{OBJECTS}/ipaddresspools/first")
    for name, at in parts.items():
        pool = herald("IPAddressPool", name, {"addresses": [at]})
        until(partial(is_taken, lab, pool), LOOK_LIMIT_S, f"pool {name} taken")
    return time.monotonic() - began


def is_taken(lab: Lab, pool: Json) -> bool:
    """Create the pool; False where whoever is asked has not heard of the other's end."""
    try:
        lab.request("POST", f"{OBJECTS}/ipaddresspools", pool)
    except ApiRefusedError as error:
        if OVERLAP in str(error):
            return False
        raise
    return True


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
    pools = [f"ipaddresspool/{name}" for name in parts]
    is_applied(lab, herald("IPAddressPool", "other", {"addresses": ["192.168.4.64/28"]}))
    for _ in range(TRIES):
        is_applied(lab, FIRST)
        before = addressed(lab, 4)
        with unrest(lab) as noticed:
            took_s = replaced(lab, parts)
            after = with_a_newcomer(lab)
            # Where the machine stood still they move by now, and that is as it should be.
            held = after == before or (took_s < QUICKLY_S and not noticed())
        remove(lab, (*before, "newcomer"))
        delete(lab, *pools)
        if held:
            break
    assert after == before
    delete(lab, "ipaddresspool/other")


def with_a_newcomer(lab: Lab) -> dict[str, Json]:
    """The addresses of the others a while after one more Service has got one."""
    lab.request("POST", SERVICES, load_balancer("newcomer"))
    until(lambda: ingress(lab)["newcomer"], LOOK_LIMIT_S, "an address for a new Service")
    until(lambda: state(lab, "Valid") is not None, LOOK_LIMIT_S, "a state")
    time.sleep(MOVED_S)
    return {name: at for name, at in ingress(lab).items() if name != "newcomer"}


def test_frozen_controllers_hold_nobody_up_for_long(lab: Lab) -> None:
    """Less than the ten seconds that are usual, though kubectl has to start as well."""
    names = list(controllers(lab))
    for name in names:
        lab.signal(name, signal.SIGSTOP)

    def quickly() -> bool:
        began = time.monotonic()
        assert refused(lab, OVERLAPPING) == ""
        return time.monotonic() - began < 10

    try:
        until(quickly, LOOK_LIMIT_S, "taken in time")
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

    def trusted() -> bool:
        issuer = x509.load_pem_x509_certificate(stored()).issuer
        return bool(authorities()[0].subject == issuer)

    until(lambda: stored() != expired.certificate, LOOK_LIMIT_S, "a new certificate")
    until(trusted, LOOK_LIMIT_S, "it is trusted")
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
