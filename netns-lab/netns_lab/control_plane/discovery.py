"""The documents by which clients find out what is served: enough for kubectl and the libraries."""

import json

from netns_lab.control_plane.openapi import openapi_document
from netns_lab.control_plane.problems import UnknownPathError
from netns_lab.control_plane.resources import Registry, ResourceType
from netns_lab.control_plane.selection import Json

VERSION = {
    "major": "1",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "",
}
_JSON = "application/json"
_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def discovery_document(path: str, accept: str, registry: Registry) -> tuple[bytes, str] | None:
    """Return the document at this path and its media type, or None when it is no such path."""
    if path in ("/healthz", "/livez", "/readyz"):
        return b"ok", "text/plain; charset=utf-8"
    if path == "/version":
        minor = registry.minor
        own = {"minor": str(minor), "gitVersion": f"v1.{minor}.0+herald-lab"}
        return json.dumps(VERSION | own).encode(), _JSON
    parts = path.strip("/").split("/")
    if parts[0] == "openapi":
        return openapi_document(path, registry), _JSON
    document: Json
    if parts == ["api"]:
        document = {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    elif parts == ["apis"]:
        groups = [_group(name, registry) for name in _group_names(registry)]
        document = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    elif parts[0] == "apis" and len(parts) == 2 and parts[1] in _group_names(registry):
        document = {"kind": "APIGroup", "apiVersion": "v1"} | _group(parts[1], registry)
    elif parts == ["api", "v1"]:
        document = _resources("", "v1", registry)
    elif parts[0] == "apis" and len(parts) == 3:
        document = _resources(parts[1], parts[2], registry)
    else:
        return None
    return json.dumps(document).encode(), _JSON


def _group_names(registry: Registry) -> list[str]:
    return sorted({each.group for each in registry if each.group})


def _group(name: str, registry: Registry) -> Json:
    names = {each.version for each in registry if each.group == name}
    # Stable before beta, and the newest first: v1, v1beta2, v1beta1.
    served = sorted(sorted(names, reverse=True), key=lambda version: "beta" in version)
    versions = [{"groupVersion": f"{name}/{each}", "version": each} for each in served]
    return {
        "name": name,
        "versions": versions,
        "preferredVersion": versions[0],
    }


def _resources(group: str, version: str, registry: Registry) -> Json:
    kinds = [each for each in registry if (each.group, each.version) == (group, version)]
    if not kinds:
        raise UnknownPathError
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": kinds[0].api_version,
        "resources": [entry for each in kinds for entry in _entries(each)],
    }


def _entries(kind: ResourceType) -> list[Json]:
    entry = {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _VERBS,
        "shortNames": list(kind.short_names),
    }
    return [entry] + [
        {
            "name": f"{kind.plural}/{each}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": "Scale" if each == "scale" else kind.kind,
            "verbs": ["get", "patch", "update"],
        }
        for each in kind.subresources
    ]
