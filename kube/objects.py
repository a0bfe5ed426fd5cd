"""Frozen values for the Kubernetes objects both daemons decide on.

Only the fields that some decision reads are kept: an object whose trimmed value is equal changed
nothing for us. `resource_version` takes no part in equality for that reason. Parsers take the
decoded JSON of one object and raise `ObjectError` with the field's path when it is not what the
Kubernetes API promises. The `metallb.io` objects live in `kube.crds`.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Json: TypeAlias = dict[str, Any]

EMPTY: Mapping[str, str] = MappingProxyType({})


def _empty() -> Mapping[str, str]:
    # Python 3.11 refuses an unhashable mapping proxy as a plain default.
    return EMPTY


ANNOTATION_PREFIXES = ("metallb.io/", "metallb.universe.tf/")
"""Newest first: where both are present the first one counts."""

OWN_ANNOTATION_PREFIX = "herald.io/"
"""Our extensions, kept apart from the prefixes that MetalLB reads."""


class ObjectError(ValueError):
    """An object is not what its API promises; the text names object, field and what is wrong."""


class ObjectName(NamedTuple):
    """Namespace and name; the namespace is empty for cluster-scoped objects.

    A named tuple, since its hash is what most of a reconciliation is spent on otherwise.
    """

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class TrafficPolicy(Enum):
    """`spec.externalTrafficPolicy` of a Service."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class IPFamilyPolicy(Enum):
    """`spec.ipFamilyPolicy` of a Service (KEP-563)."""

    SINGLE_STACK = "SingleStack"
    PREFER_DUAL_STACK = "PreferDualStack"
    REQUIRE_DUAL_STACK = "RequireDualStack"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One entry of `spec.ports`; `node_port` is 0 when none is allocated."""

    protocol: str
    port: int
    node_port: int = 0
    name: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """One of our own entries of `status.conditions`; `status` is True, False or Unknown."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Service:
    """A Service, trimmed to what allocation and announcing read."""

    name: ObjectName
    uid: str
    created: str
    "`metadata.creationTimestamp`, RFC 3339 in UTC: sorts as text."
    type: str
    ports: tuple[ServicePort, ...] = ()
    load_balancer_class: str | None = None
    load_balancer_ip: str = ""
    labels: Mapping[str, str] = field(default_factory=_empty)
    annotations: Mapping[str, str] = field(default_factory=_empty)
    "Only those under our prefixes and MetalLB's two."
    selector: Mapping[str, str] = field(default_factory=_empty)
    cluster_ips: tuple[Address, ...] = ()
    ip_families: tuple[str, ...] = ()
    ip_family_policy: IPFamilyPolicy = IPFamilyPolicy.SINGLE_STACK
    traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    health_check_node_port: int = 0
    ingress: tuple[Address, ...] = ()
    "`status.loadBalancer.ingress[].ip`, in its order; entries without a readable IP are left out."
    ingress_complete: bool = True
    "False when some ingress entry is a hostname or not an address."
    conditions: tuple[Condition, ...] = ()
    "Only those of our own prefix."
    resource_version: str = field(default="", compare=False)

    def annotation(self, key: str) -> str | None:
        """Return the value under the newest prefix that has `key`, even if empty; else None."""
        for prefix in ANNOTATION_PREFIXES:
            value = self.annotations.get(prefix + key)
            if value is not None:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint; conditions as discovery/v1 defines their defaults."""

    addresses: tuple[str, ...]
    node_name: str = ""
    ready: bool = True
    serving: bool = True
    terminating: bool = False

    @property
    def usable(self) -> bool:
        """Ready, or still serving while it terminates (KEP-1669)."""
        return bool(self.addresses) and (self.ready or self.serving)


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """An EndpointSlice; `service` is the name in the same namespace, empty if unlabelled."""

    name: ObjectName
    service: str
    address_type: str
    endpoints: tuple[Endpoint, ...]
    resource_version: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Node:
    """A Node."""

    name: str
    uid: str
    labels: Mapping[str, str] = field(default_factory=_empty)
    annotations: Mapping[str, str] = field(default_factory=_empty)
    internal_ips: tuple[Address, ...] = ()
    network_unavailable: bool = False
    resource_version: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A Namespace."""

    name: str
    uid: str
    labels: Mapping[str, str] = field(default_factory=_empty)
    annotations: Mapping[str, str] = field(default_factory=_empty)
    "Only our own: they hold the namespace's quota of addresses."
    resource_version: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Pod:
    """A Pod of a speaker or controller: ours, or MetalLB's when both are installed."""

    name: ObjectName
    uid: str
    labels: Mapping[str, str] = field(default_factory=_empty)
    node_name: str = ""
    ready: bool = False
    terminating: bool = False
    resource_version: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Secret:
    """A Secret; its data never appears in a repr."""

    name: ObjectName
    type: str
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    resource_version: str = field(default="", compare=False)


def parse_name(obj: Json) -> ObjectName:
    """Return the object's name; raise ObjectError when it has none."""
    meta = obj.get("metadata") or {}
    name = meta.get("name")
    if not isinstance(name, str) or not name:
        raise ObjectError(f"{obj.get('kind', 'object')}: metadata.name is missing")
    return ObjectName(meta.get("namespace") or "", name)


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
            created=meta.get("creationTimestamp") or "",
            type=spec.get("type") or "ClusterIP",
            ports=tuple(_port(port) for port in spec.get("ports") or ()),
            load_balancer_class=spec.get("loadBalancerClass"),
            load_balancer_ip=spec.get("loadBalancerIP") or "",
            labels=_frozen(meta.get("labels")),
            annotations=_own(meta.get("annotations")),
            selector=_frozen(spec.get("selector")),
            cluster_ips=_addresses(spec.get("clusterIPs") or [spec.get("clusterIP")]),
            ip_families=tuple(spec.get("ipFamilies") or ()),
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
            address_type=obj.get("addressType") or "",
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
    return MappingProxyType(dict(mapping)) if mapping else EMPTY


def _own(annotations: Mapping[str, str] | None) -> Mapping[str, str]:
    prefixes = (*ANNOTATION_PREFIXES, OWN_ANNOTATION_PREFIX)
    return _frozen({k: v for k, v in (annotations or {}).items() if k.startswith(prefixes)})


def _address(text: str | None) -> Address | None:
    try:
        return ip_address(text) if text else None
    except ValueError:
        return None


def _addresses(texts: list[str | None]) -> tuple[Address, ...]:
    # A headless Service has the literal "None" here; it has no cluster IP.
    return tuple(address for text in texts if (address := _address(text)) is not None)


def _port(port: Json) -> ServicePort:
    return ServicePort(
        protocol=port.get("protocol") or "TCP",
        port=int(port["port"]),
        node_port=port.get("nodePort") or 0,
        name=port.get("name") or "",
    )


def _endpoint(endpoint: Json) -> Endpoint:
    conditions = endpoint.get("conditions") or {}
    # discovery/v1: nil ready means ready; nil serving follows ready.
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving")
    return Endpoint(
        addresses=tuple(endpoint.get("addresses") or ()),
        node_name=endpoint.get("nodeName") or "",
        ready=ready,
        serving=ready if serving is None else bool(serving),
        terminating=bool(conditions.get("terminating")),
    )
