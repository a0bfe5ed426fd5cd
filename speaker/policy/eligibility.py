"""The API's truth about one Service on one node: which gates are closed, health apart.

Each function answers for one gate and gives the closed gate or None. They are asked in the order
of `Gate`, and all of them, so that `herald explain` shows every reason at once.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from kube.configuration import BGPAd, L2Ad
from kube.objects import Address, Node, Service, TrafficPolicy
from kube.selectors import any_matches
from speaker.policy.gates import Gate, Protocol, Withheld
from speaker.policy.view import (
    DRAIN_ANNOTATION,
    EXCLUDE_LABEL,
    PoolRef,
    View,
    draining,
    selects_node,
)

Advertisement: TypeAlias = L2Ad | BGPAd
LOAD_BALANCER = "LoadBalancer"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which advertisements concern one address, before any node is looked at."""

    pool: PoolRef | None
    advertisements: tuple[Advertisement, ...]
    "Those that select the pool."


def choose(view: View, protocol: Protocol, address: Address) -> Choice:
    """Return the address's pool and the advertisements of the protocol that select it."""
    pool = view.pool(address, view.services(address))
    if pool is None:
        return Choice(None, ())
    found: tuple[Advertisement, ...]
    found = view.configuration.l2 if protocol is Protocol.LAYER2 else view.configuration.bgp
    return Choice(pool, _those(found, lambda each: _selects_pool(view, each, pool)))


def _those(
    every: tuple[Advertisement, ...], selected: Callable[[Advertisement], bool]
) -> tuple[Advertisement, ...]:
    """Return those selected; the same tuple when all are, for thousands of decisions keep it."""
    chosen = tuple(each for each in every if selected(each))
    return every if len(chosen) == len(every) else chosen


def _selects_pool(view: View, advertisement: Advertisement, pool: PoolRef) -> bool:
    if pool.exists:
        return pool.name in advertisement.pools
    # Its labels went with it. Who was announced by label keeps being announced: losing all pools
    # at once must not withdraw what is in use.
    spec = view.spec_of(advertisement)
    if spec is None:
        return False
    by_name, by_label = spec.ip_address_pools, spec.ip_address_pool_selectors
    return pool.name in by_name or bool(by_label) or not by_name


def selects_service(advertisement: Advertisement, service: Service) -> bool:
    """Tell whether the advertisement is for the Service; no selectors means all."""
    selectors = advertisement.service_selectors
    return not selectors or any_matches(selectors, service.labels)


def covering(choice: Choice, service: Service, node: Node) -> tuple[Advertisement, ...]:
    """Return the advertisements that select both the Service and the node."""
    return _those(
        choice.advertisements,
        lambda each: selects_service(each, service) and selects_node(each.node_selectors, node),
    )


def closed_gates(
    view: View, protocol: Protocol, choice: Choice, service: Service, node: Node | None
) -> list[Withheld]:
    """Return the closed gates of one Service's address on one node, health and peers apart."""
    wanted = [
        _class(view, service),
        _pool(choice, service),
        _advertisement(protocol, choice),
        _service_selected(protocol, choice, service),
        _shared_selectors(protocol, choice, service),
    ]
    on_node = [_known(view)] if node is None else [_selected(protocol, choice, service, node)]
    if node is not None:
        on_node += node_gates(view, node)
    served = [_endpoint(view, service), node and _local_endpoint(view, service, node)]
    return [each for each in (*wanted, *on_node, *served) if each is not None]


def node_gates(view: View, node: Node) -> list[Withheld | None]:
    """Return the gates of the node itself, for any address; None for each open one."""
    return [_network(node), _excluded(view, node)]


def _class(view: View, service: Service) -> Withheld | None:
    if (service.load_balancer_class or "") == view.own.lb_class:
        return None
    ours = f"class {view.own.lb_class!r}" if view.own.lb_class else "Services without a class"
    theirs = service.load_balancer_class or "no class"
    return Withheld(
        Gate.CLASS,
        f"Service {service.name}",
        "spec.loadBalancerClass",
        f"the Service asks for {theirs}, this speaker serves {ours} (flag --lb-class)",
    )


def _pool(choice: Choice, service: Service) -> Withheld | None:
    if choice.pool is not None:
        return None
    return Withheld(
        Gate.POOL,
        "IPAddressPool",
        "spec.addresses",
        f"no pool holds the address that Service {service.name} has: add it to a pool, or take it "
        "out of the Service's status",
    )


def _advertisement(protocol: Protocol, choice: Choice) -> Withheld | None:
    if choice.pool is None or choice.advertisements:
        return None
    kind = kind_of(protocol)
    return Withheld(
        Gate.ADVERTISEMENT,
        kind,
        "spec.ipAddressPools",
        f"no {kind} selects pool {choice.pool.name}: create one, or name the pool in one",
    )


