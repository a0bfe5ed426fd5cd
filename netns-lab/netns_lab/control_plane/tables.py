"""Lists as tables: what `kubectl get` prints, by the server's columns.

Only the kinds that people look at in a lab have columns of their own; custom ones have those of
their definition, and every other kind its name and age.
"""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from netns_lab.control_plane.pods import is_ready
from netns_lab.control_plane.resources import ResourceType
from netns_lab.control_plane.selection import Json
from netns_lab.control_plane.store import Record, encode

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\*)\]")
Column = tuple[str, Callable[[Json, str], Any]]
"""Its heading, and what stands under it for an object at a moment."""


def wants_table(accept: str) -> bool:
    """Return whether the client asks for a table before anything else."""
    return "as=Table" in accept.partition(",")[0]


def encode_table(kind: ResourceType, meta: Json, records: Iterable[Record], now: str) -> bytes:
    """Return the table of some objects; ages are counted to `now`."""
    columns: list[Column] = [("Name", _name), *_columns(kind)]
    definitions = [
        {"name": heading, "type": "string", "format": "", "description": heading, "priority": 0}
        for heading, _ in columns
    ]
    rows = [
        {
            "cells": [cell(record.obj, now) for _, cell in columns],
            "object": {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": record.obj["metadata"],
            },
        }
        for record in records
    ]
    table = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
    return encode(table | {"columnDefinitions": definitions, "rows": rows})


def age(since: str, now: str) -> str:
    """Return the time between two stamps as kubectl writes it: 12s, 5m, 3h, 2d."""
    passed = datetime.fromisoformat(now) - datetime.fromisoformat(since)
    seconds = max(0, int(passed.total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def at(obj: Json, path: str) -> Any:
    """Return what stands at a simple JSON path such as `.spec.addresses[0]`; None if nothing."""
    value: Any = obj
    for key, index in _STEP.findall(path):
        if index:
            value = value[int(index)] if isinstance(value, list) and index != "*" else value
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def _columns(kind: ResourceType) -> list[Column]:
    if kind.columns:
        return [(heading, _custom(path, type_)) for heading, path, type_ in kind.columns]
    return [*_BUILT_IN.get(kind.kind, ()), ("Age", _age)]


def _custom(path: str, type_: str) -> Callable[[Json, str], Any]:
    def cell(obj: Json, now: str) -> Any:
        value = at(obj, path)
        if type_ == "date" and isinstance(value, str):
            return age(value, now)
        # As the real server: what is no plain value is printed as JSON.
        return encode(value).decode() if isinstance(value, (dict, list)) else value

    return cell


def _name(obj: Json, _: str) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Json, now: str) -> str:
    return age(obj["metadata"]["creationTimestamp"], now)


def _path(path: str, missing: str = "<none>") -> Callable[[Json, str], Any]:
    def cell(obj: Json, _: str) -> Any:
        value = at(obj, path)
        return missing if value is None else value

    return cell


def _external(obj: Json, _: str) -> str:
    entries = at(obj, ".status.loadBalancer.ingress") or ()
    found = ",".join(each.get("ip") or each.get("hostname") or "" for each in entries)
    return found or ("<pending>" if obj["spec"]["type"] == "LoadBalancer" else "<none>")


def _ports(obj: Json, _: str) -> str:
    texts = []
    for port in obj["spec"].get("ports") or ():
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        texts.append(f"{port['port']}{node_port}/{port['protocol']}")
    return ",".join(texts) or "<none>"


def _replicas(ready: str, wanted: str) -> Callable[[Json, str], str]:
    return lambda obj, _: f"{at(obj, ready) or 0}/{at(obj, wanted) or 0}"


def _pod_ready(obj: Json, _: str) -> str:
    total = len(obj["spec"].get("containers") or ())
    return f"{total if is_ready(obj) else 0}/{total}"


def _pod_status(obj: Json, _: str) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str(at(obj, ".status.phase") or "Unknown")


def _node_status(obj: Json, _: str) -> str:
    status = "Ready" if is_ready(obj) else "NotReady"
    return f"{status},SchedulingDisabled" if at(obj, ".spec.unschedulable") else status


def _addresses(obj: Json, _: str) -> str:
    found = [e["addresses"][0] for e in obj.get("endpoints") or ()]
    return ",".join(found[:3]) + (f" + {len(found) - 3} more..." if found[3:] else "")


_BUILT_IN: dict[str, tuple[Column, ...]] = {
    "Service": (
        ("Type", _path(".spec.type")),
        ("Cluster-IP", _path(".spec.clusterIP")),
        ("External-IP", _external),
        ("Port(s)", _ports),
    ),
    "Pod": (
        ("Ready", _pod_ready),
        ("Status", _pod_status),
        ("IP", _path(".status.podIP")),
        ("Node", _path(".spec.nodeName")),
    ),
    "Node": (("Status", _node_status), ("Internal-IP", _path(".status.addresses[0].address"))),
    "Deployment": (
        ("Ready", _replicas(".status.readyReplicas", ".spec.replicas")),
        ("Up-to-date", _path(".status.updatedReplicas", "0")),
        ("Available", _path(".status.availableReplicas", "0")),
    ),
    "DaemonSet": (
        ("Desired", _path(".status.desiredNumberScheduled", "0")),
        ("Ready", _path(".status.numberReady", "0")),
    ),
    "EndpointSlice": (("AddressType", _path(".addressType")), ("Endpoints", _addresses)),
    "Lease": (("Holder", _path(".spec.holderIdentity")),),
    "Event": (
        ("Type", _path(".type")),
        ("Reason", _path(".reason")),
        ("Object", _path(".involvedObject.name")),
        ("Message", _path(".message")),
    ),
    "Namespace": (("Status", _path(".status.phase")),),
}
