"""The little of OpenAPI v3 that kubectl asks for before it writes.

kubectl leaves validation to the server when the server's documents say that a PATCH of the kind
takes `fieldValidation`; that parameter and nothing else is published here.
"""

import json

from netns_lab.control_plane.problems import UnknownPathError
from netns_lab.control_plane.resources import Registry, ResourceType
from netns_lab.control_plane.selection import Json

ROOT = "/openapi/v3"
_PARAMETER = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}


def openapi_document(path: str, registry: Registry) -> bytes:
    """Return the index, or the document of one group and version."""
    if path == ROOT:
        places = {
            _place(each): {"serverRelativeURL": f"{ROOT}/{_place(each)}"} for each in registry
        }
        return json.dumps({"paths": places}).encode()
    kinds = [each for each in registry if path == f"{ROOT}/{_place(each)}"]
    if not kinds:
        raise UnknownPathError
    document = {
        "openapi": "3.0.0",
        "info": {"title": "Herald's lab", "version": "unversioned"},
        "paths": {_object_path(each): {"patch": _patch(each)} for each in kinds},
    }
    return json.dumps(document).encode()


def _place(kind: ResourceType) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def _object_path(kind: ResourceType) -> str:
    namespace = "/namespaces/{namespace}" if kind.namespaced else ""
    return f"/{_place(kind)}{namespace}/{kind.plural}/{{name}}"


def _patch(kind: ResourceType) -> Json:
    identity = {"group": kind.group, "kind": kind.kind, "version": kind.version}
    return {
        "parameters": [_PARAMETER],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-group-version-kind": identity,
    }
