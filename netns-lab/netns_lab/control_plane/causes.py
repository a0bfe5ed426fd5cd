"""One wrong field of an object, as `details.causes` of an Invalid status lists it."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """`reason` is one of the API's cause types, such as FieldValueInvalid."""

    field: str
    reason: str
    message: str


def required(field: str, detail: str = "") -> Cause:
    """Return the cause for a field that has to be there."""
    message = "Required value" + (f": {detail}" if detail else "")
    return Cause(field, "FieldValueRequired", message)


def invalid_value(field: str, value: object, detail: str) -> Cause:
    """Return the cause for a value that may not be."""
    return Cause(field, "FieldValueInvalid", f"Invalid value: {json.dumps(value)}: {detail}")


def not_supported(field: str, value: object, allowed: tuple[str, ...]) -> Cause:
    """Return the cause for a value outside a closed list."""
    names = ", ".join(f'"{each}"' for each in allowed)
    message = f"Unsupported value: {json.dumps(value)}: supported values: {names}"
    return Cause(field, "FieldValueNotSupported", message)


def wrong_type(field: str, value: object, expected: str) -> Cause:
    """Return the cause for a value of another type than the schema's."""
    message = f"Invalid value: {json.dumps(value)}: {field} in body must be of type {expected}"
    return Cause(field, "FieldValueTypeInvalid", message)


def duplicate(field: str, value: object) -> Cause:
    """Return the cause for a value that may be there once only."""
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {json.dumps(value)}")


def immutable(field: str, value: object, detail: str = "field is immutable") -> Cause:
    """Return the cause for a change of what can't change."""
    return invalid_value(field, value, detail)
