"""The manifests on a real API server: they install, judge as our models do, and grant no more.

The daemons of the lab run under exactly the shipped roles, so the audit log shows what they lack
and what they have in vain.
"""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from netns_lab.lab import ApiRefusedError, Lab
from netns_lab.manifests import Manifest, read_file
from netns_lab.orders import Json
from netns_lab.planes import kubectl
from tests.lab.audit import audit
from tests.lab.until import until

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("kube",)
LAB_NODES = 1
MANIFESTS = Path(__file__).parents[2] / "manifests"
SAMPLES = MANIFESTS / "samples"
CRDS = str(MANIFESTS / "crds")
SERVICE = "/api/v1/namespaces/default/services/nginx-deployment-service"
POOL_CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/ipaddresspools.metallb.io"
CERTIFICATE = "/api/v1/namespaces/metallb-system/secrets/herald-webhook-cert"
METALLB = "/apis/metallb.io/v1beta1/namespaces/metallb-system"
STATUSES = {
    "servicel2statuses": "metallb.io/service-name",
    "servicebgpstatuses": "metallb.io/service-name",
    "configurationstates": "metallb.io/component-type",
}
"By a label that the speaker keeps right."
LIMIT_S, SERVED_S = 90, 10.0
KUBECTL_S = 120
HELM = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {
        "helm.sh/resource-policy": "keep",
        "meta.helm.sh/release-name": "metallb",
        "meta.helm.sh/release-namespace": "metallb-system",
    },
}
"""What Helm writes on what it installs, and what docs/migrating.md has written first of all."""
PEER_CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bgppeers.metallb.io"


def samples(name: str) -> list[Manifest]:
    return read_file(str(SAMPLES / name))


def tried(lab: Lab, manifest: Manifest) -> str:
    """Why the server refuses the object, by schema or webhook, empty if it would take it."""
    try:
        lab.request("POST", f"{manifest.collection}?dryRun=All", manifest.obj)
    except ApiRefusedError as error:
        if error.status != 422:
            raise
        return str(error)
    return ""


@pytest.mark.parametrize("name", ["first-pool.yaml", "bgp-router.yaml", "everything.yaml"])
def test_good_samples_are_taken(lab: Lab, name: str) -> None:
    assert [why for each in samples(name) if (why := tried(lab, each))] == []


@pytest.mark.parametrize("name", ["bad/schema.yaml", "bad/rules.yaml"])
def test_bad_samples_are_refused(lab: Lab, name: str) -> None:
    assert [each.words for each in samples(name) if not tried(lab, each)] == []


def test_what_only_validation_can_refuse_passes_the_schema(lab: Lab) -> None:
    refused = {each.words: why for each in samples("bad/meaning.yaml") if (why := tried(lab, each))}
    # Alone it is the webhook that refuses them, but for what lacks only something else.
    assert {why for why in refused.values() if "denied the request" not in why} == set()
    assert not {words for words in refused if "missing-" in words or "unknown-" in words}


def created(lab: Lab, path: str, obj: Json) -> Json:
    """Create an object, again while who is asked has not heard that another like it is gone."""

    def answer() -> Json | None:
        try:
            return lab.request("POST", path, obj)
        except ApiRefusedError as error:
            if "already exists" in str(error):
                return None
            raise

    return until(answer, LIMIT_S, f"{obj['metadata']['name']} created") or {}


def test_immutable_fields_cannot_be_changed(lab: Lab) -> None:
    (peer,) = (each for each in samples("bgp-router.yaml") if each.obj["kind"] == "BGPPeer")
    peer.obj["metadata"]["name"] = "immutable"
    peer.obj["spec"]["enableGracefulRestart"] = True
    created(lab, peer.collection, peer.obj)
    with pytest.raises(ApiRefusedError, match="immutable"):
        lab.patch(peer.path, {"spec": {"enableGracefulRestart": False}})
    lab.request("DELETE", peer.path)


def test_old_peer_version_is_converted_without_inventing_timers(lab: Lab) -> None:
    path = "/apis/metallb.io/{}/namespaces/metallb-system/bgppeers"
    spec = {"myASN": 64512, "peerASN": 64999, "peerAddress": "192.168.4.99"}
    obj = {"apiVersion": "metallb.io/v1beta1", "kind": "BGPPeer", "metadata": {"name": "old"}}
    created(lab, path.format("v1beta1"), obj | {"spec": spec})
    new = lab.request("GET", path.format("v1beta2") + "/old")
    assert new["apiVersion"] == "metallb.io/v1beta2"
    assert not {"holdTime", "keepaliveTime"} & set(new["spec"])
    lab.request("DELETE", path.format("v1beta2") + "/old")


