"""Label and field selectors as query strings, and which change of an object a watcher sees."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from netns_lab.control_plane.problems import bad_request
from netns_lab.control_plane.resources import ResourceType

Json: TypeAlias = dict[str, Any]
LabelTest: TypeAlias = Callable[[Mapping[str, str]], bool]

_SET = re.compile(r"^(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)$")
_EXISTS = re.compile(r"^(?P<absent>!?)\s*(?P<key>[^\s!=,()]+)$")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a list or watch asks for; empty parts select everything."""

    namespace: str = ""
    labels: tuple[LabelTest, ...] = ()
    fields: tuple[tuple[tuple[str, ...], str, bool], ...] = ()
    "Path, value, and whether it has to be equal."

    @property
    def everything(self) -> bool:
        """Whether no object is left out."""
        return not (self.namespace or self.labels or self.fields)

    def matches(self, obj: Json) -> bool:
        """Return whether the object is selected."""
        meta = obj["metadata"]
        if self.namespace and meta.get("namespace") != self.namespace:
            return False
        if self.labels:
            labels = meta.get("labels") or {}
            if not all(test(labels) for test in self.labels):
                return False
        return all((field(obj, path) == value) is equal for path, value, equal in self.fields)


def field(obj: Json, path: tuple[str, ...]) -> str:
    """Return the field's text as field selectors compare it; empty when absent."""
    value: Any = obj
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def parse_labels(text: str) -> tuple[LabelTest, ...]:
    """Return the tests of a label selector; raise a 400 when it can't be read."""
    return tuple(_label_test(part.strip()) for part in _split(text) if part.strip())


def parse_fields(kind: ResourceType, text: str) -> tuple[tuple[tuple[str, ...], str, bool], ...]:
    """Return the tests of a field selector; raise a 400 for a field the kind doesn't offer."""
    tests = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        match = _EQUAL.match(part)
        if match is None:
            raise bad_request(f"invalid field selector: {part}")
        label = match["key"]
        if label not in ("metadata.name", "metadata.namespace", *kind.selectable_fields):
            raise bad_request(f"field label not supported: {label}")
        tests.append((tuple(label.split(".")), match["value"], match["op"] != "!="))
    return tuple(tests)


def _split(text: str) -> list[str]:
    # Commas inside the brackets of a set belong to the set.
    return re.split(r",(?![^(]*\))", text)


def _label_test(text: str) -> LabelTest:
    if match := _SET.match(text):
        key = match["key"]
        values = frozenset(v.strip() for v in match["values"].split(","))
        if match["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUAL.match(text):
        key, value = match["key"], match["value"]
        if match["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTS.match(text):
        key = match["key"]
        if match["absent"]:
            return lambda labels: key not in labels
        return lambda labels: key in labels
    raise bad_request(f"unable to parse requirement: {text!r}")
