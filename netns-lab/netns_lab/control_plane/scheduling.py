"""The scheduler: each Pod without a node gets the fitting node with the fewest of its kin.

Ties go to the node with the fewest Pods, then by name in human order, so that a lab is the same
each time: the first Pod of a Deployment is on node1, the second on node2.
"""

import json
import re
from collections.abc import Iterable

from netns_lab.control_plane.api import Api
from netns_lab.control_plane.pods import (
    NODES,
    PODS,
    controller_of,
    expression_matches,
    is_active,
)
from netns_lab.control_plane.selection import Json
from netns_lab.control_plane.store import DELETED, Change, Key


def fits(pod: Json, node: Json, *, daemon: bool = False) -> bool:
    """Return whether the Pod may run on the node."""
    spec, labels = pod["spec"], node["metadata"].get("labels") or {}
    if any(labels.get(k) != v for k, v in (spec.get("nodeSelector") or {}).items()):
        return False
    if not _affinity_allows(spec, node):
        return False
    if daemon:
        return True
    if (node.get("spec") or {}).get("unschedulable"):
        return False
    for condition in (node.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready" and condition.get("status") != "True":
            return False
    taints = (node.get("spec") or {}).get("taints") or ()
    return all(
        taint.get("effect") == "PreferNoSchedule" or _tolerates(spec, taint) for taint in taints
    )


def choose_node(pod: Json, nodes: Iterable[Json], others: Iterable[Json]) -> str | None:
    """Return the name of the best node, or None when none fits."""
    mine = controller_of(pod).get("uid")
    kin: dict[str, int] = {}
    load: dict[str, int] = {}
    for other in others:
        place = other["spec"].get("nodeName")
        if place and is_active(other):
            load[place] = load.get(place, 0) + 1
            if mine and controller_of(other).get("uid") == mine:
                kin[place] = kin.get(place, 0) + 1
    names = [node["metadata"]["name"] for node in nodes if fits(pod, node)]
    return min(names, key=lambda n: (kin.get(n, 0), load.get(n, 0), human_order(n)), default=None)


def human_order(name: str) -> tuple[tuple[str, int], ...]:
    """Return a sort key that puts node2 before node10."""
    return tuple((text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name))


def _affinity_allows(spec: Json, node: Json) -> bool:
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if not affinity:
        return True
    meta = node["metadata"]
    return any(
        all(
            expression_matches(e, meta.get("labels") or {})
            for e in term.get("matchExpressions") or ()
        )
        and all(
            expression_matches(e, {"metadata.name": meta["name"]})
            for e in term.get("matchFields") or ()
        )
        for term in affinity.get("nodeSelectorTerms") or ()
    )


def _tolerates(spec: Json, taint: Json) -> bool:
    for toleration in spec.get("tolerations") or ():
        if toleration.get("effect") not in (None, "", taint.get("effect")):
            continue
        key = toleration.get("key")
        if toleration.get("operator") == "Exists":
            if key in (None, "", taint["key"]):
                return True
        elif key == taint["key"] and toleration.get("value", "") == taint.get("value", ""):
            return True
    return False


class Scheduler:
    """Binds Pods to nodes."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._waiting: dict[Key, None] = {}

    def notice(self, storage: str, change: Change) -> Iterable[Key]:
        """Look at new Pods, and at all waiting ones when a node changes."""
        if storage == NODES:
            return tuple(self._waiting)
        if storage != PODS:
            return ()
        pod = change.record.obj
        if change.type == DELETED or pod["spec"].get("nodeName") or not is_active(pod):
            self._waiting.pop(change.record.key, None)
            return ()
        self._waiting[change.record.key] = None
        return (change.record.key,)

    def reconcile(self, key: Key) -> None:
        """Give the Pod a node, if one fits."""
        store = self._api.store
        record = store.get(PODS, key)
        if record is None or record.obj["spec"].get("nodeName"):
            return
        nodes = (node.obj for node in store.table(NODES).ordered())
        others = (pod.obj for pod in store.table(PODS).ordered())
        chosen = choose_node(record.obj, nodes, others)
        if chosen is None:
            return
        pod = json.loads(record.encoded)
        pod["spec"]["nodeName"] = chosen
        kind = self._api.registry.of_storage(PODS)
        self._api.update(kind, key, pod)
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastTransitionTime": self._api.source.now(),
        }
        bound = self._api.get(kind, key)
        pod = json.loads(bound.encoded)
        pod["status"]["conditions"] = [*pod["status"].get("conditions", ()), scheduled]
        self._api.update(kind, key, pod, "status")