def test_label_set_by_the_old_version_takes_nothing_from_a_peer(lab: Lab) -> None:
    """The server answers in the old version, takes the patch, and stores that as the new one."""
    path = "/apis/metallb.io/{}/namespaces/metallb-system/bgppeers"
    spec = {
        "myASN": 64512,
        "peerASN": 64999,
        "peerAddress": "192.168.4.99",
        "passwordSecret": {"name": "peer", "namespace": "metallb-system"},
        "enableGracefulRestart": True,
        "nodeSelectors": [{"matchExpressions": [{"key": "rack", "operator": "Exists"}]}],
    }
    obj = {"apiVersion": "metallb.io/v1beta2", "kind": "BGPPeer", "metadata": {"name": "kept"}}
    before = created(lab, path.format("v1beta2"), obj | {"spec": spec})["spec"]
    lab.patch(path.format("v1beta1") + "/kept", {"metadata": {"labels": {"seen": "yes"}}})
    after = lab.request("GET", path.format("v1beta2") + "/kept")
    assert (after["metadata"]["labels"], after["spec"]) == ({"seen": "yes"}, before)
    with pytest.raises(ApiRefusedError, match="peerPort"):
        lab.patch(path.format("v1beta1") + "/kept", {"spec": {"peerPort": 0}})
    lab.request("DELETE", path.format("v1beta2") + "/kept")


@pytest.mark.parametrize("overlay", ["l2-only", "bgp", "realtime"])
def test_kubectl_installs_each_variant(lab: Lab, overlay: str) -> None:
    said = on_server(lab, "apply", "--dry-run=server", "-k", str(MANIFESTS / "overlays" / overlay))
    assert "daemonset.apps/herald-speaker " in said


@pytest.mark.parametrize("how", ["replace", "apply"])
def test_crds_of_metallb_become_ours(lab: Lab, how: str) -> None:
    """Its CRD of the peers names a webhook for conversion, which the server refuses beside ours."""
    webhook = {"name": "metallb-webhook-service", "namespace": "metallb-system", "path": "/convert"}
    conversion = {
        "strategy": "Webhook",
        "webhook": {"conversionReviewVersions": ["v1beta1"], "clientConfig": {"service": webhook}},
    }
    lab.patch(PEER_CRD, {"spec": {"conversion": conversion}, "metadata": HELM})
    # The server itself writes the status of a definition that was changed: a conflict, perhaps.
    until(lambda: kubectl_on_server(lab, how, "-k", CRDS).returncode == 0, LIMIT_S, f"{how} of all")
    after = lab.request("GET", PEER_CRD)
    assert after["spec"]["conversion"] == {"strategy": "None"}
    # By these Helm takes the CRD back, should MetalLB return.
    marks = {key: after["metadata"].get(key, {}).items() >= HELM[key].items() for key in HELM}
    assert set(marks.values()) == {how == "apply"}


def test_crds_applied_again_change_nothing(lab: Lab) -> None:
    on_server(lab, "apply", "-k", CRDS)

    def unchanged() -> bool:
        before = lab.request("GET", PEER_CRD)["metadata"]
        on_server(lab, "apply", "-k", CRDS)
        after = lab.request("GET", PEER_CRD)["metadata"]
        return bool(after["resourceVersion"] == before["resourceVersion"])

    # What follows from a change before comes in the server's own time.
    until(unchanged, LIMIT_S, "the same version after another apply")


