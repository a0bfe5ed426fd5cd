"""Independent judges of the embedded API server: kubectl, and the typed Kubernetes client.

Both are strict about what a server answers; neither needs a lab.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, watch

from netns_lab.control_plane.binaries import find
from tests.lab.until import until

pytestmark = pytest.mark.netns

FIRST_POOL = Path(__file__).parents[2] / "manifests" / "samples" / "first-pool.yaml"
SERVICE = {
    "metadata": {"name": "typed"},
    "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "x"}},
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The embedded API server as a process of its own; its URL."""
    argv = [sys.executable, "-m", "netns_lab.control_plane", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        yield found[0]
        process.terminate()


@pytest.fixture
def core(server: str) -> Iterator[client.CoreV1Api]:
    configuration = client.Configuration()
    configuration.host = server
    with client.ApiClient(configuration) as api:
        yield client.CoreV1Api(api)


def kubectl(server: str, *arguments: str) -> str:
    """Run kubectl and return what it prints."""
    binaries, missing = find(os.environ)
    if "kubectl" in missing:
        if os.environ.get("HERALD_REQUIRE_KUBE") == "1":
            pytest.fail("no kubectl: `make kube` provides it")
        pytest.skip("no kubectl: `make kube` provides it")
    command = [str(binaries["kubectl"]), "--server", server, *arguments]
    environment = os.environ | {"KUBECONFIG": "/dev/null"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kubectl_applies_the_walkthrough_unchanged_twice_and_deletes_it(server: str) -> None:
    first = kubectl(server, "apply", "-f", str(FIRST_POOL))
    again = kubectl(server, "apply", "-f", str(FIRST_POOL))
    gone = kubectl(server, "delete", "-f", str(FIRST_POOL))

    assert [line.rpartition(" ")[2] for line in first.splitlines()] == ["created"] * 4
    assert [line.rpartition(" ")[2] for line in again.splitlines()] == ["unchanged"] * 4
    assert len(gone.splitlines()) == 4


def test_kubectl_patches_scales_and_prints(server: str) -> None:
    kubectl(server, "apply", "-f", str(FIRST_POOL))
    patch = json.dumps({"spec": {"externalTrafficPolicy": "Local"}})
    kubectl(server, "patch", "service", "nginx-deployment-service", "-p", patch)
    kubectl(server, "scale", "deployment", "nginx-deployment", "--replicas=3")
    kubectl(server, "label", "service", "nginx-deployment-service", "tier=web")
    listed = kubectl(server, "get", "svc", "-l", "tier=web")

    def pods() -> list[Any]:
        return list(json.loads(kubectl(server, "get", "pods", "-o", "json"))["items"])

    until(lambda: len(pods()) == 3, 10, "three Pods")
    kubectl(server, "delete", "-f", str(FIRST_POOL))

    heading, row = listed.splitlines()
    assert "EXTERNAL-IP" in heading
    assert "<pending>" in row


def test_the_typed_client_reads_back_what_it_wrote(core: client.CoreV1Api) -> None:
    created = core.create_namespaced_service("default", SERVICE)
    version = created.metadata.resource_version
    created.metadata.labels = {"tier": "web"}
    replaced = core.replace_namespaced_service("typed", "default", created)
    status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
    core.patch_namespaced_service_status("typed", "default", status)
    events = watch.Watch().stream(
        core.list_namespaced_service, "default", resource_version=version, timeout_seconds=60
    )
    seen = [(each["type"], each["object"].metadata.name) for each in islice(events, 2)]
    events.close()
    core.delete_namespaced_service("typed", "default")

    assert replaced.metadata.labels == {"tier": "web"}
    assert seen == [("MODIFIED", "typed")] * 2
    assert [each.metadata.name for each in core.list_namespaced_service("default").items] == [
        "kubernetes"
    ]


def test_a_stale_replacement_is_a_conflict_for_the_typed_client(core: client.CoreV1Api) -> None:
    created = core.create_namespaced_config_map("default", {"metadata": {"name": "map"}})
    core.patch_namespaced_config_map("map", "default", {"data": {"a": "b"}})
    with pytest.raises(client.ApiException) as raised:
        core.replace_namespaced_config_map("map", "default", created)
    core.delete_namespaced_config_map("map", "default")

    assert raised.value.status == 409
