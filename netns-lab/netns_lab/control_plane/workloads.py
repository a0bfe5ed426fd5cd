"""Deployments, ReplicaSets and DaemonSets: from a template to Pods.

A rolling update starts the new Pods first and ends an old one for each new one that is ready; that
keeps any `maxUnavailable`, and more surge than asked for does no harm in a lab.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator

from netns_lab.control_plane.api import Api
from netns_lab.control_plane.pods import (
    NODES,
    ORDINAL,
    PODS,
    controller_of,
    is_active,
    is_ready,
    owned,
    owner_reference,
)
from netns_lab.control_plane.scheduling import fits, human_order
from netns_lab.control_plane.selection import Json
from netns_lab.control_plane.store import DELETED, Change, Key, Record, encode

DEPLOYMENTS = "apps/deployments"
REPLICA_SETS = "apps/replicasets"
DAEMON_SETS = "apps/daemonsets"
_TEMPLATE_HASH = "pod-template-hash"
_REVISION_HASH = "controller-revision-hash"
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: Json) -> str:
    """Return ten characters that change with the template."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:10])


def new_pod(owner: Record, extra_labels: Json, ordinal: int) -> Json:
    """Return a Pod of the owner's template."""
    template = json.loads(encode(owner.obj["spec"]["template"]))
    meta = template.get("metadata") or {}
    return {
        "metadata": {
            "generateName": f"{owner.key[1]}-",
            "labels": {**(meta.get("labels") or {}), **extra_labels},
            "annotations": {**(meta.get("annotations") or {}), ORDINAL: str(ordinal)},
            "ownerReferences": [owner_reference(owner.obj)],
        },
        "spec": template["spec"],
    }


def free_ordinals(pods: Iterable[Record]) -> Iterator[int]:
    """Yield the ordinals that no active Pod has, lowest first."""
    taken = {
        pod.obj["metadata"].get("annotations", {}).get(ORDINAL)
        for pod in pods
        if is_active(pod.obj)
    }
    number = 0
    while True:
        number += 1
        if str(number) not in taken:
            yield number


def _owner_key(change: Change, kind: str) -> tuple[Key, ...]:
    owner = controller_of(change.record.obj)
    return ((change.record.key[0], owner["name"]),) if owner.get("kind") == kind else ()


class DeploymentController:
    """Keeps a ReplicaSet for each template of a Deployment."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def notice(self, storage: str, change: Change) -> Iterable[Key]:
        """Look at a Deployment when it or one of its ReplicaSets changes."""
        if storage == DEPLOYMENTS and change.type != DELETED:
            return (change.record.key,)
        return _owner_key(change, "Deployment") if storage == REPLICA_SETS else ()

    def reconcile(self, key: Key) -> None:
        """Scale the ReplicaSets towards the Deployment's template and number."""
        store = self._api.store
        deployment = store.get(DEPLOYMENTS, key)
        if deployment is None or deployment.obj["metadata"].get("deletionTimestamp"):
            return
        spec = deployment.obj["spec"]
        name = f"{key[1]}-{template_hash(spec['template'])}"
        sets = list(owned(store, REPLICA_SETS, deployment))
        current = next((each for each in sets if each.key[1] == name), None)
        old = [each for each in sets if each.key[1] != name]
        recreate = spec["strategy"]["type"] == "Recreate"
        if not (recreate and any(_status(each, "replicas") for each in old)):
            if current is None:
                self._create(deployment, name)
            else:
                self._scale(current, spec["replicas"])
        ready = _status(current, "readyReplicas") if current else 0
        left = 0 if recreate else max(0, spec["replicas"] - ready)
        for each in old:
            wanted = min(each.obj["spec"]["replicas"], left)
            self._scale(each, wanted)
            left -= wanted
        self._write_status(deployment, name)

    def _create(self, deployment: Record, name: str) -> None:
        spec = json.loads(encode(deployment.obj["spec"]))
        label = {_TEMPLATE_HASH: name.rpartition("-")[2]}
        template = spec["template"]
        template["metadata"]["labels"] = (template["metadata"].get("labels") or {}) | label
        selector = spec["selector"]
        selector["matchLabels"] = (selector.get("matchLabels") or {}) | label
        self._api.create(
            self._api.registry.of_storage(REPLICA_SETS),
            deployment.key[0],
            {
                "metadata": {
                    "name": name,
                    "labels": template["metadata"]["labels"],
                    "ownerReferences": [owner_reference(deployment.obj)],
                },
                "spec": {
                    "replicas": spec["replicas"],
                    "selector": selector,
                    "template": template,
                },
            },
        )

    def _scale(self, replica_set: Record, replicas: int) -> None:
        if replica_set.obj["spec"]["replicas"] == replicas:
            return
        new = json.loads(replica_set.encoded)
        new["spec"]["replicas"] = replicas
        self._api.update(self._api.registry.of_storage(REPLICA_SETS), replica_set.key, new)

    def _write_status(self, deployment: Record, name: str) -> None:
        sets = list(owned(self._api.store, REPLICA_SETS, deployment))
        total = sum(_status(each, "replicas") for each in sets)
        ready = sum(_status(each, "readyReplicas") for each in sets)
        updated = sum(_status(each, "replicas") for each in sets if each.key[1] == name)
        wanted = deployment.obj["spec"]["replicas"]
        status: Json = {
            "observedGeneration": deployment.obj["metadata"]["generation"],
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": max(0, wanted - ready),
            "conditions": [
                {"type": "Available", "status": "True" if ready >= wanted else "False"},
                {"type": "Progressing", "status": "True"},
            ],
        }
        _replace_status(self._api, DEPLOYMENTS, deployment, status)


