"""From the API's JSON to the values of `kube.objects`.

Each parser takes the decoded JSON of one object and raises `ObjectError` with the object's name
when it is not what the Kubernetes API promises.
"""

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address
from types import MappingProxyType

from kube.objects import (
    ANNOTATION_PREFIXES,
    EMPTY,
    OWN_ANNOTATION_PREFIX,
    Address,
    Condition,
    Endpoint,
    EndpointSlice,
    IPFamilyPolicy,
    Json,
    Namespace,
    Node,
    ObjectError,
    Pod,
    Secret,
    Service,
    ServicePort,
    TrafficPolicy,
    parse_name,
)


@lru_cache(maxsize=4096, typed=True)
def _shared(text: str) -> str:
    """Return one and the same text for equals: ten thousand Services repeat the same few words."""
    return text


def parse_service(obj: Json) -> Service:
    """Return the trimmed Service."""
    meta, spec, status = _parts(obj)
    name = parse_name(obj)
    try:
        entries = (status.get("loadBalancer") or {}).get("ingress") or ()
        ingress = tuple(a for entry in entries if (a := _address(entry.get("ip"))) is not None)
        return Service(
            name=name,
            uid=meta.get("uid") or "",
            created=_shared(meta.get("creationTimestamp") or ""),
            type=_shared(spec.get("type") or "ClusterIP"),
            ports=tuple(_port(port) for port in spec.get("ports") or ()),
            load_balancer_class=spec.get("loadBalancerClass"),
            load_balancer_ip=spec.get("loadBalancerIP") or "",
            labels=_frozen(meta.get("labels")),
            annotations=_own(meta.get("annotations")),
            selector=_frozen(spec.get("selector")),
            cluster_ips=_addresses(spec.get("clusterIPs") or [spec.get("clusterIP")]),
            ip_families=tuple(map(_shared, spec.get("ipFamilies") or ())),
            ip_family_policy=IPFamilyPolicy(spec.get("ipFamilyPolicy") or "SingleStack"),
            traffic_policy=TrafficPolicy(spec.get("externalTrafficPolicy") or "Cluster"),
            health_check_node_port=spec.get("healthCheckNodePort") or 0,
            ingress=ingress,
            ingress_complete=len(ingress) == len(entries),
            conditions=tuple(
                Condition(
                    type=each["type"],
                    status=each.get("status") or "",
                    reason=each.get("reason") or "",
                    message=each.get("message") or "",
                )
                for each in status.get("conditions") or ()
                if str(each.get("type")).startswith(OWN_ANNOTATION_PREFIX)
            ),
            resource_version=meta.get("resourceVersion") or "",
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise ObjectError(f"Service {name}: {error}") from error


def parse_endpoint_slice(obj: Json) -> EndpointSlice:
    """Return the trimmed EndpointSlice."""
    meta = obj.get("metadata") or {}
    name = parse_name(obj)
    try:
        return EndpointSlice(
            name=name,
            service=(meta.get("labels") or {}).get("kubernetes.io/service-name") or "",
            address_type=_shared(obj.get("addressType") or ""),
            endpoints=tuple(_endpoint(e) for e in obj.get("endpoints") or ()),
            resource_version=meta.get("resourceVersion") or "",
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise ObjectError(f"EndpointSlice {name}: {error}") from error


def parse_node(obj: Json) -> Node:
    """Return the trimmed Node."""
    meta, _, status = _parts(obj)
    conditions = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
    addresses = [
        a.get("address") for a in status.get("addresses") or () if a.get("type") == "InternalIP"
    ]
    return Node(
        name=parse_name(obj).name,
        uid=meta.get("uid") or "",
        labels=_frozen(meta.get("labels")),
        annotations=_own(meta.get("annotations")),
        internal_ips=_addresses(addresses),
        network_unavailable=conditions.get("NetworkUnavailable") == "True",
        resource_version=meta.get("resourceVersion") or "",
    )


def parse_namespace(obj: Json) -> Namespace:
    """Return the trimmed Namespace."""
    meta = obj.get("metadata") or {}
    return Namespace(
        name=parse_name(obj).name,
        uid=meta.get("uid") or "",
        labels=_frozen(meta.get("labels")),
        annotations=_own(meta.get("annotations")),
        resource_version=meta.get("resourceVersion") or "",
    )


def parse_pod(obj: Json) -> Pod:
    """Return the trimmed Pod."""
    meta, spec, status = _parts(obj)
    conditions = {c.get("type"): c.get("status") for c in status.get("conditions") or ()}
    return Pod(
        name=parse_name(obj),
        uid=meta.get("uid") or "",
        labels=_frozen(meta.get("labels")),
        node_name=spec.get("nodeName") or "",
        ready=conditions.get("Ready") == "True",
        terminating=bool(meta.get("deletionTimestamp")),
        resource_version=meta.get("resourceVersion") or "",
    )


def parse_secret(obj: Json) -> Secret:
    """Return the Secret with its data decoded."""
    meta = obj.get("metadata") or {}
    name = parse_name(obj)
    try:
        data = {k: base64.b64decode(v, validate=True) for k, v in (obj.get("data") or {}).items()}
    except (binascii.Error, TypeError) as error:
        raise ObjectError(f"Secret {name}: data is not base64") from error
    return Secret(
        name=name,
        type=obj.get("type") or "",
        data=MappingProxyType(data),
        resource_version=meta.get("resourceVersion") or "",
    )


def _parts(obj: Json) -> tuple[Json, Json, Json]:
    return obj.get("metadata") or {}, obj.get("spec") or {}, obj.get("status") or {}


def _frozen(mapping: Mapping[str, str] | None) -> Mapping[str, str]:
    if not mapping:
        return EMPTY
    return MappingProxyType({_shared(key): _shared(value) for key, value in mapping.items()})


def _own(annotations: Mapping[str, str] | None) -> Mapping[str, str]:
    prefixes = (*ANNOTATION_PREFIXES, OWN_ANNOTATION_PREFIX)
    return _frozen({k: v for k, v in (annotations or {}).items() if k.startswith(prefixes)})


def _address(text: object) -> Address | None:
    return _parsed(text) if isinstance(text, str) else None


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Address | None:
    """Return the address; an object that changes mostly keeps those that it had."""
    try:
        return ip_address(text)
    except ValueError:
        return None


def _addresses(texts: list[str | None]) -> tuple[Address, ...]:
    # A headless Service has the literal "None" here; it has no cluster IP.
    return tuple(address for text in texts if (address := _address(text)) is not None)


def _port(port: Json) -> ServicePort:
    return ServicePort(
        protocol=_shared(port.get("protocol") or "TCP"),
        port=int(port["port"]),
        node_port=port.get("nodePort") or 0,
        name=_shared(port.get("name") or ""),
    )


def _endpoint(endpoint: Json) -> Endpoint:
    conditions = endpoint.get("conditions") or {}
    # discovery/v1: nil ready means ready; nil serving follows ready.
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving")
    return Endpoint(
        addresses=tuple(endpoint.get("addresses") or ()),
        node_name=_shared(endpoint.get("nodeName") or ""),
        ready=ready,
        serving=ready if serving is None else bool(serving),
        terminating=bool(conditions.get("terminating")),
    )
