"""The AdmissionReview that the API server sends, and the one it gets back.

What is no review of ours is junk: `parse_review` raises `JunkError` with a sentence, which the
server answers with 400, and the API server then goes on by the webhook's failure policy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any

from kube.crds import GROUP
from kube.objects import Json, ObjectName
from kube.snapshot import Kind

API_VERSION = "admission.k8s.io/v1"
REVIEW = "AdmissionReview"
MAX_WARNING = 250
"""The API server cuts a warning at 256 characters, and drops all above 4,096 together."""
MAX_WARNINGS = 10

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.value: kind
        for kind in (
            Kind.IP_ADDRESS_POOL,
            Kind.L2_ADVERTISEMENT,
            Kind.BGP_ADVERTISEMENT,
            Kind.BGP_PEER,
            Kind.BFD_PROFILE,
            Kind.COMMUNITY,
        )
    }
)
"""The kinds that people write."""


class JunkError(Exception):
    """What came is no review of an object of ours; the message says what it lacks."""


class Operation(Enum):
    """What somebody wants to do; CONNECT is not for objects."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be judged."""

    uid: str
    operation: Operation
    kind: Kind
    name: ObjectName
    obj: Json
    "As it would be stored; as it is stored when it is to be deleted."
    old: Json
    "As it is stored, for an update; else empty."

    @property
    def terminating(self) -> bool:
        """Tell whether the object has been deleted and only waits for its finalizers."""
        return bool((self.obj.get("metadata") or {}).get("deletionTimestamp"))

    @property
    def spec_unchanged(self) -> bool:
        """Tell whether an update leaves the spec as it is."""
        return self.operation is Operation.UPDATE and self.obj.get("spec") == self.old.get("spec")


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer: refused when there are sentences; warnings never refuse."""

    sentences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Tell whether the object may be stored."""
        return not self.sentences


def parse_review(body: bytes) -> Request:
    """Return the request of a review; raise JunkError when it is none."""
    try:
        review = json.loads(body)
    except ValueError as error:
        raise JunkError(f"the body is no JSON: {error}") from error
    except RecursionError as error:
        raise JunkError("the body is nested too deeply") from error
    if not isinstance(review, dict) or review.get("kind") != REVIEW:
        raise JunkError(f"the body is no {REVIEW}")
    if review.get("apiVersion") != API_VERSION:
        raise JunkError(f"apiVersion {review.get('apiVersion')!r}: only {API_VERSION} is known")
    request = _mapping(review, "request")
    uid = request.get("uid")
    if not isinstance(uid, str) or not uid:
        raise JunkError("request.uid is missing")
    operation = _operation(request.get("operation"))
    obj = _mapping(request, "oldObject" if operation is Operation.DELETE else "object")
    old = _mapping(request, "oldObject") if operation is Operation.UPDATE else {}
    return Request(uid, operation, _kind(request), _name(request, obj), obj, old)


def answer(request: Request, judgement: Judgement) -> Json:
    """Return the review that answers the request."""
    response: dict[str, Any] = {"uid": request.uid, "allowed": judgement.allowed}
    if not judgement.allowed:
        message = "; ".join(judgement.sentences)
        response["status"] = {"code": 422, "reason": "Invalid", "message": message}
    if judgement.warnings:
        cut = [text[:MAX_WARNING] for text in judgement.warnings[:MAX_WARNINGS]]
        response["warnings"] = cut
    return {"apiVersion": API_VERSION, "kind": REVIEW, "response": response}


def _mapping(parent: Mapping[str, Any], key: str) -> Json:
    value = parent.get(key)
    if not isinstance(value, dict):
        raise JunkError(f"{key} is missing, or no object")
    return value


def _operation(given: object) -> Operation:
    try:
        return Operation(given)
    except ValueError:
        raise JunkError(
            f"request.operation {given!r} is none that objects are judged for"
        ) from None


def _kind(request: Mapping[str, Any]) -> Kind:
    given = _mapping(request, "kind")
    kind = KINDS.get(str(given.get("kind")))
    if kind is None or given.get("group") != GROUP:
        raise JunkError(f"request.kind {given.get('group')}/{given.get('kind')} is not judged here")
    return kind


def _name(request: Mapping[str, Any], obj: Json) -> ObjectName:
    meta = _mapping(obj, "metadata")
    name = request.get("name") or meta.get("name") or meta.get("generateName")
    namespace = request.get("namespace") or meta.get("namespace") or ""
    if not isinstance(name, str) or not isinstance(namespace, str):
        raise JunkError("the object has no name")
    return ObjectName(namespace, name)
