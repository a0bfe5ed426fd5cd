"""The CRDs: current, structural, complete, and of one mind with the models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.api import RESOURCES
from kube.schema.definitions import SHAPES, definitions
from kube.schema.files import files
from kube.schema.structural import structural
from kube.schema.words import WORDS
from kube.snapshot import Kind, Snapshot
from kube.store import SHELVES, Store
from kube.validation import usable
from netns_lab.control_plane.schema import faults

MANIFESTS = Path(__file__).parents[2] / "manifests"
SAMPLES = MANIFESTS / "samples"
OURS = {kind.value: kind for kind in Kind}
DEFINITIONS = definitions()
ADS = ["IPAddressPools", "IPAddressPool Selectors"]
STRUCTURAL_KEYS = {
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
}


def schemas() -> dict[str, dict[str, Any]]:
    return {
        f"{plural}/{version['name']}": version["schema"]["openAPIV3Schema"]
        for plural, definition in DEFINITIONS.items()
        for version in definition["spec"]["versions"]
    }


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for key, value in schema.get("properties", {}).items():
        yield from nodes(value, f"{path}.{key}")
    if "items" in schema:
        yield from nodes(schema["items"], path)


def spec_of(plural: str, version: int = -1) -> dict[str, Any]:
    chosen = DEFINITIONS[plural]["spec"]["versions"][version]
    properties: dict[str, Any] = chosen["schema"]["openAPIV3Schema"]["properties"]
    return properties["spec"]["properties"]  # type: ignore[no-any-return]


def samples(*names: str) -> list[dict[str, Any]]:
    found = [each for name in names for each in yaml.safe_load_all((SAMPLES / name).read_text())]
    return [each for each in found if each["apiVersion"].startswith("metallb.io/")]


def title(obj: dict[str, Any]) -> str:
    return str(obj["metadata"]["name"])


def schema_for(obj: dict[str, Any]) -> dict[str, Any]:
    plural = RESOURCES[obj["kind"]].plural
    version = obj["apiVersion"].partition("/")[2]
    return schemas()[f"{plural}/{version}"]


def store_of(*objects: dict[str, Any]) -> Store:
    store = Store()
    for obj in objects:
        store.upsert(OURS[obj["kind"]], obj)
    for kind in SHELVES:
        store.mark_listed(kind)
    return store


@pytest.mark.parametrize(("name", "text"), files().items())
def test_generated_files_are_current(name: str, text: str) -> None:
    assert (MANIFESTS / "crds" / name).read_text() == text, "run make manifests"


def test_all_nine_kinds_are_there() -> None:
    assert sorted(DEFINITIONS) == [
        "bfdprofiles",
        "bgpadvertisements",
        "bgppeers",
        "communities",
        "configurationstates",
        "ipaddresspools",
        "l2advertisements",
        "servicebgpstatuses",
        "servicel2statuses",
    ]


@pytest.mark.parametrize(("name", "schema"), schemas().items())
def test_schema_is_structural_and_describes_every_field(name: str, schema: dict[str, Any]) -> None:
    for path, node in nodes(schema, name):
        assert set(node) <= STRUCTURAL_KEYS, path
        assert node["type"] in {"object", "array", "string", "integer", "boolean"}, path
        for key, value in node.get("properties", {}).items():
            described = value.get("description") or (path, key) == (name, "metadata")
            assert described, f"{path}.{key}"


@pytest.mark.parametrize("kind", sorted(WORDS))
def test_no_words_are_left_over(kind: str) -> None:
    used = set()
    shape = SHAPES[kind]

    class Recording(dict[str, str]):
        def __missing__(self, path: str) -> str:
            used.add(path)
            return "x"

    for part, model in (("spec", shape.spec), ("status", shape.status)):
        if model is not None:
            structural(model, part, Recording(), {})
    assert set(WORDS[kind]) - used <= {"", "spec", "status"}


@pytest.mark.parametrize(
    ("plural", "field", "key", "value"),
    [
        ("ipaddresspools", "autoAssign", "default", True),
        ("ipaddresspools", "avoidBuggyIPs", "default", False),
        ("bgpadvertisements", "aggregationLength", "default", 32),
        ("bgpadvertisements", "aggregationLength", "minimum", 1),
        ("bgpadvertisements", "aggregationLengthV6", "default", 128),
        ("bgppeers", "peerPort", "default", 179),
        ("bgppeers", "peerPort", "minimum", 1),
        ("bgppeers", "peerPort", "maximum", 16384),
        ("bgppeers", "peerASN", "maximum", 4294967295),
        ("bgppeers", "peerASN", "format", "int64"),
        ("bgppeers", "localASN", "minimum", 1),
        ("bgppeers", "dynamicASN", "enum", ["internal", "external"]),
        ("bgppeers", "disableMP", "default", False),
        ("bfdprofiles", "receiveInterval", "minimum", 10),
        ("bfdprofiles", "receiveInterval", "maximum", 60000),
        ("bfdprofiles", "detectMultiplier", "minimum", 2),
        ("bfdprofiles", "detectMultiplier", "maximum", 255),
        ("bfdprofiles", "minimumTtl", "maximum", 254),
    ],
)
def test_defaults_and_bounds_are_metallbs(plural: str, field: str, key: str, value: object) -> None:
    assert spec_of(plural)[field][key] == value


@pytest.mark.parametrize(
    ("plural", "columns"),
    [
        ("ipaddresspools", ["Auto Assign", "Avoid Buggy IPs", "Addresses"]),
        ("l2advertisements", [*ADS, "Interfaces", "Node Selectors"]),
        ("bgpadvertisements", [*ADS, "Peers", "Node Selectors"]),
        ("bgppeers", ["Address", "ASN", "BFD Profile", "Multi Hops"]),
        ("bfdprofiles", ["Passive Mode", "Transmit Interval", "Receive Interval", "Multiplier"]),
        ("servicel2statuses", ["Allocated Node", "Service Name", "Service Namespace"]),
        ("servicebgpstatuses", ["Node", "Service Name", "Service Namespace"]),
        ("configurationstates", ["Result", "ErrorSummary", "Age"]),
    ],
)
def test_print_columns_are_metallbs(plural: str, columns: list[str]) -> None:
    for version in DEFINITIONS[plural]["spec"]["versions"]:
        assert [each["name"] for each in version["additionalPrinterColumns"]] == columns


def test_old_peer_version_is_served_with_a_warning_and_never_stored() -> None:
    old, new = DEFINITIONS["bgppeers"]["spec"]["versions"]
    assert old["name"] == "v1beta1"
    assert (old["served"], old["storage"], old["deprecated"]) == (True, False, True)
    assert (new["name"], new["storage"]) == ("v1beta2", True)
    assert old["schema"] == new["schema"], "else a label set by v1beta1 prunes fields of v1beta2"


def test_old_peer_without_a_port_or_timers_gets_the_defaults() -> None:
    """Herald's schema refuses 0, which in MetalLB's v1beta1 meant the default and was stored."""
    obj = {
        "kind": "BGPPeer",
        "metadata": {"name": "old", "namespace": "metallb-system"},
        "spec": {"myASN": 1, "peerASN": 2, "peerAddress": "192.168.4.1", "peerPort": 0},
    }
    config, found = usable(store_of(obj).snapshot())
    assert found == ()
    assert (config.peers[0].port, config.peers[0].hold_time_s) == (179, 90)


@pytest.mark.parametrize(
    "obj", samples("first-pool.yaml", "bgp-router.yaml", "everything.yaml"), ids=title
)
def test_good_samples_pass_schema_and_model(obj: dict[str, Any]) -> None:
    assert list(faults(schema_for(obj), obj)) == []
    assert store_of(obj).snapshot().faults == {}


def test_good_samples_are_usable_together() -> None:
    objects = samples("everything.yaml")
    for secret in yaml.safe_load_all((SAMPLES / "everything.yaml").read_text()):
        if secret["kind"] == "Secret":
            objects.append(secret | {"data": {"password": "Y2hhbmdlLW1l"}})
    config, found = usable(store_of(*objects).snapshot())
    assert found == ()
    assert config.peers[0].password == "change-me"


@pytest.mark.parametrize("obj", samples("bad/schema.yaml"), ids=title)
def test_what_the_schema_refuses_the_model_refuses(obj: dict[str, Any]) -> None:
    assert list(faults(schema_for(obj), obj))
    assert len(store_of(obj).snapshot().faults) == 1


@pytest.mark.parametrize("obj", samples("bad/rules.yaml"), ids=title)
def test_what_a_rule_refuses_validation_refuses(obj: dict[str, Any]) -> None:
    assert list(faults(schema_for(obj), obj)) == []
    assert refused(store_of(obj).snapshot()) == {title(obj)}


def test_what_is_meant_badly_passes_the_schema_and_is_refused() -> None:
    objects = samples("bad/meaning.yaml")
    for obj in objects:
        assert list(faults(schema_for(obj), obj)) == [], title(obj)
    assert refused(store_of(*objects).snapshot()) == {title(obj) for obj in objects} - {"first"}


def refused(snapshot: Snapshot) -> set[str]:
    return {fault.name.name for fault in usable(snapshot)[1] if fault.refused}
