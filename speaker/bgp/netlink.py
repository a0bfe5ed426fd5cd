"""How this node reaches its peers: the kernel's choice of source address, and the NIC's others."""

import socket
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from speaker.bgp.config import Path, PeerFault, usable_next_hop
from speaker.bgp.routes import NextHops
from speaker.l2.links import Link
from speaker.seam.messages import Address, PeerIntent
from speaker.wire.netlink import Monitor

_ANY_PORT = 9
"A UDP connect sends nothing, but wants a port."


class Paths:
    """The paths to peers; `changed` is called when the node's addresses have changed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._monitor = Monitor()
        self._changed = changed

    def fileno(self) -> int:
        """Return the descriptor, for the loop."""
        return self._monitor.fileno()

    def read(self) -> None:
        """Take in what the kernel tells."""
        if self._monitor.read():
            self._changed()

    def close(self) -> None:
        """Close the socket."""
        self._monitor.close()

    def to(self, peers: Mapping[str, PeerIntent]) -> dict[str, Path | PeerFault]:
        """Return the path to each peer, or why there is none."""
        links = list(self._monitor.table.links.values())
        return {name: _path(peer, links) for name, peer in peers.items()}


def _path(peer: PeerIntent, links: list[Link]) -> Path | PeerFault:
    local = peer.local_address or _source_towards(peer.address)
    if local is None:
        return PeerFault.NO_PATH
    link = next((k for k in links if any(a.ip == local for a in k.addresses)), None)
    if link is None:
        return PeerFault.SOURCE_NOT_OURS
    on_link = any(peer.address in a.network for k in links for a in k.addresses)
    return Path(local, on_link, NextHops(_next_hop(link, local, 4), _next_hop(link, local, 6)))


def _next_hop(link: Link, local: Address, version: int) -> Address | None:
    if local.version == version and usable_next_hop(local):
        return local
    others = (a.ip for a in link.addresses if a.version == version)
    return next((a for a in others if usable_next_hop(a)), None)


def _source_towards(peer: Address) -> Address | None:
    family = socket.AF_INET if peer.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(peer), _ANY_PORT))
        except OSError:
            return None
        return ip_address(probe.getsockname()[0])
