"""Which Kubernetes release the embedded API server plays, by its minor version.

What Herald reads and writes grew over the releases. An older server drops a field that it doesn't
know from what it is sent and from what it has stored, answers 404 for an API version that it
doesn't serve (`ResourceType.since`) and 400 for a field selector that it doesn't have
(`ResourceType.selectable_since`). Minor versions are those at which each was on by default.
"""

from dataclasses import dataclass
from typing import Any

NEWEST = 36
OLDEST = 19
RELEASE_PATH = "/lab/release"
"""A PUT of `{"minor": 30}` makes the server one of 1.30; no real one has this path."""


@dataclass(frozen=True, slots=True)
class NewField:
    """A field of a kind, and the minor version it came with; `*` is each entry of a list."""

    kind: str
    path: tuple[str, ...]
    since: int


NEW_FIELDS = (
    NewField("Service", ("status", "loadBalancer", "ingress", "*", "ipMode"), 30),
    NewField("Service", ("spec", "loadBalancerClass"), 22),
    NewField("EndpointSlice", ("endpoints", "*", "conditions", "serving"), 22),
    NewField("EndpointSlice", ("endpoints", "*", "conditions", "terminating"), 22),
)


def drop_newer(kind: str, obj: dict[str, Any], minor: int) -> None:
    """Remove in place what a server of this minor version doesn't know."""
    for field in NEW_FIELDS:
        if field.kind == kind and field.since > minor:
            _drop(obj, field.path)


def _drop(value: Any, path: tuple[str, ...]) -> None:
    key, rest = path[0], path[1:]
    if key == "*":
        for each in value if isinstance(value, list) else ():
            _drop(each, rest)
    elif isinstance(value, dict):
        if rest:
            _drop(value.get(key), rest)
        else:
            value.pop(key, None)
