"""The verbs on one object: create, update, patch, delete, with the rules of the real server.

Pure: the clock and the random names are arguments, the store is in memory. Whatever is handed in
belongs to this module afterwards; whatever it returns is never to be changed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netns_lab.control_plane import patches
from netns_lab.control_plane.causes import Cause
from netns_lab.control_plane.crds import establish
from netns_lab.control_plane.kinds import default_object, initial_status, object_faults
from netns_lab.control_plane.metadata import carry, change_faults, metadata_faults
from netns_lab.control_plane.preconditions import check_preconditions, check_versions
from netns_lab.control_plane.problems import (
    already_exists,
    bad_request,
    forbidden,
    invalid,
    not_found,
    undecodable,
    unsupported_media_type,
)
from netns_lab.control_plane.releases import drop_newer
from netns_lab.control_plane.resources import Registry, ResourceType
from netns_lab.control_plane.schema import apply_defaults, faults, prune
from netns_lab.control_plane.selection import Json
from netns_lab.control_plane.services import (
    Allocations,
    allocate,
    default_service,
    keep_allocated,
    service_faults,
)
from netns_lab.control_plane.shapes import drop_nulls, misfits
from netns_lab.control_plane.store import Key, Record, Store, encode

NAMESPACES = "/namespaces"
APPLY = "application/apply-patch+yaml"
_PATCHES = ("application/json-patch+json", "application/merge-patch+json")
_STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the API takes what a pure function can't know."""

    now: Callable[[], str]
    "The time as `metadata.creationTimestamp` writes it."
    uid: Callable[[], str]
    suffix: Callable[[], str]
    "Five random characters for `generateName`."
    deadline: Callable[[int], str]
    "The time that many seconds from now."


@dataclass(frozen=True, slots=True)
class Options:
    """What a write's query says."""

    dry_run: bool = False
    manager: str = ""
    strict: bool = False
    "Refuse fields that a custom kind's schema doesn't know, instead of dropping them."


DEFAULT = Options()


