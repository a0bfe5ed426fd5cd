"""What one decision reads: the snapshot, who decides, and the indexes that make it quick.

A `View` is made anew when something changes that concerns every address (pools, nodes, speakers);
the index of addresses to Services is shared and kept up by `speaker.policy.deciding`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kube.configuration import BGPAd, Configuration, L2Ad
from kube.crds import AdvertisementSpec, BGPAdvertisement, L2Advertisement
from kube.objects import Address, EndpointSlice, Node, ObjectName, Pod, Service
from kube.selectors import LabelSelector, any_matches
from kube.snapshot import Kind, Snapshot

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
DRAIN_ANNOTATION = "herald.io/drain"
SPEAKER_LABELS = MappingProxyType(
    {"app.kubernetes.io/name": "herald", "app.kubernetes.io/component": "speaker"}
)

METALLB_SPEAKER = (
    {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"},
    {"app": "metallb", "component": "speaker"},
)
"""Labels of MetalLB's speakers as its Helm chart and as its manifests set them."""


@dataclass(frozen=True, slots=True)
class Self:
    """Who decides, and by which flags."""

    node: str
    namespace: str = "metallb-system"
    lb_class: str = ""
    ignore_exclude_label: bool = False
    heeds_metallb: bool = True
    "Whether sessions wait while MetalLB's speaker runs on the node."


@dataclass(frozen=True, slots=True)
class PoolRef:
    """The pool an address belongs to; one that was deleted is known by its name alone."""

    name: str
    exists: bool = True


@dataclass(frozen=True, slots=True)
class Nic:
    """A NIC of this node; `reason` says why wire can't use it, empty when it can."""

    name: str
    reason: str = ""

    @property
    def usable(self) -> bool:
        """Whether addresses can be answered for on it."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class View:
    """Everything the decision about one address reads, but for the health verdicts."""

    own: Self
    snapshot: Snapshot
    configuration: Configuration
    holders: Mapping[Address, tuple[ObjectName, ...]]
    "Names of the Services that have the address in their status."
    speakers: frozenset[str]
    "Nodes with a speaker Pod; empty when Pods are not known."
    nics: tuple[Nic, ...] | None = None
    "By name; None until wire has said which there are."

    @property
    def node(self) -> Node | None:
        """The own Node."""
        return self.snapshot.nodes.get(self.own.node)

    def services(self, address: Address) -> tuple[Service, ...]:
        """Return the Services that hold the address, oldest first (creation, then UID)."""
        names = self.holders.get(address, ())
        found = (self.snapshot.services.get(name) for name in names)
        return tuple(sorted((s for s in found if s is not None), key=age))

    def slices(self, service: Service) -> tuple[EndpointSlice, ...]:
        """Return the Service's slices."""
        return self.snapshot.slices_by_service.get(service.name, ())

    def pool(self, address: Address, services: Iterable[Service]) -> PoolRef | None:
        """Return the address's pool: by its ranges, else by what the controller wrote.

        An address outlives its pool: until the controller gives another one, and while no pool is
        left at all, the pool's name on the Service is what its advertisements go by.
        """
        found = self.configuration.pool_of(address)
        if found is not None:
            return PoolRef(found.name)
        for service in services:
            name = service.annotation("ip-allocated-from-pool")
            if name:
                return PoolRef(name, exists=name in self.pool_names)
        return None

    @property
    def pool_names(self) -> frozenset[str]:
        """Names of the pools in use."""
        return frozenset(pool.name for pool in self.configuration.pools)

    def spec_of(self, advertisement: L2Ad | BGPAd) -> AdvertisementSpec | None:
        """Return what the advertisement's object says, None when it is gone."""
        name = ObjectName(self.own.namespace, advertisement.name)
        found: L2Advertisement | BGPAdvertisement | None
        if isinstance(advertisement, L2Ad):
            found = self.snapshot.l2_advertisements.get(name)
        else:
            found = self.snapshot.bgp_advertisements.get(name)
        return found.spec if found is not None else None


def age(service: Service) -> tuple[str, str]:
    """Return the key that sorts the oldest Service first."""
    return service.created, service.uid


def speakers(snapshot: Snapshot) -> frozenset[str]:
    """Return the nodes with a speaker Pod that is not going away."""
    if Kind.POD not in snapshot.listed:
        return frozenset()
    return frozenset(
        pod.node_name
        for pod in snapshot.pods.values()
        if pod.node_name and not pod.terminating and is_speaker(pod)
    )


def is_speaker(pod: Pod) -> bool:
    """Tell whether it is one of Herald's speakers."""
    return SPEAKER_LABELS.items() <= pod.labels.items()


def metallb_speaker(own: Self, snapshot: Snapshot) -> ObjectName | None:
    """Return MetalLB's speaker that has this node's sessions with the routers, if one runs.

    Until it has ended: one that is only asked to end still has them.
    """
    if not own.heeds_metallb:
        return None
    found = (
        pod.name
        for pod in snapshot.pods.values()
        if pod.node_name == own.node
        and pod.ready
        and any(labels.items() <= pod.labels.items() for labels in METALLB_SPEAKER)
    )
    return min(found, key=str, default=None)


def draining(node: Node) -> bool:
    """Tell whether the operator asked for the node to be drained of addresses."""
    return node.annotations.get(DRAIN_ANNOTATION) == "true"


def selects_node(selectors: tuple[LabelSelector, ...], node: Node) -> bool:
    """Tell whether a list of node selectors selects the node; an empty list selects all."""
    return not selectors or any_matches(selectors, node.labels)
