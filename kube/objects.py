"""Frozen values for the Kubernetes objects both daemons decide on.

Only the fields that some decision reads are kept: an object whose trimmed value is equal changed
nothing for us. `resource_version` takes no part in equality for that reason. `kube.parsing` makes
them of the API's JSON. The `metallb.io` objects live in `kube.crds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
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
