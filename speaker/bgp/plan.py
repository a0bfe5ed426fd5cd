"""What ExaBGP must have: a pure function of what the brain wants and of what this node sees.

Nothing here remembers: a changed address, a BFD session that fails, a drain, a brain that is gone,
each only changes an argument, and the difference to what ExaBGP has is carried out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from speaker.bfd.packet import Diagnostic
from speaker.bgp.config import Neighbour, Path, PeerFault, neighbours_of, render
from speaker.bgp.drain import Stance
from speaker.bgp.routes import NextHops, Refusal, Route, RouteKey, route_for, towards
from speaker.seam.messages import Address, BfdReport, BfdState, PeerIntent, Prefix, RouteIntent


@dataclass(frozen=True, slots=True)
class World:
    """All that the plan depends on."""

    node: str
    peers: Mapping[str, PeerIntent]
    routes: tuple[RouteIntent, ...]
    paths: Mapping[str, Path | PeerFault]
    bfd: Mapping[Address, BfdReport] = field(default_factory=dict)
    stance: Stance = Stance.WELCOME
    refused: Mapping[Neighbour, str] = field(default_factory=dict)
    "Neighbours whose config ExaBGP would not take, and its words."
    agreed: Mapping[str, frozenset[int]] = field(default_factory=dict)
    "By selector: the families of a session that is up."
    begun: frozenset[Prefix] = frozenset()
    "Prefixes that may be announced though their intent says that they may not begin."


@dataclass(frozen=True, slots=True)
class Plan:
    """The neighbours by peer name, their routes, and all that can't be, by peer name."""

    neighbours: Mapping[str, Neighbour]
    routes: Mapping[RouteKey, Route]
    held: frozenset[str]
    "Peers that get no route, since BFD says that the path to them has failed."
    faults: Mapping[str, str]
    config: str

    @property
    def selectors(self) -> dict[str, str]:
        """Peer names by selector."""
        return {neighbour.selector: name for name, neighbour in self.neighbours.items()}


def begun_after(routes: Iterable[RouteIntent], begun: frozenset[Prefix]) -> frozenset[Prefix]:
    """Return which prefixes have begun: those that may, and those that might before.

    It is the intent's history, not what ExaBGP has: a restart of ExaBGP ends nothing.
    """
    return frozenset(r.prefix for r in routes if r.may_begin or r.prefix in begun)


PATH_FAILED = frozenset(
    diagnostic.text
    for diagnostic in Diagnostic
    if diagnostic not in (Diagnostic.NONE, Diagnostic.ADMINISTRATIVELY_DOWN)
)


Told: TypeAlias = Route | Refusal | None
"What a peer is told of an intent; None: it isn't meant."


@dataclass(slots=True)
class _Memory:
    """What one peer was told of each intent, as long as what that depends on is the same."""

    about: tuple[PeerIntent, NextHops, bool]
    told: dict[Prefix, tuple[RouteIntent, Told]] = field(default_factory=dict)

    def tell(self, intent: RouteIntent) -> Told:
        """Return what the peer is told; an intent that is the same object costs no thought."""
        known = self.told.get(intent.prefix)
        if known is None or known[0] is not intent:
            known = self.told[intent.prefix] = (intent, self._think(intent))
        return known[1]

    def _think(self, intent: RouteIntent) -> Told:
        peer, next_hops, de_prefer = self.about
        meant = towards(intent, peer.name)
        return None if meant is None else route_for(peer, meant, next_hops, de_prefer=de_prefer)


class Planner:
    """Makes plans. What it remembers changes only how quick it is."""

    def __init__(self) -> None:
        self._memories: dict[str, _Memory] = {}

    def plan(self, world: World) -> Plan:
        """Return what ExaBGP must have."""
        wanted, faults = neighbours_of(world.peers.values(), world.paths, world.node)
        texts = {name: f"BGPPeer {name}: {fault.value}" for name, fault in faults.items()}
        held = frozenset(name for name in wanted if bfd_failed(world.peers[name], world.bfd))
        neighbours: dict[str, Neighbour] = {}
        for name, neighbour in wanted.items():
            words = world.refused.get(neighbour)
            if words is not None:
                texts[name] = f"BGPPeer {name}: ExaBGP refuses it: {words}"
            else:
                neighbours[name] = neighbour
        routes: dict[RouteKey, Route] = {}
        # A held peer's session stays configured: a router with dynamic neighbours runs BFD only
        # for those that have one, so without it neither BFD nor BGP would ever come back.
        told = {} if world.stance is Stance.WITHDRAW else neighbours
        for name in sorted(told.keys() - held):
            found, refused = _routes_of(world, neighbours[name], self._memory(world, name))
            routes.update(found)
            if refused:
                texts[name] = f"BGPPeer {name}: {refused}"
        return Plan(neighbours, routes, held, texts, render(neighbours.values()))

    def _memory(self, world: World, name: str) -> _Memory:
        path = world.paths[name]
        assert isinstance(path, Path), "a neighbour has a path"
        about = (world.peers[name], path.next_hops, world.stance is Stance.DE_PREFER)
        memory = self._memories.get(name)
        limit = 2 * len(world.routes) + 100  # beyond, most of it is of intents that have gone
        if memory is None or memory.about != about or len(memory.told) > limit:
            memory = self._memories[name] = _Memory(about)
        return memory


def bfd_failed(peer: PeerIntent, reports: Mapping[Address, BfdReport]) -> bool:
    """Tell whether the path was up and failed; one that never was up forbids nothing.

    RFC 5882 4.1 and FRR do the same: a peer without BFD still gets its session.
    """
    report = reports.get(peer.address) if peer.bfd else None
    if report is None:
        return False
    return report.state in (BfdState.DOWN, BfdState.INIT) and report.diagnostic in PATH_FAILED


def _routes_of(
    world: World, neighbour: Neighbour, memory: _Memory
) -> tuple[dict[RouteKey, Route], str]:
    selector = neighbour.selector
    agreed = world.agreed.get(selector)
    routes: dict[RouteKey, Route] = {}
    refused: dict[Refusal, list[Prefix]] = {}
    for intent in world.routes:
        found = memory.tell(intent)
        if found is None or not (intent.may_begin or intent.prefix in world.begun):
            continue
        if agreed is not None and intent.prefix.version not in agreed:
            found = Refusal.FAMILY_NOT_AGREED
        if isinstance(found, Refusal):
            refused.setdefault(found, []).append(intent.prefix)
        else:
            routes[selector, intent.prefix] = found
    return routes, "; ".join(_sentence(why, prefixes) for why, prefixes in refused.items())


_SENTENCES: Mapping[Refusal, str] = {
    Refusal.NO_NEXT_HOP: "the NIC towards it has no global address of that family to be next hop",
    Refusal.FAMILY_NOT_AGREED: "it has not agreed to that address family",
    Refusal.BAD_COMMUNITY: "a community is neither a:b nor large:a:b:c",
}


def _sentence(why: Refusal, prefixes: Iterable[Prefix]) -> str:
    first, *others = sorted(prefixes, key=lambda p: (p.version, int(p.network_address)))
    more = f" and {len(others)} more" if others else ""
    return f"{first}{more} not announced: {_SENTENCES[why]}"
