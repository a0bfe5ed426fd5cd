"""Pods as the controllers see them: what they belong to, whether they are ready, their order."""

from collections.abc import Iterator, Mapping

from netns_lab.control_plane.selection import Json
from netns_lab.control_plane.store import Change, Record, Store

PODS = "/pods"
NODES = "/nodes"
ORDINAL = "herald.io/lab-ordinal"
"""Annotation: 1 for the first Pod of a workload, so that the pod runner can call it `web1`."""


def is_ready(pod: Json) -> bool:
    """Return whether the kubelet says the Pod is ready."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def is_active(pod: Json) -> bool:
    """Return whether the Pod counts for its workload: neither ending nor ended."""
    phase = (pod.get("status") or {}).get("phase")
    return not pod["metadata"].get("deletionTimestamp") and phase not in ("Succeeded", "Failed")


def controller_of(obj: Json) -> Mapping[str, str]:
    """Return the owner reference of the object's controller; empty without one."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return {key: str(value) for key, value in owner.items()}
    return {}


def owner_reference(owner: Json) -> Json:
    """Return the reference that makes `owner` the controller of what carries it."""
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned(store: Store, storage: str, owner: Record) -> Iterator[Record]:
    """Yield the objects of a table that the owner controls, by name."""
    uid = owner.obj["metadata"]["uid"]
    namespace = owner.key[0]
    for record in store.table(storage).ordered():
        if record.key[0] == namespace and controller_of(record.obj).get("uid") == uid:
            yield record


def matches(selector: Json, labels: Mapping[str, str]) -> bool:
    """Return whether a label selector (metav1.LabelSelector) selects the labels."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        expression_matches(each, labels) for each in selector.get("matchExpressions") or ()
    )


def expression_matches(expression: Json, labels: Mapping[str, str]) -> bool:
    """Return whether one requirement of a selector is met."""
    value = labels.get(expression["key"])
    values = expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False


def versions(change: Change) -> tuple[Json, ...]:
    """Return the object after a change and, if there was one, before it."""
    before = () if change.previous is None else (change.previous.obj,)
    return (change.record.obj, *before)