class Api:
    """Objects behind their rules."""

    def __init__(self, store: Store, registry: Registry, source: Source) -> None:
        self.store = store
        self.registry = registry
        self.source = source
        self._book = Allocations()
        self._applied: dict[tuple[str, Key, str, str], Json] = {}
        store.table("/services").listeners.append(
            lambda change: self._book.follow(change) if change else None
        )

    def get(self, kind: ResourceType, key: Key) -> Record:
        """Return the object or raise a 404."""
        record = self.store.get(kind.storage, key)
        if record is None:
            raise not_found(kind, key[1])
        return record

    def create(
        self, kind: ResourceType, namespace: str, obj: Json, options: Options = DEFAULT
    ) -> Record:
        """Store a new object."""
        meta = self._own_metadata(kind, namespace, obj)
        if meta.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + self.source.suffix()
        name = meta.get("name") or ""
        if self.store.get(kind.storage, (namespace, name)) is not None:
            raise already_exists(kind, name)
        self._check_namespace(kind, namespace, name)
        new = _typed(kind, obj)
        new["metadata"] = carry({}, meta) | {
            "name": name,
            **({"namespace": namespace} if kind.namespaced else {}),
            "uid": self.source.uid(),
            "creationTimestamp": self.source.now(),
            **({"generation": 1} if kind.counts_generations else {}),
        }
        if "status" in kind.subresources:
            initial_status(kind.kind, new)
        self._complete(kind, new, None, options)
        if options.dry_run:
            return _unstored(new)
        return self.store.put(kind.storage, new)

    def update(
        self,
        kind: ResourceType,
        key: Key,
        obj: Json,
        subresource: str = "",
        options: Options = DEFAULT,
    ) -> Record:
        """Replace the object, or only its status."""
        old = self.get(kind, key)
        meta = self._own_metadata(kind, key[0], obj)
        if kind.kind == "Service":
            # What was sent is defaulted by its own type, before anything of the old is put in.
            default_service(obj)
        check_versions(kind, key[1], old, meta)
        causes = list(change_faults(old.obj["metadata"], meta))
        if causes:
            raise invalid(kind, key[1], causes)
        if subresource == "status":
            new = _with_status(kind, old, obj)
        else:
            new = _typed(kind, obj)
            new["metadata"] = carry(old.obj["metadata"], meta)
            if "status" in kind.subresources:
                new.pop("status", None)
                if "status" in old.obj:
                    new["status"] = old.obj["status"]
        self._complete(kind, new, old.obj, options, subresource)
        return self._commit(kind, old, new, options)

    def patch(
        self,
        kind: ResourceType,
        key: Key,
        media_type: str,
        patch: Any,
        subresource: str = "",
        options: Options = DEFAULT,
    ) -> tuple[Record, bool]:
        """Apply a patch; return the object and whether an apply created it."""
        old = self.store.get(kind.storage, key)
        if media_type == APPLY and old is None and not subresource:
            self._remember(kind, key, subresource, patch, options)
            patch.setdefault("metadata", {})["name"] = key[1]
            return self.create(kind, key[0], patch, options), True
        if old is None:
            raise not_found(kind, key[1])
        target = json.loads(old.encoded)
        if media_type == APPLY:
            last = self._remember(kind, key, subresource, patch, options)
            new = patches.apply(target, last, patch, kind.kind, custom=kind.custom)
        elif media_type == "application/merge-patch+json":
            new = patches.merge(target, patch)
        elif media_type == "application/json-patch+json":
            new = patches.json_patch(target, patch)
        elif media_type == _STRATEGIC and not kind.custom:
            new = patches.strategic(target, patch, kind.kind)
        else:
            allowed = (*_PATCHES, *(() if kind.custom else (_STRATEGIC,)), APPLY)
            raise unsupported_media_type(media_type, allowed)
        if not isinstance(new, dict):
            raise bad_request("the patch did not leave an object")
        new["apiVersion"] = kind.api_version
        return self.update(kind, key, new, subresource, options), False

    def delete(self, kind: ResourceType, key: Key, options: Json | None = None) -> Record:
        """Delete the object, or mark it when a finalizer or a kubelet has to finish first."""
        old = self.get(kind, key)
        options = options or {}
        check_preconditions(kind, old, options.get("preconditions") or {})
        if options.get("dryRun"):
            return old
        grace = _grace_s(kind, old.obj, options)
        meta = old.obj["metadata"]
        # A namespace waits for its controller to empty it.
        if not grace and not meta.get("finalizers") and kind.storage != NAMESPACES:
            return self.store.remove(kind.storage, key)
        if meta.get("deletionTimestamp"):
            return old
        marked = dict(meta)
        marked["deletionTimestamp"] = self.source.deadline(grace)
        marked["deletionGracePeriodSeconds"] = grace
        phase = {"status": {"phase": "Terminating"}} if kind.storage == NAMESPACES else {}
        return self.store.put(kind.storage, old.obj | {"metadata": marked} | phase)

    def _own_metadata(self, kind: ResourceType, namespace: str, obj: Json) -> Json:
        if not kind.custom:
            drop_nulls(obj)
        if wrong := list(misfits("" if kind.custom else kind.kind, obj)):
            raise undecodable(kind, wrong)
        meta = obj["metadata"] = obj.get("metadata") or {}
        given = obj.get("kind"), obj.get("apiVersion")
        if given[0] not in (None, "", kind.kind) or given[1] not in (None, "", kind.api_version):
            raise bad_request(
                f"{kind.kind} in version {kind.version!r} cannot be handled as a {given[0]}"
                f" of {given[1]}"
            )
        if kind.namespaced and meta.get("namespace") not in (None, "", namespace):
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the"
                " request"
            )
        return meta

    def _check_namespace(self, kind: ResourceType, namespace: str, name: str) -> None:
        if not kind.namespaced:
            return
        record = self.store.get(NAMESPACES, ("", namespace))
        if record is None:
            raise not_found(self.registry.of_storage(NAMESPACES), namespace)
        if record.obj["metadata"].get("deletionTimestamp"):
            why = (
                f"unable to create new content in namespace {namespace} because it is being"
                " terminated"
            )
            raise forbidden(kind, name, why)

    def _complete(
        self,
        kind: ResourceType,
        new: Json,
        old: Json | None,
        options: Options,
        subresource: str = "",
    ) -> None:
        status_only = subresource == "status"
        causes: list[Cause] = list(metadata_faults(kind, new["metadata"]))
        if kind.schema is not None:
            unknown = [f'unknown field "{path}"' for path in prune(kind.schema, new)]
            if unknown and options.strict:
                raise undecodable(kind, ["strict decoding error", *unknown])
            apply_defaults(kind.schema, new)
            causes += faults(kind.schema, new)
        elif kind.kind == "Service":
            if not status_only:
                default_service(new)
                if old is not None:
                    keep_allocated(new, old)
            causes += service_faults(new, old, self._book)
        else:
            default_object(kind.kind, new)
            causes += object_faults(kind.kind, new, old)
        if causes:
            raise invalid(kind, new["metadata"].get("name") or "", causes)
        drop_newer(kind.kind, new, self.registry.minor)
        if kind.kind == "Service" and not status_only:
            allocate(new, self._book)
        if kind.kind == "CustomResourceDefinition":
            establish(new, self.source.now())

    def _commit(self, kind: ResourceType, old: Record, new: Json, options: Options) -> Record:
        meta = new["metadata"]
        if kind.counts_generations and _body(new) != _body(old.obj):
            meta["generation"] = old.obj["metadata"].get("generation", 0) + 1
        meta["resourceVersion"] = str(old.revision)
        if new == old.obj:
            return old
        if options.dry_run:
            return _unstored(new)
        key = old.key
        held = meta.get("finalizers") or meta.get("deletionGracePeriodSeconds")
        if meta.get("deletionTimestamp") and not held:
            self.store.remove(kind.storage, key)
            return _unstored(new)
        return self.store.put(kind.storage, new)

    def _remember(
        self, kind: ResourceType, key: Key, subresource: str, patch: Json, options: Options
    ) -> Json:
        place = (kind.storage, key, options.manager, subresource)
        last = self._applied.get(place, {})
        if not options.dry_run:
            self._applied[place] = json.loads(encode(patch))
        return last


