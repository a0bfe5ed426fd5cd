"""ExaBGP's config file: what the brain's peers become there, and what can't be had.

The file holds neighbours only; routes are commands. Its text is a pure function of the peers, so
equal peers never cause a reload. A password goes in as base64: no character of it can end a string.
"""

import base64
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from speaker.bgp.routes import NextHops
from speaker.seam.messages import Address, PeerIntent

RESTART_TIME_S = 20
"Graceful restart: how long the peer keeps our routes while we are gone."

PASSWORD_LIMIT = 80
"Bytes; TCP_MD5SIG_MAXKEYLEN."

HIGHEST_HOLD_TIME_S = 65535
API_PROCESS = "speaker"

HEAD = f"process {API_PROCESS} {{\n  run /bin/sleep infinity;\n  encoder json;\n}}\n"

ENVIRONMENT: Mapping[str, str] = {
    "exabgp_api_ack": "true",
    "exabgp_api_chunk": "200",  # lines of an answer a turn; the default is 1
    "exabgp_api_cli": "false",
    "exabgp_log_destination": "stderr",
    "exabgp_log_level": "WARNING",
    "exabgp_tcp_bind": "",
}


class PeerFault(Enum):
    """Why there can be no session with a peer; the value is the sentence's second half."""

    NO_PATH = "this node has no route to its address"
    SOURCE_NOT_OURS = "sourceAddress isn't an address of this node"
    SOURCE_FAMILY = "sourceAddress and peerAddress are of different families"
    OWN_ADDRESS = "peerAddress is an address of this node"
    NOT_ON_LINK = (
        "its address isn't on a network of this node: set ebgpMultiHop for an external peer behind"
        " a router"
    )
    PASSWORD_TOO_LONG = f"its password has more than {PASSWORD_LIMIT} bytes"
    SAME_SESSION = "another BGPPeer has the same peerAddress, sourceAddress, ASNs and routerID"
    TOO_MANY = "too many BGPPeers select this node"


MAX_PEERS = 128
"Ours: each costs ExaBGP a turn of its loop; BFD has the same limit."


@dataclass(frozen=True, slots=True)
class Path:
    """How this node reaches a peer."""

    local: Address
    on_link: bool
    next_hops: NextHops


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A peer as ExaBGP's config has it."""

    peer: str
    address: Address
    local: Address
    my_asn: int
    peer_asn: int
    router_id: IPv4Address
    port: int
    hold_time_s: int
    keepalive_s: int
    multihop: bool
    graceful_restart: bool
    password: str = field(default="", repr=False)

    @property
    def selector(self) -> str:
        """The words by which commands and answers name this neighbour."""
        return (
            f"neighbor {self.address} local-ip {self.local} local-as {self.my_asn}"
            f" peer-as {self.peer_asn} router-id {self.router_id}"
        )


def neighbour_for(peer: PeerIntent, path: Path | PeerFault, node: str) -> Neighbour | PeerFault:
    """Return the peer as ExaBGP is told of it, or why it can't be."""
    if isinstance(path, PeerFault):
        return path
    if path.local.version != peer.address.version:
        return PeerFault.SOURCE_FAMILY
    if path.local == peer.address:
        return PeerFault.OWN_ADDRESS
    internal = peer.my_asn == peer.peer_asn
    if not (internal or peer.multihop or path.on_link):
        return PeerFault.NOT_ON_LINK
    if len(peer.password.encode()) > PASSWORD_LIMIT:
        return PeerFault.PASSWORD_TOO_LONG
    return Neighbour(
        peer=peer.name,
        address=peer.address,
        local=path.local,
        my_asn=peer.my_asn,
        peer_asn=peer.peer_asn,
        router_id=peer.router_id or router_id(path, node),
        port=peer.port,
        hold_time_s=min(peer.hold_time_s, HIGHEST_HOLD_TIME_S),
        keepalive_s=peer.keepalive_s,
        multihop=internal or peer.multihop,
        graceful_restart=peer.graceful_restart,
        password=peer.password,
    )


def router_id(path: Path, node: str) -> IPv4Address:
    """Choose as MetalLB does: the session's IPv4 address, else the NIC's, else a hash."""
    for address in (path.local, path.next_hops.ipv4):
        if isinstance(address, IPv4Address):
            return address
    return IPv4Address(zlib.crc32(node.encode()) or 1)


def neighbours_of(
    peers: Iterable[PeerIntent], paths: Mapping[str, Path | PeerFault], node: str
) -> tuple[dict[str, Neighbour], dict[str, PeerFault]]:
    """Return the neighbours by peer name, and for the other peers why they are none."""
    neighbours: dict[str, Neighbour] = {}
    faults: dict[str, PeerFault] = {}
    taken: set[str] = set()
    for peer in sorted(peers, key=lambda p: p.name):
        found = neighbour_for(peer, paths.get(peer.name, PeerFault.NO_PATH), node)
        if isinstance(found, Neighbour) and found.selector in taken:
            found = PeerFault.SAME_SESSION
        if isinstance(found, Neighbour) and len(neighbours) >= MAX_PEERS:
            found = PeerFault.TOO_MANY
        if isinstance(found, PeerFault):
            faults[peer.name] = found
            continue
        taken.add(found.selector)
        neighbours[peer.name] = found
    return neighbours, faults


def render(neighbours: Iterable[Neighbour]) -> str:
    """Return the file's text."""
    return HEAD + "".join(map(_section, neighbours))


def _section(neighbour: Neighbour) -> str:
    settings = {
        "description": f'"keepalive {neighbour.keepalive_s}"',  # the launcher reads it
        "router-id": neighbour.router_id,
        "local-address": neighbour.local,
        "local-as": neighbour.my_asn,
        "peer-as": neighbour.peer_asn,
        "connect": neighbour.port,
        "hold-time": neighbour.hold_time_s,
        "adj-rib-in": "false",
        "adj-rib-out": "true",
        "manual-eor": "true",
    }
    if not neighbour.multihop:
        settings["outgoing-ttl"] = 1  # RFC 4271 leaves it open; all routers do so for eBGP
    if neighbour.password:
        settings["md5-password"] = base64.b64encode(neighbour.password.encode()).decode()
        settings["md5-base64"] = "true"
    restart = f" graceful-restart {RESTART_TIME_S};" if neighbour.graceful_restart else ""
    lines = "".join(f"  {key} {value};\n" for key, value in settings.items())
    return (
        f"neighbor {neighbour.address} {{\n{lines}"
        "  family { ipv4 unicast; ipv6 unicast; }\n"
        f"  capability {{ asn4 enable; route-refresh enable;{restart} }}\n"
        f"  api {{ processes [ {API_PROCESS} ]; neighbor-changes; negotiated; }}\n}}\n"
    )


def usable_next_hop(address: Address) -> bool:
    """Tell whether another node may send to the address."""
    if isinstance(address, IPv6Address) and (address.is_link_local or address.ipv4_mapped):
        return False
    return not (address.is_loopback or address.is_multicast or address.is_unspecified)