def _service_selected(protocol: Protocol, choice: Choice, service: Service) -> Withheld | None:
    if not choice.advertisements:
        return None
    if any(selects_service(each, service) for each in choice.advertisements):
        return None
    return Withheld(
        Gate.SERVICE_SELECTED,
        _names(protocol, choice.advertisements),
        "spec.serviceSelectors",
        f"its service selectors leave out Service {service.name}: change them or the labels",
    )


def _shared_selectors(protocol: Protocol, choice: Choice, service: Service) -> Withheld | None:
    if protocol is not Protocol.LAYER2 or service.annotation("allow-shared-ip") is None:
        return None
    limited = tuple(
        each
        for each in choice.advertisements
        if each.service_selectors and selects_service(each, service)
    )
    if not limited:
        return None
    return Withheld(
        Gate.SHARED_SELECTORS,
        f"Service {service.name}",
        "metadata.annotations[metallb.io/allow-shared-ip]",
        f"an address that may be shared cannot be limited to Services: remove the annotation, or "
        f"spec.serviceSelectors of {_names(protocol, limited)}",
    )


def _known(view: View) -> Withheld:
    return Withheld(
        Gate.NODE_KNOWN,
        f"Node {view.own.node}",
        "metadata.name",
        "the API server has no such Node: --node-name must be the Node's name",
    )


def _selected(protocol: Protocol, choice: Choice, service: Service, node: Node) -> Withheld | None:
    able = tuple(each for each in choice.advertisements if selects_service(each, service))
    if not able or any(selects_node(each.node_selectors, node) for each in able):
        return None
    return Withheld(
        Gate.NODE_SELECTED,
        _names(protocol, able),
        "spec.nodeSelectors",
        f"its node selectors leave out node {node.name}: change them or the node's labels",
    )


def _network(node: Node) -> Withheld | None:
    if not node.network_unavailable:
        return None
    return Withheld(
        Gate.NODE_NETWORK,
        f"Node {node.name}",
        "status.conditions[NetworkUnavailable]",
        "the node's network plugin says that its network is not available",
    )


def _excluded(view: View, node: Node) -> Withheld | None:
    if view.own.ignore_exclude_label or EXCLUDE_LABEL not in node.labels:
        return None
    return Withheld(
        Gate.NODE_NOT_EXCLUDED,
        f"Node {node.name}",
        f"metadata.labels[{EXCLUDE_LABEL}]",
        "the label excludes the node, whatever its value: remove it, or start the speakers with "
        "--ignore-exclude-lb",
    )


def drained(node: Node | None) -> Withheld | None:
    """Return the gate that draining closes: what is there is handed over, not just withdrawn."""
    if node is None or not draining(node):
        return None
    return Withheld(
        Gate.NODE_NOT_DRAINING,
        f"Node {node.name}",
        f"metadata.annotations[{DRAIN_ANNOTATION}]",
        "the annotation asks to drain the node of addresses: remove it to take part again",
    )


def _endpoint(view: View, service: Service) -> Withheld | None:
    if any(e.usable for each in view.slices(service) for e in each.endpoints):
        return None
    return Withheld(
        Gate.ENDPOINT,
        f"Service {service.name}",
        "spec.selector",
        "none of its endpoints is ready, or serving while it terminates: see its EndpointSlices",
    )


def _local_endpoint(view: View, service: Service, node: Node) -> Withheld | None:
    if service.traffic_policy is not TrafficPolicy.LOCAL or endpoints_on(view, service, node.name):
        return None
    return Withheld(
        Gate.LOCAL_ENDPOINT,
        f"Service {service.name}",
        "spec.externalTrafficPolicy",
        f"the policy is Local and no usable endpoint is on node {node.name}",
    )


def endpoints_on(view: View, service: Service, node: str) -> int:
    """Return how many usable endpoints of the Service are on the node."""
    return sum(
        e.usable and e.node_name == node for each in view.slices(service) for e in each.endpoints
    )


def ready_on(view: View, service: Service, node: str) -> bool:
    """Tell whether an endpoint of the Service is ready on the node, not only still serving."""
    return any(
        e.ready and e.addresses and e.node_name == node
        for each in view.slices(service)
        for e in each.endpoints
    )


def leaving(service: Service, node: str, other: str) -> Withheld:
    """Return the gate of a node whose endpoints all terminate while another node's are ready."""
    return Withheld(
        Gate.LOCAL_ENDPOINT,
        f"Service {service.name}",
        "spec.externalTrafficPolicy",
        f"the policy is Local, the endpoints on node {node} only finish what they have begun, and "
        f"one is ready on node {other}",
    )


def kind_of(protocol: Protocol) -> str:
    """Return the kind of the protocol's advertisements."""
    return "L2Advertisement" if protocol is Protocol.LAYER2 else "BGPAdvertisement"


def _names(protocol: Protocol, advertisements: Iterable[Advertisement]) -> str:
    return f"{kind_of(protocol)} " + ", ".join(each.name for each in advertisements)
