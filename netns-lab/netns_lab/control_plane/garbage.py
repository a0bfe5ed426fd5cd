"""The garbage collector: what is left without an owner, a namespace or a node goes.

Deletion is always in the background, as kubectl's default is; the other propagation policies are
not kept.
"""

from collections.abc import Iterable

from netns_lab.control_plane.api import NAMESPACES, Api
from netns_lab.control_plane.pods import NODES, PODS
from netns_lab.control_plane.store import ADDED, DELETED, Change, Key

NOW = {"gracePeriodSeconds": 0}


class GarbageController:
    """Deletes the dependents of owners that are gone. Its keys are (owner UID, "")."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._living: set[str] = set()
        self._dependents: dict[str, set[tuple[str, Key]]] = {}

    def notice(self, storage: str, change: Change) -> Iterable[Key]:
        """Look at an owner when it goes, or when something new names an owner that is not there."""
        meta = change.record.obj["metadata"]
        uid = meta["uid"]
        owners = [owner["uid"] for owner in meta.get("ownerReferences") or ()]
        place = (storage, change.record.key)
        if change.type == DELETED:
            self._living.discard(uid)
            for owner in owners:
                self._dependents.get(owner, set()).discard(place)
            return ((uid, ""),) if self._dependents.get(uid) else ()
        if change.type == ADDED:
            self._living.add(uid)
        for owner in owners:
            self._dependents.setdefault(owner, set()).add(place)
        return tuple((owner, "") for owner in owners if owner not in self._living)

    def reconcile(self, key: Key) -> None:
        """Delete what only owners that are gone had."""
        uid = key[0]
        if uid in self._living:
            return
        for storage, name in sorted(self._dependents.pop(uid, ())):
            record = self._api.store.get(storage, name)
            if record is None:
                continue
            owners = record.obj["metadata"].get("ownerReferences") or ()
            if not any(owner["uid"] in self._living for owner in owners):
                self._api.delete(self._api.registry.of_storage(storage), name)


class NamespaceController:
    """Empties namespaces that end, and deletes the Pods of nodes that are gone."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def notice(self, storage: str, change: Change) -> Iterable[Key]:
        """Look at ending namespaces and gone nodes; a node's key has the table's name first."""
        name = change.record.key[1]
        if storage == NODES and change.type == DELETED:
            return ((NODES, name),)
        ending = change.record.obj["metadata"].get("deletionTimestamp")
        if storage == NAMESPACES and change.type != DELETED and ending:
            return (("", name),)
        return ()

    def reconcile(self, key: Key) -> None:
        """Delete what was in the namespace or on the node."""
        place, name = key
        if place == NODES:
            self._delete_pods_of(name)
            return
        store = self._api.store
        for storage, table in store.tables():
            for record in tuple(table.records.values()):
                if record.key[0] == name:
                    self._api.delete(self._api.registry.of_storage(storage), record.key, dict(NOW))
        if store.get(NAMESPACES, ("", name)) is not None:
            store.remove(NAMESPACES, ("", name))

    def _delete_pods_of(self, node: str) -> None:
        kind = self._api.registry.of_storage(PODS)
        for record in tuple(self._api.store.table(PODS).ordered()):
            if record.obj["spec"].get("nodeName") == node:
                self._api.delete(kind, record.key, dict(NOW))
