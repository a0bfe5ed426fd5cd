from pathlib import Path

import pytest

from netns_lab.manifests import (
    LAST_APPLIED,
    Manifest,
    ManifestError,
    is_same,
    read_file,
    read_manifests,
)

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
        (
            "Ingress",
            "networking.k8s.io/v1",
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses/x",
        ),
        (
            "Gateway",
            "gateway.networking.k8s.io/v1",
            "/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways/x",
        ),
        ("PriorityClass", "scheduling.k8s.io/v1", "/apis/scheduling.k8s.io/v1/priorityclasses/x"),
        ("Endpoints", "v1", "/api/v1/namespaces/default/endpoints/x"),
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
        ("apiVersion: v1\nkind: X\nmetadata: [x]", "X without metadata.name"),
        (b"\x00\x01\xff", "not YAML"),
        (b"\x89PNG\r\n\xfe", "not YAML"),
    ],
)
def test_what_is_no_object_is_refused_with_its_file(text: str | bytes, says: str) -> None:
    with pytest.raises(ManifestError, match=f"f.yaml: .*{says}") as raised:
        read_manifests(text, "f.yaml")
    assert "\n" not in str(raised.value)


def test_field_that_left_the_file_is_removed_and_foreign_ones_stay() -> None:
    base = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
    before = Manifest(base | {"spec": {"a": 1, "b": {"c": 2, "d": 3}}})
    now = Manifest(base | {"spec": {"b": {"c": 4}}})
    patch = now.to_patch(before.to_create())
    assert patch["spec"] == {"a": None, "b": {"c": 4, "d": None}}
    assert "status" not in patch
    assert LAST_APPLIED in patch["metadata"]["annotations"]


def test_folder_gives_the_objects_of_its_yaml_files_only(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: b}\n")
    (tmp_path / "a.yml").write_text("# nothing yet\n")
    (tmp_path / "c.png").write_bytes(b"\x89PNG\xff")

    assert [each.words for each in read_file(str(tmp_path))] == ["service/b"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "no file in it that ends in .yaml or .yml"),
        ({"a.yaml": b"# nothing yet"}, "no object in its files"),
        ({"a.yaml": b"\xff\x00"}, "a.yaml: not YAML"),
    ],
)
def test_folder_without_an_object_is_refused(
    tmp_path: Path, files: dict[str, bytes], says: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ManifestError, match=says):
        read_file(str(tmp_path))


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read_file(str(tmp_path / "none.yaml"))


def test_a_status_that_is_written_during_an_apply_makes_the_object_no_other() -> None:
    def pool(version: str, addresses: list[str], **status: int) -> dict[str, object]:
        metadata = {"name": "x", "resourceVersion": version, "managedFields": [version]}
        return {"metadata": metadata, "spec": {"addresses": addresses}, "status": status}

    live = pool("7", ["192.0.2.0/24"])

    assert is_same(live, pool("8", ["192.0.2.0/24"], assignedIPv4=0))
    assert not is_same(live, pool("8", ["198.51.100.0/24"]))
