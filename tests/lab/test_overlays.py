"""Every overlay as kubectl renders it: what it holds, and where."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from netns_lab.orders import LabError
from netns_lab.planes import kubectl

pytestmark = pytest.mark.netns

OVERLAYS = Path(__file__).parents[2] / "manifests" / "overlays"
CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "Namespace",
    "ValidatingWebhookConfiguration",
}


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return kubectl()
    except LabError as error:
        if os.environ.get("HERALD_REQUIRE_KUBE") == "1":
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("overlay", sorted(each.name for each in OVERLAYS.iterdir()))
def test_overlay_renders(program: Path, overlay: str) -> None:
    command = [str(program), "kustomize", str(OVERLAYS / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rendered = list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))
    (speaker,) = (obj for obj in rendered if obj["kind"] == "DaemonSet")
    names = {each["name"] for each in speaker["spec"]["template"]["spec"]["containers"]}
    assert names == {"wire", "brain"} | ({"bgp"} if overlay != "l2-only" else set())
    for obj in rendered:
        namespace = None if obj["kind"] in CLUSTER_WIDE else "metallb-system"
        assert obj["metadata"].get("namespace") == namespace
