"""Rules of `metadata` that hold for every kind: names, labels, what a write may change."""

import re
from collections.abc import Iterator

from netns_lab.control_plane.causes import Cause, immutable, invalid_value, required
from netns_lab.control_plane.resources import ResourceType
from netns_lab.control_plane.selection import Json

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_PATH_NAMES = frozenset({"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"})

CARRIED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "generation")
"""What the server alone sets: a write keeps the old values, whatever it says."""


def metadata_faults(kind: ResourceType, meta: Json) -> Iterator[Cause]:
    """Yield what is wrong with an object's metadata."""
    name = meta.get("name") or ""
    if not name:
        yield required("metadata.name", "name or generateName is required")
    elif detail := _name_fault(kind, name):
        yield invalid_value("metadata.name", name, detail)
    yield from _label_faults(meta.get("labels") or {})
    for key in meta.get("annotations") or {}:
        if not _is_qualified(key.lower()):
            yield invalid_value("metadata.annotations", key, "name part must be a qualified name")
    for index, owner in enumerate(meta.get("ownerReferences") or ()):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                yield required(f"metadata.ownerReferences[{index}].{field}")


def _label_faults(labels: Json) -> Iterator[Cause]:
    for key, value in labels.items():
        if not _is_qualified(key):
            yield invalid_value("metadata.labels", key, "name part must be a qualified name")
        if not isinstance(value, str) or len(value) > 63:
            yield invalid_value("metadata.labels", value, "must be no more than 63 bytes")
        elif value and not _QUALIFIED.fullmatch(value):
            yield invalid_value("metadata.labels", value, "a valid label must be alphanumeric")


def change_faults(old: Json, new: Json) -> Iterator[Cause]:
    """Yield what a write may not change in the metadata."""
    for field in ("name", "namespace"):
        if new.get(field) and new[field] != old.get(field):
            yield immutable(f"metadata.{field}", new[field])
    if old.get("deletionTimestamp"):
        added = set(new.get("finalizers") or ()) - set(old.get("finalizers") or ())
        if added:
            detail = "no new finalizers can be added if the object is being deleted"
            yield Cause("metadata.finalizers", "FieldValueForbidden", f"Forbidden: {detail}")


def carry(old: Json, new: Json) -> Json:
    """Return the metadata a write leaves behind: the new one, but what only the server sets."""
    carried = {key: old[key] for key in CARRIED if key in old}
    if "deletionGracePeriodSeconds" in old:
        carried["deletionGracePeriodSeconds"] = old["deletionGracePeriodSeconds"]
    return {
        k: v for k, v in new.items() if k not in _SERVER_FIELDS and v not in (None, {})
    } | carried


_SERVER_FIELDS = (
    *CARRIED,
    "deletionGracePeriodSeconds",
    "resourceVersion",
    "selfLink",
    "managedFields",
)


def _name_fault(kind: ResourceType, name: str) -> str:
    if kind.kind in _PATH_NAMES:
        return "may not contain '/' or '%'" if "/" in name or "%" in name else ""
    if kind.kind in ("Namespace", "Service"):
        if len(name) > 63 or not _LABEL.fullmatch(name):
            return "a lowercase RFC 1123 label must consist of lower case alphanumerics or '-'"
    elif len(name) > 253 or not _SUBDOMAIN.fullmatch(name):
        return "a lowercase RFC 1123 subdomain must consist of lower case alphanumerics, '-' or '.'"
    return ""


def _is_qualified(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix)):
        return False
    return 0 < len(name) <= 63 and _QUALIFIED.fullmatch(name) is not None
