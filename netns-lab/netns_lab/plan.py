"""The lab on paper: every namespace, NIC and address of a lab, from its name and its size.

Pure. Addresses are the same in every lab, for labs are isolated; only names of namespaces carry the
lab's name. `netns_lab.topology` builds what stands here.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface

LAN_V4, LAN_V6 = IPv4Network("192.168.4.0/24"), IPv6Network("fd00:4::/64")
MGMT_V4, MGMT_V6 = IPv4Network("172.30.4.0/24"), IPv6Network("fd00:30::/64")
REMOTE_V4, REMOTE_V6 = IPv4Network("198.51.100.0/24"), IPv6Network("fd00:51::/64")
PODS_V4, PODS_V6 = IPv4Network("10.244.0.0/16"), IPv6Network("fd00:244::/32")

LAN, MGMT = "lan", "mgmt"
"""The two bridges, and the prefix of the names of their ports."""

ROUTER_AS, NODE_AS = 64513, 64512
API_PORT, API_SERVER_PORT = 6443, 6444
"""Daemons use the first, which is the fault proxy; the lab's own parts the second."""

NODES_MAX = 50
FIRST_NODE_HOST = 100
"""Node number i has .100 + i on the LAN and on the management network."""

LAB_NAME = re.compile(r"[a-z0-9]{1,12}")
"""No dash: the namespaces of lab `a` must never look like those of a lab `a-b`."""

Interface = IPv4Interface | IPv6Interface


class PlanError(ValueError):
    """The lab asked for cannot be built; the text says what to ask for instead."""