def _with_status(kind: ResourceType, old: Record, obj: Json) -> Json:
    # Custom resources keep their metadata on a status write, built-in kinds take the new one.
    new: Json = json.loads(old.encoded) if kind.custom else dict(old.obj)
    meta = old.obj["metadata"]
    new["metadata"] = carry(meta, meta if kind.custom else obj["metadata"])
    new.pop("status", None)
    if obj.get("status") is not None:
        new["status"] = obj["status"]
    return new


def _typed(kind: ResourceType, obj: Json) -> Json:
    # Type first: lists of built-in kinds strip it from each item as a prefix.
    body = {k: v for k, v in obj.items() if k not in ("apiVersion", "kind")}
    version = kind.storage_version or kind.version
    return {
        "apiVersion": f"{kind.group}/{version}" if kind.group else version,
        "kind": kind.kind,
        **body,
    }


def _body(obj: Json) -> Json:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def _unstored(obj: Json) -> Record:
    return Record(obj, encode(obj), 0)


def _grace_s(kind: ResourceType, obj: Json, options: Json) -> int:
    # Only Pods are ended by somebody else: the kubelet, once one has the Pod.
    if kind.kind != "Pod" or not obj["spec"].get("nodeName"):
        return 0
    if (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    asked = options.get("gracePeriodSeconds")
    return int(obj["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked)
