"""The `metallb.io` objects, with MetalLB's exact field names, defaults and bounds.

Pydantic checks what a CRD schema can say; `parse_resource` turns its errors into sentences that
name the object and the field. What needs more than one field or object is `kube.validation`'s.
Every field MetalLB knows is modelled, also those we refuse, so that a refusal can name the field.
"""

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from kube.objects import Json, ObjectError, ObjectName, parse_name
from kube.selectors import LabelSelector

GROUP = "metallb.io"

ASN: TypeAlias = Annotated[int, Field(ge=0, le=4294967295)]


class Model(BaseModel):
    """A frozen value with the API's camelCase names as aliases."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class Metadata(Model):
    """What we read of an object's metadata; the resource version is left out on purpose."""

    name: str
    namespace: str = ""
    uid: str = ""
    creation_timestamp: str | None = None
    "RFC 3339 in UTC: sorts as text. Null in manifests that were never created."
    labels: dict[str, str] = Field(default_factory=dict)


class Resource(Model):
    """What every `metallb.io` object has."""

    metadata: Metadata

    @property
    def name(self) -> ObjectName:
        """Namespace and name."""
        return ObjectName(self.metadata.namespace, self.metadata.name)


class ServiceAllocation(Model):
    """`IPAddressPool.spec.serviceAllocation`: which Services a pool is for."""

    priority: int = 0
    namespaces: tuple[str, ...] = ()
    namespace_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


class IPAddressPoolSpec(Model):
    """`IPAddressPool.spec`; addresses are CIDRs or `start-end` ranges, parsed by `kube.ranges`."""

    addresses: tuple[str, ...]
    auto_assign: bool = True
    avoid_buggy_ips: bool = Field(default=False, alias="avoidBuggyIPs")
    service_allocation: ServiceAllocation | None = None


class IPAddressPool(Resource):
    """Addresses the controller may give."""

    spec: IPAddressPoolSpec


class AdvertisementSpec(Model):
    """What both kinds of advertisement select by."""

    ip_address_pools: tuple[str, ...] = Field(default=(), alias="ipAddressPools")
    ip_address_pool_selectors: tuple[LabelSelector, ...] = Field(
        default=(), alias="ipAddressPoolSelectors"
    )
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()


class PreferredNodeSelector(Model):
    """A soft preference: the weights of all that match a node are added up."""

    weight: Annotated[int, Field(ge=1, le=100)]
    preference: LabelSelector


class L2AdvertisementSpec(AdvertisementSpec):
    """`L2Advertisement.spec`; no interfaces means all."""

    interfaces: tuple[str, ...] = ()
    preferred_node_selectors: tuple[PreferredNodeSelector, ...] = ()


class L2Advertisement(Resource):
    """Pools whose addresses are answered by ARP and NDP."""

    spec: L2AdvertisementSpec = L2AdvertisementSpec()


class BGPAdvertisementSpec(AdvertisementSpec):
    """`BGPAdvertisement.spec`; no peers means all."""

    aggregation_length: Annotated[int, Field(ge=1, le=32)] = 32
    aggregation_length_v6: Annotated[int, Field(ge=1, le=128)] = Field(
        default=128, alias="aggregationLengthV6"
    )
    local_pref: Annotated[int, Field(ge=0, le=4294967295)] = 0
    communities: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()


class BGPAdvertisement(Resource):
    """Pools whose addresses are announced by BGP."""

    spec: BGPAdvertisementSpec = BGPAdvertisementSpec()


class SecretReference(Model):
    """Where a password is; the Secret is always looked up in Herald's own namespace."""

    name: str = ""
    namespace: str = ""


def _port(given: Any) -> Any:
    # v1beta1 allowed 0 for the default, and such objects are stored as they were written.
    return 179 if given == 0 else given


class BGPPeerSpec(Model):
    """`BGPPeer.spec`, v1beta2. Durations are Go's text, such as `90s` or `1m30s`."""

    my_asn: ASN = Field(alias="myASN")
    peer_asn: ASN = Field(default=0, alias="peerASN")
    dynamic_asn: Literal["", "internal", "external"] = Field(default="", alias="dynamicASN")
    local_asn: ASN = Field(default=0, alias="localASN")
    peer_address: str = ""
    interface: str = ""
    source_address: str = ""
    peer_port: Annotated[int, Field(ge=1, le=16384), BeforeValidator(_port)] = 179
    hold_time: str | None = None
    keepalive_time: str | None = None
    connect_time: str | None = None
    router_id: str = Field(default="", alias="routerID")
    node_selectors: tuple[LabelSelector, ...] = ()
    password: str = Field(default="", repr=False)
    password_secret: SecretReference = SecretReference()
    bfd_profile: str = ""
    enable_graceful_restart: bool = False
    ebgp_multi_hop: bool = False
    vrf: str = ""
    disable_mp: bool = Field(default=False, alias="disableMP")
    dual_stack_address_family: bool = False


class BGPPeer(Resource):
    """A router to peer with."""

    spec: BGPPeerSpec


class BFDProfileSpec(Model):
    """`BFDProfile.spec`; intervals in ms, None means the default: 300, 50 for echo."""

    receive_interval: Annotated[int, Field(ge=10, le=60000)] | None = None
    transmit_interval: Annotated[int, Field(ge=10, le=60000)] | None = None
    detect_multiplier: Annotated[int, Field(ge=2, le=255)] | None = None
    echo_interval: Annotated[int, Field(ge=10, le=60000)] | None = None
    echo_mode: bool = False
    passive_mode: bool = False
    minimum_ttl: Annotated[int, Field(ge=1, le=254)] | None = None


class BFDProfile(Resource):
    """Timers of a BFD session."""

    spec: BFDProfileSpec = BFDProfileSpec()


class CommunityAlias(Model):
    """A name for a community value."""

    name: str = ""
    value: str = ""


class CommunitySpec(Model):
    """`Community.spec`."""

    communities: tuple[CommunityAlias, ...] = ()


class Community(Resource):
    """Aliases for BGP communities; unique across all Community objects."""

    spec: CommunitySpec = CommunitySpec()


ResourceT = TypeVar("ResourceT", bound=Resource)


def parse_resource(model: type[ResourceT], obj: Json) -> ResourceT:
    """Return the object as its model; raise ObjectError naming each field that is wrong."""
    name = parse_name(obj)
    try:
        return model.model_validate(obj)
    except ValidationError as error:
        faults = "; ".join(f"{_path(e['loc'])}: {e['msg']}" for e in error.errors())
        raise ObjectError(f"{model.__name__} {name}: {faults}") from error


def _path(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location)
