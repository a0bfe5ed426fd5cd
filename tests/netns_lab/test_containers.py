from pathlib import Path
from typing import Any

import pytest
import yaml

from netns_lab.containers import (
    Container,
    Probe,
    Surroundings,
    containers_of,
    folders_of,
    is_herald,
)

MANIFESTS = Path(__file__).parents[2] / "manifests"
WHERE = Surroundings(
    node="node1",
    address="192.168.4.101",
    pod_folder=Path("/lab/pods/u1"),
    host_folder=Path("/lab/host"),
    kubeconfig=Path("/lab/herald-speaker.kubeconfig"),
)


def pod_of(file: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((MANIFESTS / "base" / file).read_text())
    workload = next(d for d in documents if d["kind"] in ("DaemonSet", "Deployment"))
    template: dict[str, Any] = workload["spec"]["template"]
    template["metadata"] |= {"name": "pod-1", "namespace": "metallb-system"}
    return template


def container(name: str, pod: dict[str, Any]) -> Container:
    return next(each for each in containers_of(pod, WHERE) if each.name == name)


def test_speaker_of_the_manifests_runs_with_folders_in_place_of_its_mounts() -> None:
    wire = container("wire", pod_of("speaker.yaml"))
    assert wire.argv[:3] == ("herald-speaker", "wire", "--socket-dir=/lab/pods/u1/sockets")
    assert wire.env["HERALD_NODE_NAME"] == "node1"
    assert wire.ready == Probe("127.0.0.1", 17474, "/readyz")


def test_folder_of_the_host_outlives_the_pod() -> None:
    brain = container("brain", pod_of("speaker.yaml"))
    assert "--state-dir=/lab/host/var/lib/herald" in brain.argv
    folders = folders_of(pod_of("speaker.yaml"), WHERE)
    assert Path("/lab/host/var/lib/herald") in folders


def test_only_the_container_with_the_token_can_talk_to_the_api() -> None:
    pod = pod_of("speaker.yaml")
    assert container("brain", pod).env["HERALD_KUBECONFIG"] == str(WHERE.kubeconfig)
    assert "HERALD_KUBECONFIG" not in container("wire", pod).env


def test_capabilities_are_those_of_the_security_context() -> None:
    pod = pod_of("speaker.yaml")
    limits = container("wire", pod).command(Path("/venv/bin"))
    assert limits[:4] == ("setpriv", "--inh-caps=-all", "--bounding-set=-all,+net_raw", "--")
    assert limits[4] == "/venv/bin/herald-speaker"
    assert "--bounding-set=-all" in container("brain", pod).command(Path("/venv/bin"))


def test_controller_is_probed_on_its_own_address_by_the_ports_name() -> None:
    controller = container("controller", pod_of("controller.yaml"))
    assert controller.ready == Probe("192.168.4.101", 17473, "/readyz")
    assert controller.env["HERALD_POD_NAME"] == "pod-1"
    assert controller.env["HERALD_KUBECONFIG"] == str(WHERE.kubeconfig)


@pytest.mark.parametrize(
    ("image", "herald"),
    [("herald:0.1.0", True), ("example.com/x/herald", True), ("herald-exporter", False)],
)
def test_herald_is_known_by_its_image(image: str, herald: bool) -> None:
    assert is_herald({"spec": {"containers": [{"image": image}]}}) is herald


def test_mount_whose_name_begins_another_is_not_mistaken_for_it() -> None:
    mounts = [{"name": "a", "mountPath": "/run/x"}, {"name": "b", "mountPath": "/run/x-y"}]
    volumes: list[dict[str, Any]] = [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]
    each = {"name": "c", "command": ["p", "/run/x/s", "--d=/run/x-y/t"], "volumeMounts": mounts}
    pod = {"metadata": {"name": "p", "namespace": "n"},
           "spec": {"containers": [each], "volumes": volumes}}  # fmt: skip
    assert container("c", pod).argv == ("p", "/lab/pods/u1/a/s", "--d=/lab/pods/u1/b/t")