class ReplicaSetController:
    """Keeps the number of Pods of a ReplicaSet."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def notice(self, storage: str, change: Change) -> Iterable[Key]:
        """Look at a ReplicaSet when it or one of its Pods changes."""
        if storage == REPLICA_SETS and change.type != DELETED:
            return (change.record.key,)
        return _owner_key(change, "ReplicaSet") if storage == PODS else ()

    def reconcile(self, key: Key) -> None:
        """Create missing Pods, delete surplus ones: the unready and the youngest first."""
        store = self._api.store
        replica_set = store.get(REPLICA_SETS, key)
        if replica_set is None or replica_set.obj["metadata"].get("deletionTimestamp"):
            return
        kind = self._api.registry.of_storage(PODS)
        pods = list(owned(store, PODS, replica_set))
        active = [pod for pod in pods if is_active(pod.obj)]
        wanted = replica_set.obj["spec"]["replicas"]
        ordinals = free_ordinals(active)
        for _ in range(wanted - len(active)):
            self._api.create(kind, key[0], new_pod(replica_set, {}, next(ordinals)))
        active.sort(key=lambda pod: (not is_ready(pod.obj), _ordinal(pod)), reverse=True)
        for pod in active[: max(0, len(active) - wanted)]:
            self._api.delete(kind, pod.key)
        active = [pod for pod in owned(store, PODS, replica_set) if is_active(pod.obj)]
        ready = sum(is_ready(pod.obj) for pod in active)
        status = {
            "observedGeneration": replica_set.obj["metadata"]["generation"],
            "replicas": len(active),
            "fullyLabeledReplicas": len(active),
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        _replace_status(self._api, REPLICA_SETS, replica_set, status)


class DaemonSetController:
    """Keeps one Pod of each DaemonSet on each node that fits."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def notice(self, storage: str, change: Change) -> Iterable[Key]:
        """Look at a DaemonSet when it or its Pods change, at all when a node does."""
        if storage == DAEMON_SETS and change.type != DELETED:
            return (change.record.key,)
        if storage == NODES:
            return tuple(self._api.store.table(DAEMON_SETS).records)
        return _owner_key(change, "DaemonSet") if storage == PODS else ()

    def reconcile(self, key: Key) -> None:
        """Create and delete Pods by node; replace old ones as the update strategy allows."""
        store = self._api.store
        daemons = store.get(DAEMON_SETS, key)
        if daemons is None or daemons.obj["metadata"].get("deletionTimestamp"):
            return
        template = daemons.obj["spec"]["template"]
        nodes = sorted(
            (n.key[1] for n in store.table(NODES).ordered() if fits(template, n.obj, daemon=True)),
            key=human_order,
        )
        pods = list(owned(store, PODS, daemons))
        revision = {_REVISION_HASH: template_hash(template)}
        for ordinal, node in enumerate(nodes, 1):
            if not any(pod.obj["spec"].get("nodeName") == node for pod in pods):
                missing = new_pod(daemons, revision, ordinal)
                missing["spec"]["nodeName"] = node
                self._api.create(self._api.registry.of_storage(PODS), key[0], missing)
        for pod in pods:
            if pod.obj["spec"].get("nodeName") not in nodes:
                self._api.delete(self._api.registry.of_storage(PODS), pod.key)
        self._roll(daemons, revision)
        self._write_status(daemons, len(nodes), revision)

    def _roll(self, daemons: Record, revision: Json) -> None:
        strategy = daemons.obj["spec"]["updateStrategy"]
        if strategy["type"] != "RollingUpdate":
            return
        pods = list(owned(self._api.store, PODS, daemons))
        down = sum(not (is_active(pod.obj) and is_ready(pod.obj)) for pod in pods)
        limit = strategy["rollingUpdate"].get("maxUnavailable", 1)
        allowed = limit if isinstance(limit, int) else max(1, len(pods) * int(limit[:-1]) // 100)
        for pod in pods:
            labels = pod.obj["metadata"]["labels"]
            if labels.get(_REVISION_HASH) == revision[_REVISION_HASH] or not is_active(pod.obj):
                continue
            if is_ready(pod.obj):
                if down >= allowed:
                    continue
                down += 1
            self._api.delete(self._api.registry.of_storage(PODS), pod.key)

    def _write_status(self, daemons: Record, wanted: int, revision: Json) -> None:
        pods = [p for p in owned(self._api.store, PODS, daemons) if is_active(p.obj)]
        ready = sum(is_ready(pod.obj) for pod in pods)
        updated = sum(
            pod.obj["metadata"]["labels"].get(_REVISION_HASH) == revision[_REVISION_HASH]
            for pod in pods
        )
        status = {
            "observedGeneration": daemons.obj["metadata"]["generation"],
            "desiredNumberScheduled": wanted,
            "currentNumberScheduled": len(pods),
            "numberMisscheduled": 0,
            "numberReady": ready,
            "numberAvailable": ready,
            "updatedNumberScheduled": updated,
        }
        _replace_status(self._api, DAEMON_SETS, daemons, status)


def _ordinal(pod: Record) -> int:
    return int(pod.obj["metadata"].get("annotations", {}).get(ORDINAL, "0"))


def _status(record: Record, field: str) -> int:
    return int((record.obj.get("status") or {}).get(field, 0))


def _replace_status(api: Api, storage: str, record: Record, status: Json) -> None:
    # Conditions' times don't change while their values stay, so an equal status writes nothing.
    if (record.obj.get("status") or {}) == status:
        return
    obj = {"metadata": dict(record.obj["metadata"]), "status": status}
    obj["metadata"].pop("resourceVersion")
    api.update(api.registry.of_storage(storage), record.key, obj, "status")
