"""From the snapshot to what the planner reads, built anew only where something changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.pools import PoolSet, build_pools
from kube.configuration import Configuration
from kube.faults import Fault
from kube.objects import Address, Namespace, ObjectName, Service
from kube.snapshot import Kind, Snapshot
from kube.validation import usable


@dataclass(frozen=True, slots=True)
class View:
    """What the planner reads of the cluster."""

    services: Mapping[ObjectName, Service]
    pools: PoolSet
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    node_addresses: Mapping[Address, str] = field(default_factory=dict)
    "Names of nodes by their addresses: never given automatically."


NEEDED = frozenset({Kind.SERVICE, Kind.IP_ADDRESS_POOL, Kind.NAMESPACE})
"""What must have been listed before anything is planned: unknown is not empty."""


WANTED = frozenset({Kind.NODE, Kind.POD})
"""What should be known too, unless it cannot be had: it keeps us from mistakes."""

METALLB_CONTROLLER = (
    {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "controller"},
    {"app": "metallb", "component": "controller"},
)
"""Labels of MetalLB's controller as its Helm chart and as its manifests set them."""


def metallb_controllers(snapshot: Snapshot) -> tuple[ObjectName, ...]:
    """Return MetalLB's controllers that run here: two allocators would give an address twice."""
    return tuple(
        pod.name
        for pod in snapshot.pods.values()
        if pod.ready
        and not pod.terminating
        and any(labels.items() <= pod.labels.items() for labels in METALLB_CONTROLLER)
    )


def is_known(snapshot: Snapshot) -> bool:
    """Tell whether enough has been listed to plan."""
    return snapshot.listed >= NEEDED


def may_lead(snapshot: Snapshot) -> bool:
    """Tell whether a controller sees enough to begin to give addresses."""
    return is_known(snapshot) and snapshot.listed | snapshot.unavailable.keys() >= WANTED


@dataclass(frozen=True, slots=True)
class Outlook:
    """A view, and the configuration it was made from: the next one needs its last good objects."""

    view: View
    configuration: Configuration
    faults: tuple[Fault, ...] = ()


def outlook_of(
    snapshot: Snapshot, before: Outlook | None = None, *, pools_changed: bool = True
) -> Outlook:
    """Return what the planner reads; the pools of `before` are kept when they did not change."""
    nodes: dict[Address, str] = {
        address: node.name for node in snapshot.nodes.values() for address in node.internal_ips
    }
    if before is not None and not pools_changed:
        pools, good, faults = before.view.pools, before.configuration, before.faults
    else:
        only = Snapshot(pools=snapshot.pools, faults=snapshot.faults, listed=snapshot.listed)
        good, faults = usable(only, before.configuration if before else None)
        pools = build_pools(good.pools, good.refused_pools, faults)
    view = View(snapshot.services, pools, snapshot.namespaces, nodes)
    return Outlook(view, good, faults)
