"""Structural schemas of CustomResourceDefinitions: prune, default, validate.

The subset of OpenAPI v3 that a structural schema may have; no CEL (`x-kubernetes-validations` is
kept in the definition and not run). Messages follow the real server's, since people search for
them and since tests compare both.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from netns_lab.control_plane.causes import Cause, invalid_value, required, wrong_type

Schema: TypeAlias = Mapping[str, Any]

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"
_ROOT_FIELDS = ("apiVersion", "kind", "metadata")


def prune(schema: Schema, value: Any, path: str = "") -> Iterator[str]:
    """Remove in place the fields that the schema doesn't know; yield the path of each."""
    if isinstance(value, list):
        for index, each in enumerate(value if "items" in schema else ()):
            yield from prune(schema["items"], each, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    keep_all = bool(schema.get(_PRESERVE)) or extra is True
    for key in tuple(value):
        if not path and key in _ROOT_FIELDS:
            continue
        if key in properties:
            yield from prune(properties[key], value[key], _join(path, key))
        elif isinstance(extra, dict):
            yield from prune(extra, value[key], _join(path, key))
        elif not keep_all:
            del value[key]
            yield _join(path, key)


def apply_defaults(schema: Schema, value: Any) -> None:
    """Fill in place what is missing and has a default; null counts as missing."""
    if isinstance(value, list):
        for each in value:
            apply_defaults(schema.get("items") or {}, each)
    if not isinstance(value, dict):
        return
    for key, sub in (schema.get("properties") or {}).items():
        if value.get(key) is None and key in value and not sub.get("nullable"):
            del value[key]
        if key not in value and "default" in sub:
            value[key] = _copy(sub["default"])
        if key in value:
            apply_defaults(sub, value[key])
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        for each in value.values():
            apply_defaults(extra, each)


def faults(schema: Schema, value: Any, path: str = "") -> Iterator[Cause]:
    """Yield what is wrong with the value."""
    if value is None and schema.get("nullable"):
        return
    expected = schema.get("type")
    if expected and not _is_type(schema, expected, value):
        yield wrong_type(path or "<root>", value, expected)
        return
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(f'"{each}"' for each in schema["enum"])
        yield Cause(
            path,
            "FieldValueNotSupported",
            f"Unsupported value: {_quoted(value)}: supported values: {allowed}",
        )
    if isinstance(value, dict):
        yield from _object_faults(schema, value, path)
    elif isinstance(value, list):
        yield from _list_faults(schema, value, path)
    elif isinstance(value, str):
        yield from _string_faults(schema, value, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_faults(schema, value, path)


def _object_faults(schema: Schema, value: dict[str, Any], path: str) -> Iterator[Cause]:
    for key in schema.get("required") or ():
        if key not in value:
            yield required(_join(path, key))
    properties = schema.get("properties") or {}
    extra = schema.get("additionalProperties")
    for key, each in value.items():
        if not path and key in _ROOT_FIELDS:
            continue
        sub = properties.get(key, extra if isinstance(extra, dict) else None)
        if sub is not None:
            yield from faults(sub, each, _join(path, key))


def _list_faults(schema: Schema, value: list[Any], path: str) -> Iterator[Cause]:
    if len(value) < schema.get("minItems", 0):
        yield invalid_value(
            path, len(value), f"{path} in body should have at least {schema['minItems']} items"
        )
    if "maxItems" in schema and len(value) > schema["maxItems"]:
        yield Cause(
            path,
            "FieldValueTooMany",
            f"Too many: {len(value)}: must have at most {schema['maxItems']} items",
        )
    keys = schema.get("x-kubernetes-list-map-keys")
    seen: list[Any] = []
    for index, each in enumerate(value):
        yield from faults(schema.get("items") or {}, each, f"{path}[{index}]")
        if keys and isinstance(each, dict):
            identity = [each.get(key) for key in keys]
            if identity in seen:
                yield Cause(
                    f"{path}[{index}]", "FieldValueDuplicate", f"Duplicate value: {_quoted(each)}"
                )
            seen.append(identity)


def _string_faults(schema: Schema, value: str, path: str) -> Iterator[Cause]:
    # The real server stops at the first of them.
    if "maxLength" in schema and len(value) > schema["maxLength"]:
        detail = f"Too long: may not be more than {schema['maxLength']} bytes"
        yield Cause(path, "FieldValueTooLong", detail)
    elif len(value) < schema.get("minLength", 0):
        detail = f"{path} in body should be at least {schema['minLength']} chars long"
        yield invalid_value(path, value, detail)
    elif not re.search(schema.get("pattern", ""), value):
        detail = f"{path} in body should match '{schema['pattern']}'"
        yield invalid_value(path, value, detail)


def _number_faults(schema: Schema, value: float, path: str) -> Iterator[Cause]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and value < low:
        yield invalid_value(path, value, f"{path} in body should be greater than or equal to {low}")
    if high is not None and value > high:
        yield invalid_value(path, value, f"{path} in body should be less than or equal to {high}")


def _is_type(schema: Schema, expected: str, value: Any) -> bool:
    if schema.get(_INT_OR_STRING):
        return isinstance(value, (int, str)) and not isinstance(value, bool)
    if isinstance(value, bool):
        return expected == "boolean"
    if expected == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    types: dict[str, tuple[type, ...]] = {
        "object": (dict,),
        "array": (list,),
        "string": (str,),
        "number": (int, float),
    }
    return isinstance(value, types.get(expected, ()))


def _name(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}
    return "null" if value is None else names.get(type(value), "number")


def _quoted(value: Any) -> str:
    return f'"{_name(value)}"' if isinstance(value, (dict, list)) or value is None else f'"{value}"'


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value
