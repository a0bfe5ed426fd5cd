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


def render(program: Path, folder: Path) -> str:
    command = [str(program), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("overlay", sorted(each.name for each in OVERLAYS.iterdir()))
def test_overlay_renders(program: Path, overlay: str) -> None:
    text = render(program, OVERLAYS / overlay)
    rendered = list(yaml.load_all(text, Loader=yaml.CSafeLoader))
    (speaker,) = (obj for obj in rendered if obj["kind"] == "DaemonSet")
    names = {each["name"] for each in speaker["spec"]["template"]["spec"]["containers"]}
    assert names == {"wire", "brain"} | ({"bgp"} if overlay != "l2-only" else set())
    for obj in rendered:
        namespace = None if obj["kind"] in CLUSTER_WIDE else "metallb-system"
        assert obj["metadata"].get("namespace") == namespace


@pytest.mark.parametrize("overlay", sorted(each.name for each in OVERLAYS.iterdir()))
def test_overlay_of_ones_own_moves_all_of_it_and_names_the_image(
    program: Path, overlay: str, tmp_path: Path
) -> None:
    """Accounts that roles are bound to, and the webhook's Service, are found by their namespace."""
    own = {
        "resources": [os.path.relpath(OVERLAYS / overlay, tmp_path.resolve())],
        "namespace": "lb",
        "images": [{"name": "herald", "newName": "registry.example.com/herald"}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(own))
    text = render(program, tmp_path)
    assert "metallb-system" not in text
    images = [line.split()[-1] for line in text.splitlines() if line.strip().startswith("image:")]
    assert images
    assert all(each.startswith("registry.example.com/herald:") for each in images)
