"""`herald lab apply` and `delete`: the objects of a YAML file into the API, as kubectl would.

Pure but for reading the file. An object that exists is merge-patched with what the file says, with
what the file said the last time and no longer says removed, as `kubectl apply` does.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
WRITTEN_WITH_A_STATUS = frozenset({"resourceVersion", "managedFields"})

CLUSTER_SCOPED = {
    "Namespace",
    "Node",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleBinding",
    "PriorityClass",
    "IngressClass",
    "StorageClass",
    "PersistentVolume",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
}
IRREGULAR = {"Endpoints": "endpoints"}
YAML_FILES = (".yaml", ".yml")


class ManifestError(ValueError):
    """A file can't be applied; the text says which object, what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file."""

    obj: Json

    @property
    def words(self) -> str:
        """Kind and name, for people."""
        return f"{self.obj['kind'].lower()}/{self.obj['metadata']['name']}"

    @property
    def collection(self) -> str:
        """The path to create it in."""
        version, kind = self.obj["apiVersion"], self.obj["kind"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        plural = IRREGULAR.get(kind) or _plural(kind.lower())
        if kind in CLUSTER_SCOPED:
            return f"{root}/{plural}"
        namespace = self.obj["metadata"].get("namespace") or "default"
        return f"{root}/namespaces/{namespace}/{plural}"

    @property
    def path(self) -> str:
        """The path of the object itself."""
        return f"{self.collection}/{self.obj['metadata']['name']}"

    def to_create(self) -> Json:
        """Return the object with the note that a later apply needs."""
        text = json.dumps(self.obj, sort_keys=True)
        metadata = self.obj["metadata"]
        annotations = (metadata.get("annotations") or {}) | {LAST_APPLIED: text}
        return self.obj | {"metadata": metadata | {"annotations": annotations}}

    def to_patch(self, live: Json) -> Json:
        """Return the merge patch that brings the live object to what the file says."""
        note = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
        before = json.loads(note) if note else {}
        patch: Json = _merge(before, self.to_create())
        return patch


def is_same(live: Json, done: Json) -> bool:
    """Tell whether a patch changed nothing; a status that others wrote meanwhile doesn't count."""
    return _wanted(live) == _wanted(done)


def _wanted(obj: Json) -> Json:
    metadata = {k: v for k, v in obj["metadata"].items() if k not in WRITTEN_WITH_A_STATUS}
    return {k: v for k, v in obj.items() if k != "status"} | {"metadata": metadata}


def read_manifests(text: str | bytes, source: str) -> list[Manifest]:
    """Return the objects of a file in its order; raise ManifestError for what is none."""
    found = _objects(text, source)
    if not found:
        raise ManifestError(f"{source}: no object in it")
    return found


def read_file(path: str) -> list[Manifest]:
    """Return the objects of a file, or of all YAML files of a folder."""
    where = Path(path)
    try:
        if not where.is_dir():
            return read_manifests(where.read_bytes(), path)
        files = sorted(f for f in where.iterdir() if f.suffix in YAML_FILES)
        found = [each for f in files for each in _objects(f.read_bytes(), str(f))]
    except OSError as error:
        raise ManifestError(f"{error.filename or path}: {error.strerror}") from error
    if not files:
        raise ManifestError(f"{path}: no file in it that ends in {' or '.join(YAML_FILES)}")
    if not found:
        raise ManifestError(f"{path}: no object in its files")
    return found


def _objects(text: str | bytes, source: str) -> list[Manifest]:
    try:
        documents = [each for each in yaml.safe_load_all(text) if each is not None]
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ManifestError(f"{source}: not YAML: {' '.join(str(error).split())}") from error
    found: list[Manifest] = []
    for document in documents:
        items = document.get("items") if isinstance(document, dict) else None
        objects = items if isinstance(items, list) else [document]
        found += [_checked(obj, source) for obj in objects]
    return found


def _checked(obj: Any, source: str) -> Manifest:
    if not isinstance(obj, dict):
        raise ManifestError(f"{source}: {obj!r} is not an object")
    for field in ("apiVersion", "kind"):
        if not isinstance(obj.get(field), str):
            raise ManifestError(f"{source}: an object without {field}")
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise ManifestError(f"{source}: {obj['kind']} without metadata.name")
    return Manifest(obj)


def _merge(before: Any, now: Any) -> Any:
    if not isinstance(before, dict) or not isinstance(now, dict):
        return now
    gone = {key: None for key in before if key not in now}
    return gone | {key: _merge(before.get(key), value) for key, value in now.items()}


def _plural(kind: str) -> str:
    """Return a kind's resource, as kubectl guesses it where it has nobody to ask."""
    if kind.endswith("y") and kind[-2:-1] not in "aeiou":
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"
