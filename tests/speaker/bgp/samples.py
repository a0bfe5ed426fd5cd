"""Small makers for the bgp tests."""

from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from speaker.bgp.config import Neighbour, Path, neighbour_for
from speaker.bgp.routes import NextHops, Route, RouteKey
from speaker.seam.messages import PeerIntent, RouteIntent

LOCAL, ROUTER = ip_address("10.9.0.1"), ip_address("10.9.0.2")
LOCAL6 = ip_address("fd09::1")
NEXT_HOPS = NextHops(LOCAL, LOCAL6)
PATH = Path(LOCAL, on_link=True, next_hops=NEXT_HOPS)


def peer(name: str = "router", **changes: Any) -> PeerIntent:
    """An external peer."""
    values: dict[str, Any] = {"address": ROUTER, "my_asn": 64512, "peer_asn": 64513, **changes}
    return PeerIntent(name, **values)


def intent(prefix: str = "192.168.4.10/32", **changes: Any) -> RouteIntent:
    """A route for the peer `router`."""
    values: dict[str, Any] = {"peers": ("router",), **changes}
    return RouteIntent(ip_network(prefix), **values)


def neighbour(**changes: Any) -> Neighbour:
    """The peer as ExaBGP's config has it."""
    found = neighbour_for(peer(**changes), PATH, "node1")
    assert isinstance(found, Neighbour)
    return found


def routes(*prefixes: str, selector: str = "n", **changes: Any) -> dict[RouteKey, Route]:
    """Routes by key; the keywords are their attributes."""
    made = {}
    for text in prefixes:
        prefix = ip_network(text)
        made[selector, prefix] = Route(prefix, IPv4Address("10.9.0.1"), **changes)
    return made
