"""Reviews as the API server sends them."""

import json
from typing import Any

from kube.crds import Resource
from tests.builders import HERALD

VERSIONS = {"BGPPeer": "v1beta2"}


def written(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """An object of Herald's as its author wrote it."""
    return {
        "apiVersion": f"metallb.io/{VERSIONS.get(kind, 'v1beta1')}",
        "kind": kind,
        "metadata": {"name": name, "namespace": HERALD} | metadata,
        "spec": spec,
    }


def stored(kind: str, resource: Resource) -> dict[str, Any]:
    """The object that a resource of the tests' builders came from."""
    spec = resource.model_dump(mode="json", by_alias=True, exclude_unset=True)["spec"]
    return written(kind, resource.name.name, spec)


def review(
    operation: str, obj: dict[str, Any] | None, old: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A review of the object, which for DELETE is `old`."""
    about = obj or old or {}
    group, _, version = about["apiVersion"].partition("/")
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": group, "version": version, "kind": about["kind"]},
            "name": about["metadata"].get("name", ""),
            "namespace": about["metadata"]["namespace"],
            "operation": operation,
            "object": obj,
            "oldObject": old,
            "dryRun": False,
        },
    }


def body(value: Any) -> bytes:
    """The value as it goes over the wire."""
    return json.dumps(value).encode()
