"""The Kubernetes objects of a drill: two pools, their advertisements, one Service, its backends.

The L2 pool lies in the LAN; the BGP pool lies nowhere, so that every client needs the router's
route for it. Backends are single Pods on named nodes, for a drill says which nodes survive.
"""

from typing import Any

from netns_lab.frr import BFD_INTERVAL_MS, BFD_MULTIPLIER
from netns_lab.manifests import Manifest
from netns_lab.plan import LAN_V4, NODE_AS, ROUTER_AS

HERALD = "metallb-system"
L2_POOL, BGP_POOL = "drill-l2", "drill-bgp"
SERVICE = "drill"
ECHO_PORT = 7
HOLD_S = 9
GRACE_S = 3
"How long a terminating backend goes on serving."


def base() -> list[Manifest]:
    """Return what all drills share."""
    return [
        _resource("IPAddressPool", L2_POOL, {"addresses": ["192.168.4.10-192.168.4.20"]}),
        _resource("IPAddressPool", BGP_POOL, {"addresses": ["203.0.113.10-203.0.113.20"]}),
        _resource("L2Advertisement", L2_POOL, {"ipAddressPools": [L2_POOL]}),
        _resource("BGPAdvertisement", BGP_POOL, {"ipAddressPools": [BGP_POOL]}),
        _resource(
            "BFDProfile",
            "drill",
            {
                "transmitInterval": BFD_INTERVAL_MS,
                "receiveInterval": BFD_INTERVAL_MS,
                "detectMultiplier": BFD_MULTIPLIER,
            },
        ),
        peer(bfd=True),
    ]


def peer(*, bfd: bool) -> Manifest:
    """Return the BGPPeer for the lab's router."""
    spec: dict[str, Any] = {
        "myASN": NODE_AS,
        "peerASN": ROUTER_AS,
        "peerAddress": str(LAN_V4[1]),
        "holdTime": f"{HOLD_S}s",
    }
    if bfd:
        spec["bfdProfile"] = "drill"
    return _resource("BGPPeer", "router", spec, version="v1beta2")


def service(pool: str, policy: str) -> Manifest:
    """Return the Service under test: TCP and UDP echo."""
    ports = [
        {"name": name.lower(), "protocol": name, "port": ECHO_PORT, "targetPort": ECHO_PORT}
        for name in ("TCP", "UDP")
    ]
    return Manifest(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": SERVICE, "annotations": {"metallb.io/address-pool": pool}},
            "spec": {
                "type": "LoadBalancer",
                "externalTrafficPolicy": policy,
                "selector": {"app": SERVICE},
                "ports": ports,
            },
        }
    )


def backend(node: str, number: int) -> Manifest:
    """Return an echo server on a node; `number` keeps the names of successive ones apart."""
    ports = [{"containerPort": ECHO_PORT, "protocol": name} for name in ("TCP", "UDP")]
    return Manifest(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{SERVICE}-{node}-{number}", "labels": {"app": SERVICE}},
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": GRACE_S,
                "containers": [{"name": "echo", "image": "echo", "ports": ports}],
            },
        }
    )


def _resource(kind: str, name: str, spec: dict[str, Any], *, version: str = "v1beta1") -> Manifest:
    return Manifest(
        {
            "apiVersion": f"metallb.io/{version}",
            "kind": kind,
            "metadata": {"name": name, "namespace": HERALD},
            "spec": spec,
        }
    )
