"""Which BGP and BFD sessions this node keeps.

A router takes one session from one address of a node, and gives up the first for the second where
graceful restart was agreed on. So no session is begun while MetalLB's speaker runs on the node. One
that was begun is kept when a MetalLB comes: what works is not given away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from kube.configuration import BFDTimers, Configuration, Peer
from kube.objects import Node, ObjectName
from speaker.policy.view import selects_node
from speaker.seam.messages import Address, BfdIntent, PeerIntent

Peers: TypeAlias = Mapping[str, Peer]
NO_PEERS: Peers = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of one node."""

    peers: Peers = field(default_factory=lambda: NO_PEERS)
    "By name."
    waiting: tuple[str, ...] = ()
    "Names of the peers whose sessions are not begun yet, because of `waits_for`."
    waits_for: ObjectName | None = None
    "MetalLB's speaker on this node."

    @property
    def bgp(self) -> tuple[PeerIntent, ...]:
        """What bgp is told."""
        return tuple(peer_intent(peer) for peer in self.peers.values())

    @property
    def bfd(self) -> tuple[BfdIntent, ...]:
        """What wire is told: one session for each address, the first peer's by name."""
        found: dict[Address, BfdIntent] = {}
        for peer in self.peers.values():
            if peer.bfd is not None and peer.address not in found:
                found[peer.address] = bfd_intent(peer, peer.bfd)
        return tuple(found.values())


def sessions_of(
    configuration: Configuration,
    node: Node | None,
    *,
    waits_for: ObjectName | None = None,
    begun: Peers = NO_PEERS,
) -> Sessions:
    """Return the sessions of the node: those of peers whose selectors select it."""
    if node is None:
        return Sessions()
    found = {p.name: p for p in configuration.peers if selects_node(p.node_selectors, node)}
    if waits_for is None:
        return Sessions(MappingProxyType(found))
    kept = {name: peer for name, peer in found.items() if name in begun}
    waiting = tuple(name for name in found if name not in begun)
    return Sessions(MappingProxyType(kept), waiting, waits_for)


def peer_intent(peer: Peer) -> PeerIntent:
    """Return what bgp is told of the peer."""
    return PeerIntent(
        name=peer.name,
        address=peer.address,
        my_asn=peer.my_asn,
        peer_asn=peer.peer_asn,
        port=peer.port,
        local_address=peer.source_address,
        router_id=peer.router_id,
        hold_time_s=peer.hold_time_s,
        keepalive_s=peer.keepalive_s,
        password=peer.password,
        multihop=peer.multihop,
        graceful_restart=peer.graceful_restart,
        bfd=peer.bfd is not None,
    )


def bfd_intent(peer: Peer, timers: BFDTimers) -> BfdIntent:
    """Return what wire is told of the peer's BFD session."""
    return BfdIntent(
        peer=peer.address,
        local=peer.source_address,
        transmit_ms=timers.transmit_ms,
        receive_ms=timers.receive_ms,
        multiplier=timers.multiplier,
        passive=timers.passive,
        multihop=peer.multihop,
        minimum_ttl=timers.minimum_ttl,
    )