def on_server(lab: Lab, *words: str) -> str:
    """Run kubectl as the administrator does, and return what it says."""
    done = kubectl_on_server(lab, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kubectl_on_server(lab: Lab, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run kubectl as the administrator does."""
    config = f"--kubeconfig={lab.state.admin_kubeconfig}"
    return lab.exec("control", [str(kubectl()), config, *words], timeout_s=KUBECTL_S)


def asked(lab: Lab) -> set[tuple[str, str, str]]:
    """Account, verb, resource with its subresource."""
    found = set()
    for entry in audit(lab):
        reference = entry.get("objectRef") or {}
        if resource := reference.get("resource"):
            whole = "/".join(filter(None, (resource, reference.get("subresource"))))
            account = entry["user"]["username"].rpartition(":")[2]
            found.add((account, entry["verb"], whole))
    return found


def granted() -> set[tuple[str, str, str]]:
    found = set()
    for account in ("controller", "speaker"):
        text = (MANIFESTS / "base" / f"{account}-rbac.yaml").read_text()
        for obj in yaml.safe_load_all(text):
            for rule in obj.get("rules", []):
                found |= {
                    (f"herald-{account}", verb, resource)
                    for verb in rule["verbs"]
                    for resource in rule["resources"]
                }
    return found


def disturb_statuses(lab: Lab) -> None:
    """Spoil a label of each object that the speaker writes, and wait until it is put right."""
    for plural, label in STATUSES.items():
        path = f"{METALLB}/{plural}"
        (obj,) = until(partial(speakers_own, lab, path), LIMIT_S, f"one of the {plural}")
        path += f"/{obj['metadata']['name']}"
        lab.patch(path, {"metadata": {"labels": {label: "spoilt"}}})

        def right(path: str = path, label: str = label) -> bool:
            labels = lab.request("GET", path)["metadata"]["labels"]
            return labels.get(label) not in ("spoilt", None)

        until(right, LIMIT_S, f"{path} put right")


def speakers_own(lab: Lab, path: str) -> list[dict[str, Any]]:
    found = lab.request("GET", path)["items"]
    return [each for each in found if each["metadata"]["name"] != "controller"]


def is_none(lab: Lab, path: str) -> bool:
    return not speakers_own(lab, path)


@pytest.fixture
def applied(lab: Lab) -> Iterator[None]:
    """The walkthrough is there, and gone afterwards: other tests try to create the same."""
    names = ("bgp-router.yaml", "first-pool.yaml")
    for name in names:
        on_server(lab, "apply", "-f", str(SAMPLES / name))
    yield
    whole = [each for name in names for each in samples(name)]
    until(partial(deleted, lab, whole), LIMIT_S, "an end of the walkthrough")


def deleted(lab: Lab, whole: list[Manifest]) -> bool:
    """Delete all of it; False where who is asked has not heard that the profile is not used now."""
    try:
        list(lab.delete(whole))
    except ApiRefusedError as error:
        if "used by" in str(error):
            return False
        raise
    return True


def paths(lab: Lab, *, denied: bool) -> set[tuple[str, str, str]]:
    """Account, verb and path of what was denied, or of what was not."""
    return {
        (each["user"]["username"], each["verb"], each["requestURI"].partition("?")[0])
        for each in audit(lab)
        if (each["responseStatus"]["code"] in (401, 403)) is denied
    }


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("applied")
def test_roles_are_enough_and_no_more(lab: Lab) -> None:
    until(lambda: answer(lab), LIMIT_S, "an answer at the address")
    disturb_statuses(lab)
    lab.patch(SERVICE, {"spec": {"type": "ClusterIP"}})
    for plural in ("servicel2statuses", "servicebgpstatuses"):
        until(partial(is_none, lab, f"{METALLB}/{plural}"), LIMIT_S, f"an end of the {plural}")
    lab.patch(SERVICE, {"spec": {"type": "LoadBalancer"}})
    lab.patch(CERTIFICATE, {"data": {"tls.crt": ""}})  # so that it is renewed
    # The read after silence comes after twenty quiet seconds.
    missing = wanted = granted()

    def all_used() -> bool:
        nonlocal missing
        missing = wanted - asked(lab)
        return not missing

    with suppress(AssertionError):
        until(all_used, LIMIT_S * 2, "use of all that is granted")
    assert missing == set()
    # The server's authorizer may hear of a role after its account's first request: what is asked
    # again and allowed was not missing.
    assert paths(lab, denied=True) - paths(lab, denied=False) == set()


def answer(lab: Lab) -> str | None:
    at = ingress(lab)
    return lab.fetch("client", f"http://{at[0]}:8090", timeout_s=SERVED_S) if at else None


def ingress(lab: Lab) -> list[str]:
    status = lab.request("GET", SERVICE).get("status") or {}
    return [each["ip"] for each in (status.get("loadBalancer") or {}).get("ingress") or ()]


@pytest.mark.usefixtures("applied")
def test_addresses_stay_when_the_crd_of_the_pools_is_deleted(lab: Lab) -> None:
    """The server deletes each pool first, which looks like so many deletions by the user."""
    until(lambda: answer(lab), LIMIT_S, "an answer at the address")
    before = ingress(lab)
    crd = lab.request("GET", POOL_CRD)
    lab.request("DELETE", POOL_CRD)
    until(lambda: lab.get(POOL_CRD) is None, LIMIT_S, "the end of the CRD")
    assert answer(lab)
    assert ingress(lab) == before
    for key in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
        crd["metadata"].pop(key, None)
    crd.pop("status")
    lab.request("POST", POOL_CRD.rpartition("/")[0], crd)
