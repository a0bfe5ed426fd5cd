"""Requests as values: what a path and its query ask for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from netns_lab.control_plane.problems import UnknownPathError, bad_request, unsupported_media_type
from netns_lab.control_plane.resources import Registry, ResourceType
from netns_lab.control_plane.selection import Selection, parse_fields, parse_labels


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: what looks like a time is text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 -- the base class declares it
        first: [each for each in found if each[0] != "tag:yaml.org,2002:timestamp"]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_YAML = ("application/yaml", "application/apply-patch+yaml")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    accept: str = "application/json"
    body: bytes = b""

    def decoded(self) -> dict[str, Any]:
        """Return the body as an object; raise a 400 when it isn't one."""
        value = self.decoded_any()
        if not isinstance(value, dict):
            raise bad_request("the request's body is not an object")
        return value

    def decoded_any(self) -> Any:
        """Return the body as JSON or YAML; raise a 400 when it is neither."""
        if self.media_type == "application/vnd.kubernetes.protobuf":
            raise unsupported_media_type(self.media_type, ("application/json", *_YAML))
        try:
            if self.media_type in _YAML:
                return yaml.load(self.body, _Loader)
            return json.loads(self.body)
        except (ValueError, yaml.YAMLError) as error:
            raise bad_request(f"the request's body can't be decoded: {error}") from error

    def flag(self, name: str) -> bool:
        """Return whether a query parameter is set to something true."""
        return self.query.get(name, "").lower() in ("1", "true", "t")

    def number(self, name: str) -> int | None:
        """Return a query parameter as a number, None when absent; raise a 400 for text."""
        text = self.query.get(name, "")
        if not text:
            return None
        if not text.isdecimal():
            raise bad_request(f"{name}: Invalid value: {text!r}: must be a number")
        return int(text)


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a kind, and perhaps a namespace, an object, a subresource."""

    kind: ResourceType
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """The object's key in its table."""
        return self.namespace, self.name


def parse_target(path: str, registry: Registry) -> Target:
    """Return what the path names; raise UnknownPathError when nothing serves it."""
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise UnknownPathError
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = registry.find(group, version, rest[0])
    if kind is None or len(rest) > 3 or (namespace and not kind.namespaced):
        raise UnknownPathError
    name, subresource = (*rest[1:], "", "")[:2]
    if subresource and subresource not in kind.subresources:
        raise UnknownPathError
    if name and kind.namespaced and not namespace:
        raise UnknownPathError
    return Target(kind, namespace, name, subresource)


def parse_selection(target: Target, query: Mapping[str, str]) -> Selection:
    """Return what a list or watch selects."""
    fields = parse_fields(target.kind, query.get("fieldSelector", ""))
    if target.name:
        fields = (*fields, (("metadata", "name"), target.name, True))
    return Selection(target.namespace, parse_labels(query.get("labelSelector", "")), fields)
