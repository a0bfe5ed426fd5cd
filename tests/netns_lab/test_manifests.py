from pathlib import Path

import pytest

from netns_lab.manifests import LAST_APPLIED, Manifest, ManifestError, read_file, read_manifests

SAMPLE = Path(__file__).parents[2] / "manifests/samples/first-pool.yaml"


def test_walkthrough_goes_where_its_kinds_live() -> None:
    assert [m.collection for m in read_file(str(SAMPLE))] == [
        "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools",
        "/apis/metallb.io/v1beta1/namespaces/metallb-system/l2advertisements",
        "/apis/apps/v1/namespaces/default/deployments",
        "/api/v1/namespaces/default/services",
    ]


@pytest.mark.parametrize(
    ("kind", "version", "path"),
    [
        ("Namespace", "v1", "/api/v1/namespaces/x"),
        ("BGPPeer", "metallb.io/v1beta2", "/apis/metallb.io/v1beta2/namespaces/default/bgppeers/x"),
        (
            "Community",
            "metallb.io/v1beta1",
            "/apis/metallb.io/v1beta1/namespaces/default/communities/x",
        ),
    ],
)
def test_path_of_an_object(kind: str, version: str, path: str) -> None:
    assert Manifest({"apiVersion": version, "kind": kind, "metadata": {"name": "x"}}).path == path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "not YAML"),
        ("", "no object"),
        ("- 1", "not an object"),
        ("kind: X", "without apiVersion"),
        ("apiVersion: v1\nkind: X", "X without metadata.name"),
    ],
)
def test_what_is_no_object_is_refused_with_its_file(text: str, says: str) -> None:
    with pytest.raises(ManifestError, match=f"f.yaml: .*{says}"):
        read_manifests(text, "f.yaml")


def test_field_that_left_the_file_is_removed_and_foreign_ones_stay() -> None:
    base = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
    before = Manifest(base | {"spec": {"a": 1, "b": {"c": 2, "d": 3}}})
    now = Manifest(base | {"spec": {"b": {"c": 4}}})
    patch = now.to_patch(before.to_create())
    assert patch["spec"] == {"a": None, "b": {"c": 4, "d": None}}
    assert "status" not in patch
    assert LAST_APPLIED in patch["metadata"]["annotations"]