@dataclass(frozen=True, slots=True)
class Nic:
    """One end of a cable: `name` in the host, `peer` (in namespace `peer_namespace`) at the far."""

    name: str
    mac: str
    peer: str
    peer_namespace: str
    peer_mac: str
    addresses: tuple[Interface, ...] = ()
    peer_addresses: tuple[Interface, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """A static route; without a gateway every address of `to` belongs to the host itself."""

    to: str
    via: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """One machine of the lab: a network namespace."""

    name: str
    namespace: str
    nics: tuple[Nic, ...] = ()
    routes: tuple[Route, ...] = ()
    forwards: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """What belongs to node number `index`, counted from 1."""

    name: str
    index: int
    host: Host
    pods: Host

    @property
    def lan_v4(self) -> str:
        """The node's InternalIP."""
        return str(LAN_V4[FIRST_NODE_HOST + self.index])

    @property
    def lan_v6(self) -> str:
        """The node's second InternalIP."""
        return lan_v6(FIRST_NODE_HOST + self.index)

    @property
    def pod_cidr_v4(self) -> IPv4Network:
        """The node's share of the Pods' addresses."""
        return pod_cidr_v4(self.index)

    @property
    def pod_cidr_v6(self) -> IPv6Network:
        """The node's share of the Pods' IPv6 addresses."""
        return pod_cidr_v6(self.index)

    @property
    def pods_v4(self) -> IPv4Network:
        """The upper half of the share: what Pods get."""
        return list(self.pod_cidr_v4.subnets(1))[1]

    @property
    def pods_v6(self) -> IPv6Network:
        """Likewise: `::1:0/112` of the share."""
        return IPv6Network(f"{self.pod_cidr_v6[0x10000]}/112")


@dataclass(frozen=True, slots=True)
class LabPlan:
    """A whole lab. `switch` holds both bridges, so that all cables of a node go in one step."""

    name: str
    switch: Host
    nodes: tuple[Node, ...]
    others: tuple[Host, ...]

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Every namespace that the lab has."""
        of_nodes = [host for node in self.nodes for host in (node.host, node.pods)]
        return (self.switch, *self.others, *of_nodes)

    def host(self, name: str) -> Host:
        """Return the host called `name`; raise PlanError when there is none."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise PlanError(f"no host {name!r} in this lab: it has {', '.join(self.host_names)}")

    def node(self, name: str) -> Node:
        """Return the node called `name`; raise PlanError when there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise PlanError(f"no node {name!r} in this lab: it has {', '.join(self.node_names)}")

    @property
    def host_names(self) -> tuple[str, ...]:
        """Names that `herald lab exec` takes."""
        return tuple(host.name for host in self.hosts)

    @property
    def node_names(self) -> tuple[str, ...]:
        """Names of the nodes, in order."""
        return tuple(node.name for node in self.nodes)


def check_name(name: str) -> None:
    """Raise PlanError when no lab can be called so."""
    if not LAB_NAME.fullmatch(name):
        raise PlanError(f"lab name {name!r}: use 1 to 12 of a-z and 0-9")


def plan_lab(name: str, nodes: int) -> LabPlan:
    """Return the plan of a lab; raise PlanError when name or size cannot be."""
    check_name(name)
    if not 1 <= nodes <= NODES_MAX:
        raise PlanError(f"{nodes} nodes: a lab has 1 to {NODES_MAX}")
    others = (
        _control(name, nodes),
        _on_lan(name, "client", 2, routed=True),
        _on_lan(name, "watcher", 3),
        _router(name),
        _remote(name),
    )
    return LabPlan(
        name=name,
        switch=Host("switch", namespace(name, "switch")),
        nodes=tuple(_node(name, index, nodes) for index in range(1, nodes + 1)),
        others=others,
    )


def namespace(lab: str, host: str) -> str:
    """Return the name of the network namespace of `host`."""
    return f"herald-{lab}-{host}"


def lan_v6(host: int) -> str:
    """Return the LAN's IPv6 address that reads like the IPv4 one: .101 has fd00:4::101."""
    return f"fd00:4::{host}"


def pod_cidr_v4(index: int) -> IPv4Network:
    """Return the IPv4 Pod addresses of node number `index`."""
    return IPv4Network(f"10.244.{index}.0/24")


def pod_cidr_v6(index: int) -> IPv6Network:
    """Return the IPv6 Pod addresses of node number `index`."""
    return IPv6Network(f"fd00:244:{index:x}::/64")


def _mac(network: int, host: int, far: bool = False) -> str:
    # Locally administered, and readable: network, then the address's last byte.
    return f"02:{0x4C + far:02x}:{network:02x}:00:00:{host:02x}"


def _port(lab: str, bridge: str, host_name: str, host: int) -> Nic:
    network = {LAN: LAN_V4, MGMT: MGMT_V4}[bridge]
    v6 = lan_v6(host) if bridge == LAN else f"fd00:30::{host}"
    return Nic(
        name=f"{bridge}0",
        mac=_mac(4 if bridge == LAN else 30, host),
        peer=f"{bridge}-{host_name}",
        peer_namespace=namespace(lab, "switch"),
        peer_mac=_mac(4 if bridge == LAN else 30, host, far=True),
        addresses=(IPv4Interface(f"{network[host]}/24"), ip_interface(f"{v6}/64")),
    )


def _on_lan(lab: str, name: str, address: int, *, routed: bool = False) -> Host:
    routes = _default_by_router() if routed else ()
    return Host(name, namespace(lab, name), (_port(lab, LAN, name, address),), routes)


def _control(lab: str, nodes: int) -> Host:
    # Pods that are no hosts' (controllers) talk with the API server, which talks with webhooks.
    routes = [
        Route(str(cidr), via)
        for index in range(1, nodes + 1)
        for cidr, via in (
            (pod_cidr_v4(index), str(MGMT_V4[FIRST_NODE_HOST + index])),
            (pod_cidr_v6(index), f"fd00:30::{FIRST_NODE_HOST + index}"),
        )
    ]
    nics = (_port(lab, MGMT, "control", 2),)
    return Host("control", namespace(lab, "control"), nics, tuple(routes))


def _default_by_router() -> tuple[Route, ...]:
    return (Route("default", str(LAN_V4[1])), Route("default", lan_v6(1)))


def _router(lab: str) -> Host:
    wan = Nic(
        name="wan0",
        mac=_mac(51, 1),
        peer="wan0",
        peer_namespace=namespace(lab, "remote"),
        peer_mac=_mac(51, 2),
        addresses=(IPv4Interface("198.51.100.1/24"), IPv6Interface("fd00:51::1/64")),
        peer_addresses=(IPv4Interface("198.51.100.2/24"), IPv6Interface("fd00:51::2/64")),
    )
    lan = _port(lab, LAN, "router", 1)
    return Host("router", namespace(lab, "router"), (lan, wan), forwards=True)


def _remote(lab: str) -> Host:
    routes = (Route("default", "198.51.100.1"), Route("default", "fd00:51::1"))
    return Host("remote", namespace(lab, "remote"), routes=routes)


def _node(lab: str, index: int, count: int) -> Node:
    name, pods_name = f"node{index}", f"node{index}-pods"
    v4, v6 = pod_cidr_v4(index), pod_cidr_v6(index)
    # A small net joins node and Pods; behind it the whole range of Pods is local to their
    # namespace, so that a Pod needs no command to get its address.
    pods_nic = Nic(
        name="cni0",
        mac=_mac(244, 1),
        peer="eth0",
        peer_namespace=namespace(lab, pods_name),
        peer_mac=_mac(244, 2),
        addresses=(IPv4Interface(f"{v4[1]}/30"), IPv6Interface(f"{v6[1]}/126")),
        peer_addresses=(IPv4Interface(f"{v4[2]}/30"), IPv6Interface(f"{v6[2]}/126")),
    )
    address = FIRST_NODE_HOST + index
    nics = (_port(lab, LAN, name, address), _port(lab, MGMT, name, address), pods_nic)
    host = Host(name, namespace(lab, name), nics, _node_routes(index, count), forwards=True)
    node = Node(name, index, host, Host(pods_name, namespace(lab, pods_name)))
    pods = Host(pods_name, node.pods.namespace, routes=_pods_routes(node))
    return Node(name, index, host, pods)


def _pods_routes(node: Node) -> tuple[Route, ...]:
    return (
        Route("default", str(node.pod_cidr_v4[1])),
        Route("default", str(node.pod_cidr_v6[1])),
        Route(str(node.pods_v4)),
        Route(str(node.pods_v6)),
    )


def _node_routes(index: int, count: int) -> tuple[Route, ...]:
    routes = list(_default_by_router())
    for other in range(1, count + 1):
        v4, v6, at = pod_cidr_v4(other), pod_cidr_v6(other), FIRST_NODE_HOST + other
        own = other == index
        routes.append(Route(str(v4), str(v4[2]) if own else str(MGMT_V4[at])))
        routes.append(Route(str(v6), str(v6[2]) if own else f"fd00:30::{at}"))
    return tuple(routes)
