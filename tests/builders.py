"""Small makers of objects for tests: only what a test says differs from an ordinary object."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from kube.crds import (
    BGPAdvertisement,
    BGPPeer,
    IPAddressPool,
    L2Advertisement,
    ResourceT,
    parse_resource,
)
from kube.objects import (
    Endpoint,
    EndpointSlice,
    Namespace,
    Node,
    ObjectName,
    Service,
    ServicePort,
    TrafficPolicy,
)

HERALD = "metallb-system"


def name(text: str) -> ObjectName:
    """`ns/name`, or a name in `default`."""
    namespace, slash, rest = text.partition("/")
    return ObjectName(namespace, rest) if slash else ObjectName("default", text)


def service(text: str = "web", **changes: Any) -> Service:
    """A LoadBalancer Service on TCP 80; `ingress` and `cluster_ips` may be given as texts."""
    for key in ("ingress", "cluster_ips"):
        if key in changes:
            changes[key] = tuple(ip_address(a) for a in changes[key])
    if isinstance(changes.get("traffic_policy"), str):
        changes["traffic_policy"] = TrafficPolicy(changes["traffic_policy"])
    values: dict[str, Any] = {
        "name": name(text),
        "uid": f"uid-{text}",
        "created": "2026-01-01T00:00:00Z",
        "type": "LoadBalancer",
        "ports": (ServicePort("TCP", 80),),
        "cluster_ips": (ip_address("10.96.0.1"),),
        "ip_families": ("IPv4",),
    }
    return Service(**(values | changes))


def endpoints(
    text: str, *nodes: str, ready: bool = True, serving: bool | None = None
) -> EndpointSlice:
    """One slice of the Service `text` with an endpoint on each of `nodes`."""
    of = name(text)
    return EndpointSlice(
        name=ObjectName(of.namespace, f"{of.name}-slice"),
        service=of.name,
        address_type="IPv4",
        endpoints=tuple(
            Endpoint((f"10.244.0.{i}",), node, ready, ready if serving is None else serving)
            for i, node in enumerate(nodes, 1)
        ),
    )


def node(text: str, labels: Mapping[str, str] | None = None, **changes: Any) -> Node:
    """A Node with its hostname label."""
    return Node(
        name=text,
        uid=f"uid-{text}",
        labels={"kubernetes.io/hostname": text} | dict(labels or {}),
        **changes,
    )


def namespace(text: str, **labels: str) -> Namespace:
    """A Namespace."""
    return Namespace(name=text, uid=f"uid-{text}", labels=labels)


def resource(
    model: type[ResourceT], text: str, spec: Mapping[str, Any], **labels: str
) -> ResourceT:
    """Any `metallb.io` object in Herald's namespace, from its spec in the API's spelling."""
    metadata = {"name": text, "namespace": HERALD, "labels": labels}
    return parse_resource(model, {"metadata": metadata, "spec": dict(spec)})


def pool(text: str, *addresses: str, **spec: Any) -> IPAddressPool:
    """An IPAddressPool."""
    return resource(IPAddressPool, text, {"addresses": list(addresses)} | spec)


def l2_advertisement(text: str = "l2", **spec: Any) -> L2Advertisement:
    """An L2Advertisement; with no spec it covers everything."""
    return resource(L2Advertisement, text, spec)


def bgp_advertisement(text: str = "bgp", **spec: Any) -> BGPAdvertisement:
    """A BGPAdvertisement; with no spec it covers everything."""
    return resource(BGPAdvertisement, text, spec)


def bgp_peer(text: str = "router", **spec: Any) -> BGPPeer:
    """A BGPPeer of AS 64512 with a router of AS 64513."""
    return resource(
        BGPPeer, text, {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.168.4.1"} | spec
    )


def by_name(*objects: ResourceT) -> dict[ObjectName, ResourceT]:
    """Index resources by their names, as a snapshot holds them."""
    return {each.name: each for each in objects}
