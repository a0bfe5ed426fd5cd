"""The cluster as it was at one moment: immutable, shared by all decisions of one loop turn.

`Kind` names what can be watched. `Snapshot.listed` says which kinds have been listed at least
once: a kind that is missing there is unknown, never empty. `Snapshot.faults` holds the objects
that could not be parsed, with the sentence that says why; their last good value stays in place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from kube.crds import (
    BFDProfile,
    BGPAdvertisement,
    BGPPeer,
    Community,
    IPAddressPool,
    L2Advertisement,
)
from kube.objects import EndpointSlice, Namespace, Node, ObjectName, Pod, Secret, Service
from kube.written import Written


class Kind(Enum):
    """What can be watched; the value is the Kubernetes kind, or names what is read of it."""

    SERVICE = "Service"
    ENDPOINT_SLICE = "EndpointSlice"
    NODE = "Node"
    NAMESPACE = "Namespace"
    POD = "Pod"
    SECRET = "Secret"
    IP_ADDRESS_POOL = "IPAddressPool"
    L2_ADVERTISEMENT = "L2Advertisement"
    BGP_ADVERTISEMENT = "BGPAdvertisement"
    BGP_PEER = "BGPPeer"
    BFD_PROFILE = "BFDProfile"
    COMMUNITY = "Community"
    SERVICE_L2_STATUS = "ServiceL2Status"
    SERVICE_BGP_STATUS = "ServiceBGPStatus"
    CONFIGURATION_STATE = "ConfigurationState"
    POOL_STATUS = "IPAddressPoolStatus"
    "Not a kind of its own: the status of IPAddressPools, apart from what it is made of."


NOTHING: Mapping[Any, Any] = MappingProxyType({})


def _nothing() -> Mapping[Any, Any]:
    # Python 3.11 refuses an unhashable mapping proxy as a plain default.
    return NOTHING


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All objects by name; nodes and namespaces by their plain name."""

    services: Mapping[ObjectName, Service] = field(default_factory=_nothing)
    slices: Mapping[ObjectName, EndpointSlice] = field(default_factory=_nothing)
    slices_by_service: Mapping[ObjectName, tuple[EndpointSlice, ...]] = field(
        default_factory=_nothing
    )
    nodes: Mapping[str, Node] = field(default_factory=_nothing)
    namespaces: Mapping[str, Namespace] = field(default_factory=_nothing)
    pods: Mapping[ObjectName, Pod] = field(default_factory=_nothing)
    secrets: Mapping[ObjectName, Secret] = field(default_factory=_nothing, repr=False)
    pools: Mapping[ObjectName, IPAddressPool] = field(default_factory=_nothing)
    l2_advertisements: Mapping[ObjectName, L2Advertisement] = field(default_factory=_nothing)
    bgp_advertisements: Mapping[ObjectName, BGPAdvertisement] = field(default_factory=_nothing)
    bgp_peers: Mapping[ObjectName, BGPPeer] = field(default_factory=_nothing)
    bfd_profiles: Mapping[ObjectName, BFDProfile] = field(default_factory=_nothing)
    communities: Mapping[ObjectName, Community] = field(default_factory=_nothing)
    l2_statuses: Mapping[ObjectName, Written] = field(default_factory=_nothing)
    bgp_statuses: Mapping[ObjectName, Written] = field(default_factory=_nothing)
    configuration_states: Mapping[ObjectName, Written] = field(default_factory=_nothing)
    pool_statuses: Mapping[ObjectName, Written] = field(default_factory=_nothing)
    listed: frozenset[Kind] = frozenset()
    faults: Mapping[tuple[Kind, ObjectName], str] = field(default_factory=_nothing)
    unavailable: Mapping[Kind, str] = field(default_factory=_nothing)
    "Kinds that cannot be had now (role or CRD missing), and why; their last objects stay."
