"""What a write says about the object it expects to find: versions and UIDs."""

from netns_lab.control_plane.problems import conflict, unversioned
from netns_lab.control_plane.resources import ResourceType
from netns_lab.control_plane.selection import Json
from netns_lab.control_plane.store import Record


def check_versions(kind: ResourceType, name: str, old: Record, meta: Json) -> None:
    """Raise a conflict when a replacement was made from another version or another object."""
    given = meta.get("resourceVersion")
    if not given and not kind.unconditional_update:
        raise unversioned(kind, name)
    if given and given != str(old.revision):
        raise conflict(kind, name)
    uid = old.obj["metadata"]["uid"]
    if meta.get("uid") not in (None, "", uid):
        raise conflict(kind, name, _mismatch("UID", meta["uid"], uid))


def check_preconditions(kind: ResourceType, old: Record, wanted: Json) -> None:
    """Raise a conflict when a deletion means another object or version."""
    meta = old.obj["metadata"]
    for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if wanted.get(field) not in (None, "", meta[field]):
            error = conflict(kind, meta["name"], _mismatch(label, wanted[field], meta[field]))
            # The real server names the kind here, where other conflicts name the resource.
            error.details = (error.details or {}) | {"kind": kind.kind}
            raise error


def _mismatch(label: str, wanted: str, found: str) -> str:
    return (
        f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {found}"
    )
