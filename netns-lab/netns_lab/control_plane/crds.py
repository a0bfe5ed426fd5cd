"""CustomResourceDefinitions: what they make the server serve."""

from collections.abc import Iterator

from netns_lab.control_plane.resources import Registry, ResourceType
from netns_lab.control_plane.selection import Json
from netns_lab.control_plane.store import DELETED, Change, Store

STORAGE = "apiextensions.k8s.io/customresourcedefinitions"


def establish(crd: Json, now: str) -> None:
    """Set in place the status of a definition whose names were accepted."""
    spec = crd["spec"]
    status = crd.setdefault("status", {})
    status["acceptedNames"] = spec["names"]
    status["storedVersions"] = [each["name"] for each in spec["versions"] if each.get("storage")]
    status.setdefault(
        "conditions",
        [
            {
                "type": kind,
                "status": "True",
                "lastTransitionTime": now,
                "reason": reason,
                "message": message,
            }
            for kind, reason, message in (
                ("NamesAccepted", "NoConflicts", "no conflicts found"),
                ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
            )
        ],
    )


def served_types(crd: Json) -> Iterator[ResourceType]:
    """Yield a kind for each version the definition serves."""
    spec = crd["spec"]
    names = spec["names"]
    stored = next(each["name"] for each in spec["versions"] if each.get("storage"))
    for version in spec["versions"]:
        if not version.get("served", True):
            continue
        yield ResourceType(
            group=spec["group"],
            version=version["name"],
            plural=names["plural"],
            kind=names["kind"],
            namespaced=spec.get("scope") != "Cluster",
            short_names=tuple(names.get("shortNames") or ()),
            subresources=tuple(version.get("subresources") or {}),
            custom=True,
            counts_generations=True,
            unconditional_update=False,
            schema=(version.get("schema") or {}).get("openAPIV3Schema"),
            storage_version=stored,
            columns=tuple(
                (column["name"], column["jsonPath"], column["type"])
                for column in version.get("additionalPrinterColumns") or ()
                if not column.get("priority")
            ),
        )


def follow(change: Change, registry: Registry, store: Store) -> None:
    """Serve what a definition defines; with its end its objects and their paths end."""
    names = change.record.obj["spec"]
    storage = f"{names['group']}/{names['names']['plural']}"
    if change.type != DELETED:
        registry.withdraw(storage)
        registry.serve(served_types(change.record.obj))
        return
    table = store.table(storage)
    for key in tuple(table.records):
        store.remove(storage, key)
    registry.withdraw(storage)
    table.end()
