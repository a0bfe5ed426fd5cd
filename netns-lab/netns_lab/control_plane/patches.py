"""The patch formats: JSON merge patch, JSON patch, strategic merge patch, and a plain apply.

All of them change `target` in place, which the caller owns, and never keep references into it.
Strategic merge keys are those of the kinds we serve: a list is merged by key where the real API's
types say so, and replaced where they say nothing (KEP-2155 for the directives).
"""

from typing import Any

from netns_lab.control_plane.problems import StatusError, bad_request
from netns_lab.control_plane.selection import Json

_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "conditions": "type",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "webhooks": "name",
}
_SETS = frozenset({"finalizers"})


def merge(target: Any, patch: Any) -> Any:
    """Return the target with a JSON merge patch applied (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    if not isinstance(target, dict):
        target = {}
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge(target.get(key), value)
    return target


def json_patch(target: Any, operations: Any) -> Any:
    """Return the target with a JSON patch applied (RFC 6902)."""
    if not isinstance(operations, list):
        raise bad_request("json patch: expected a list of operations")
    document = {"": target}
    for operation in operations:
        try:
            _operate(document, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            message = f"the server rejected our request due to an error in our request: {error}"
            raise StatusError(422, "Invalid", message, {}) from error
    return document[""]


def _operate(document: Json, operation: Json) -> None:
    op, path = operation["op"], operation["path"]
    if op == "test":
        if _lookup(document, path) != operation.get("value"):
            raise ValueError(f"testing value {path} failed")
    elif op == "remove":
        _remove(document, path)
    elif op in ("add", "replace"):
        _insert(document, path, operation["value"], replace=op == "replace")
    elif op == "copy":
        _insert(document, path, _copy(_lookup(document, operation["from"])), replace=False)
    elif op == "move":
        moved = _lookup(document, operation["from"])
        _remove(document, operation["from"])
        _insert(document, path, moved, replace=False)
    else:
        raise ValueError(f"unknown operation {op!r}")


def _walk(document: Json, path: str) -> tuple[Any, str]:
    # The document sits under the empty key, so that "" itself has a parent to change.
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]
    node: Any = document
    for part in parents:
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node, last


def _lookup(document: Json, path: str) -> Any:
    node, last = _walk(document, path)
    return node[int(last)] if isinstance(node, list) else node[last]


def _remove(document: Json, path: str) -> None:
    node, last = _walk(document, path)
    del node[int(last) if isinstance(node, list) else last]


def _insert(document: Json, path: str, value: Any, *, replace: bool) -> None:
    node, last = _walk(document, path)
    if isinstance(node, dict):
        if replace and last not in node:
            raise KeyError(path)
        node[last] = value
    elif replace:
        node[int(last)] = value
    else:
        index = len(node) if last == "-" else int(last)
        if not 0 <= index <= len(node):
            raise IndexError(path)
        node.insert(index, value)


def strategic(target: Any, patch: Any, kind: str) -> Any:
    """Return the target with a strategic merge patch applied."""
    return _strategic(target, patch, kind, parent="")


def _strategic(target: Any, patch: Any, kind: str, parent: str) -> Any:
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    target = target if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        target = {key: value for key, value in target.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith("$"):
            _list_directive(target, key, value)
        elif value is None:
            target.pop(key, None)
        elif isinstance(value, list):
            target[key] = _merge_list(target.get(key), value, kind, parent, key)
        else:
            target[key] = _strategic(target.get(key), value, kind, key)
    return target


def _list_directive(target: Json, key: str, value: Any) -> None:
    name, _, field = key.partition("/")
    if name == "$deleteFromPrimitiveList" and isinstance(target.get(field), list):
        target[field] = [each for each in target[field] if each not in value]


def merge_key(kind: str, parent: str, field: str) -> str | None:
    """Return the key by which a list is merged, or None when it is replaced whole."""
    if field == "ports":
        if kind == "Service" and parent == "spec":
            return "port"
        return "containerPort" if parent == "containers" else None
    if field == "addresses":
        return "type" if kind == "Node" else None
    return _MERGE_KEYS.get(field)


def _merge_list(target: Any, patch: list[Any], kind: str, parent: str, field: str) -> list[Any]:
    old = list(target) if isinstance(target, list) else []
    if field in _SETS:
        return old + [each for each in patch if each not in old]
    key = merge_key(kind, parent, field)
    if key is None or not all(isinstance(each, dict) for each in patch):
        return patch
    if any(each.get("$patch") == "replace" for each in patch):
        return [each for each in patch if "$patch" not in each]
    if any(isinstance(each.get(key), (dict, list)) for each in (*old, *patch)):
        raise bad_request(f"{field}: the merge key {key} is no plain value")
    before = {each.get(key): each for each in old}
    named = [each.get(key) for each in patch]
    merged = [
        _strategic(before.get(each[key], {}), each, kind, field)
        for each in patch
        if key in each and each.get("$patch") != "delete"
    ]
    left = [each for each in old if each.get(key) not in named]
    return _interleave(left, merged, [each.get(key) for each in old], key)


def _interleave(left: list[Any], merged: list[Any], order: list[Any], key: str) -> list[Any]:
    # The real server's rule: the patch's order, and what it left out as soon as that was earlier.
    result = []
    while left and merged:
        new = merged[0].get(key)
        earlier = new in order and order.index(left[0].get(key)) < order.index(new)
        result.append((left if earlier else merged).pop(0))
    return result + merged + left


def removals(last: Any, wanted: Any, kind: str, parent: str = "") -> Json:
    """Return the strategic patch that removes what was applied last time and isn't wanted now."""
    patch: Json = {}
    for key, old in last.items():
        new = wanted.get(key)
        if new is None:
            patch[key] = None
        elif isinstance(old, dict) and isinstance(new, dict):
            if inner := removals(old, new, kind, key):
                patch[key] = inner
        elif isinstance(old, list) and isinstance(new, list):
            by = merge_key(kind, parent, key)
            if by is not None:
                kept = [each.get(by) for each in new]
                gone = [each[by] for each in old if by in each and each[by] not in kept]
                if gone:
                    patch[key] = [{"$patch": "delete", by: each} for each in gone]
    return patch


def apply(target: Any, last: Json, wanted: Json, kind: str, *, custom: bool) -> Any:
    """Return the target with `wanted` merged in and what only `last` had removed."""
    key_kind = "" if custom else kind
    removed = {k: v for k, v in removals(last, wanted, key_kind).items() if k != "status"}
    target = _strategic(target, removed, key_kind, "") if removed else target
    if custom:
        return merge(target, wanted)
    return _strategic(target, wanted, key_kind, "")


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(each) for key, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value
