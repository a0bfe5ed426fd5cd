"""Structural schemas: unknown fields go, defaults come, faults name their field."""

from typing import Any

import pytest

from netns_lab.control_plane.schema import apply_defaults, faults, prune

SCHEMA = {
    "type": "object",
    "required": ["spec"],
    "properties": {
        "spec": {
            "type": "object",
            "required": ["addresses"],
            "properties": {
                "addresses": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                "auto": {"type": "boolean", "default": True},
                "weight": {"type": "integer", "minimum": 1, "maximum": 100},
                "mode": {"type": "string", "enum": ["a", "b"]},
                "text": {"type": "string", "pattern": "^x", "minLength": 2, "maxLength": 3},
                "port": {"x-kubernetes-int-or-string": True},
                "note": {"type": "string", "nullable": True},
                "ratio": {"type": "number"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "entries": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": {"type": "string"},
                            "level": {"type": "integer", "default": 3},
                        },
                    },
                },
            },
        }
    },
}


def _fields(spec: dict[str, Any]) -> list[tuple[str, str]]:
    obj = {"apiVersion": "x/v1", "kind": "X", "metadata": {"any": 1}, "spec": spec}
    return [(cause.field, cause.reason) for cause in faults(SCHEMA, obj)]


def test_unknown_fields_are_removed_at_every_depth_and_open_objects_keep_theirs() -> None:
    obj = {
        "kind": "X",
        "metadata": {"kept": 1},
        "other": 1,
        "spec": {
            "unknown": 1,
            "labels": {"any": "kept"},
            "open": {"any": "kept"},
            "entries": [{"name": "a", "unknown": 1}],
        },
    }
    unknown = list(prune(SCHEMA, obj))

    assert unknown == ["other", "spec.unknown", "spec.entries[0].unknown"]
    assert obj == {
        "kind": "X",
        "metadata": {"kept": 1},
        "spec": {"labels": {"any": "kept"}, "open": {"any": "kept"}, "entries": [{"name": "a"}]},
    }


def test_defaults_fill_what_is_missing_and_replace_a_null_that_is_not_allowed() -> None:
    spec: dict[str, Any] = {"auto": None, "note": None, "entries": [{"name": "a"}]}
    apply_defaults(SCHEMA, {"spec": spec})

    assert spec == {"auto": True, "note": None, "entries": [{"name": "a", "level": 3}]}


def test_what_is_right_has_no_faults() -> None:
    spec = {
        "addresses": ["a"],
        "auto": False,
        "weight": 100,
        "mode": "b",
        "text": "xy",
        "port": "http",
        "note": None,
        "ratio": 1,
        "entries": [{"name": "a"}, {"name": "b"}],
    }
    assert _fields(spec) == []


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        pytest.param({"addresses": None}, "spec.addresses", "FieldValueRequired", id="missing"),
        pytest.param({"addresses": []}, "spec.addresses", "FieldValueInvalid", id="too few"),
        pytest.param({"auto": "yes"}, "spec.auto", "FieldValueTypeInvalid", id="text for bool"),
        pytest.param({"weight": True}, "spec.weight", "FieldValueTypeInvalid", id="bool for int"),
        pytest.param({"weight": 1.5}, "spec.weight", "FieldValueTypeInvalid", id="half an int"),
        pytest.param({"weight": 0}, "spec.weight", "FieldValueInvalid", id="too small"),
        pytest.param({"weight": 101}, "spec.weight", "FieldValueInvalid", id="too big"),
        pytest.param({"mode": "c"}, "spec.mode", "FieldValueNotSupported", id="not in the list"),
        pytest.param({"text": "xxxx"}, "spec.text", "FieldValueTooLong", id="too long"),
        pytest.param({"text": "x"}, "spec.text", "FieldValueInvalid", id="too short"),
        pytest.param({"text": "yy"}, "spec.text", "FieldValueInvalid", id="no match"),
        pytest.param({"labels": {"a": 1}}, "spec.labels.a", "FieldValueTypeInvalid", id="in a map"),
        pytest.param(
            {"entries": [{"name": "a"}, {"name": "a"}]},
            "spec.entries[1]",
            "FieldValueDuplicate",
            id="same key twice",
        ),
        pytest.param(
            {"entries": [{"level": "x"}]},
            "spec.entries[0].level",
            "FieldValueTypeInvalid",
            id="in a list",
        ),
    ],
)
def test_faults_name_the_field_and_the_reason(
    spec: dict[str, Any], field: str, reason: str
) -> None:
    whole = {key: each for key, each in ({"addresses": ["a"]} | spec).items() if each is not None}

    assert _fields(whole) == [(field, reason)]
