"""The types of those fields of built-in kinds that this server and its controllers read.

The real server decodes into typed objects and refuses what doesn't fit with a 400. Fields that
nobody here reads are not looked at. A shape is a dict of fields, a list with the shape of its
items, a `Map` with that of its values, or one of Python's types.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

Shape: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Map:
    """An object with free keys."""

    values: Shape


TEXTS = Map(str)
_SELECTOR = {
    "matchLabels": TEXTS,
    "matchExpressions": [{"key": str, "operator": str, "values": [str]}],
}
_CONDITIONS = [{"type": str, "status": str}]
_METADATA = {
    "name": str,
    "namespace": str,
    "generateName": str,
    "uid": str,
    "resourceVersion": str,
    "labels": TEXTS,
    "annotations": TEXTS,
    "finalizers": [str],
    "ownerReferences": [
        {"apiVersion": str, "kind": str, "name": str, "uid": str, "controller": bool}
    ],
}
_CONTAINER = {
    "name": str,
    "image": str,
    "ports": [{"name": str, "containerPort": int, "protocol": str}],
    "resources": dict,
}
_TERM = {"key": str, "operator": str, "values": [str]}
_REQUIRED = {"nodeSelectorTerms": [{"matchExpressions": [_TERM], "matchFields": [_TERM]}]}
_POD = {
    "nodeName": str,
    "nodeSelector": TEXTS,
    "hostNetwork": bool,
    "containers": [_CONTAINER],
    "initContainers": [_CONTAINER],
    "terminationGracePeriodSeconds": int,
    "affinity": {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": _REQUIRED},
    },
    "tolerations": [{"key": str, "operator": str, "value": str, "effect": str}],
}
_TEMPLATE = {"metadata": _METADATA, "spec": _POD}
_STRATEGY = {"type": str, "rollingUpdate": {"maxUnavailable": (int, str), "maxSurge": (int, str)}}
_PORT = {
    "name": str,
    "port": int,
    "protocol": str,
    "nodePort": int,
    "targetPort": (int, str),
}

SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "Service": {
            "spec": {
                "type": str,
                "ports": [_PORT],
                "selector": TEXTS,
                "clusterIP": str,
                "clusterIPs": [str],
                "ipFamilies": [str],
                "ipFamilyPolicy": str,
                "externalTrafficPolicy": str,
                "internalTrafficPolicy": str,
                "healthCheckNodePort": int,
                "loadBalancerClass": str,
                "loadBalancerIP": str,
                "allocateLoadBalancerNodePorts": bool,
                "publishNotReadyAddresses": bool,
                "sessionAffinity": str,
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": int}},
                "externalName": str,
            },
            "status": {"loadBalancer": {"ingress": [{"ip": str, "hostname": str, "ipMode": str}]}},
        },
        "Node": {
            "spec": {
                "unschedulable": bool,
                "taints": [{"key": str, "value": str, "effect": str}],
            },
            "status": {
                "conditions": _CONDITIONS,
                "addresses": [{"type": str, "address": str}],
            },
        },
        "Namespace": {"spec": {"finalizers": [str]}, "status": {"phase": str}},
        "Pod": {
            "spec": _POD,
            "status": {
                "phase": str,
                "podIP": str,
                "podIPs": [{"ip": str}],
                "conditions": _CONDITIONS,
            },
        },
        "Secret": {"type": str, "data": TEXTS, "stringData": TEXTS},
        "ConfigMap": {"data": TEXTS},
        "EndpointSlice": {
            "addressType": str,
            "endpoints": [{"addresses": [str], "conditions": Map(bool), "nodeName": str}],
            "ports": [{"name": str, "port": int, "protocol": str}],
        },
        "Deployment": {
            "spec": {
                "replicas": int,
                "selector": _SELECTOR,
                "template": _TEMPLATE,
                "strategy": _STRATEGY,
            },
            "status": {"replicas": int, "readyReplicas": int},
        },
        "ReplicaSet": {
            "spec": {"replicas": int, "selector": _SELECTOR, "template": _TEMPLATE},
            "status": {"replicas": int, "readyReplicas": int},
        },
        "DaemonSet": {
            "spec": {"selector": _SELECTOR, "template": _TEMPLATE, "updateStrategy": _STRATEGY},
        },
        "Lease": {
            "spec": {"leaseDurationSeconds": int, "leaseTransitions": int, "holderIdentity": str},
        },
        "CustomResourceDefinition": {
            "spec": {
                "group": str,
                "scope": str,
                "names": {"kind": str, "plural": str, "shortNames": [str]},
                "versions": [
                    {
                        "name": str,
                        "served": bool,
                        "storage": bool,
                        "schema": {"openAPIV3Schema": dict},
                        "subresources": dict,
                        "additionalPrinterColumns": [
                            {"name": str, "jsonPath": str, "type": str, "priority": int}
                        ],
                    }
                ],
            },
        },
        "Event": {"involvedObject": TEXTS, "reason": str, "message": str, "type": str},
    }
)


def misfits(kind: str, obj: Mapping[str, Any]) -> Iterator[str]:
    """Yield what doesn't fit its type: the path and what should be there."""
    yield from _misfits(_METADATA, obj.get("metadata"), "metadata")
    yield from _misfits(SHAPES.get(kind, {}), obj, "")


def drop_nulls(value: Any) -> None:
    """Remove in place the fields that are null: to a typed object they are not there."""
    if isinstance(value, list):
        for each in value:
            drop_nulls(each)
    elif isinstance(value, dict):
        for key in [key for key, each in value.items() if each is None]:
            del value[key]
        for each in value.values():
            drop_nulls(each)


def _misfits(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if value is None:
        return  # decodes as the zero value of any type
    expected = _python_type(shape)
    fits = isinstance(value, expected) and not (isinstance(value, bool) and expected is not bool)
    if not fits:
        yield f"{path or 'object'}: cannot unmarshal {type(value).__name__}"
    elif isinstance(shape, Map):
        for key, each in value.items():
            yield from _misfits(shape.values, each, f"{path}.{key}")
    elif isinstance(shape, dict):
        for key, sub in shape.items():
            yield from _misfits(sub, value.get(key), f"{path}.{key}" if path else key)
    elif isinstance(shape, list):
        for index, each in enumerate(value):
            if each is None:
                yield f"{path}[{index}]: null"
            yield from _misfits(shape[0], each, f"{path}[{index}]")


def _python_type(shape: Shape) -> Any:
    if isinstance(shape, (dict, Map)):
        return dict
    return list if isinstance(shape, list) else shape
