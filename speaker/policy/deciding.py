"""All decisions of this node, kept up with the cluster: only what is dirty is decided again.

A Service's or slice's change dirties its addresses; a health verdict those of the Services that
ask its port; anything else (own Node, pools, advertisements, peers) dirties all. `step` decides
as much as its caller has time for. The result equals deciding everything from scratch.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from kube.configuration import Configuration
from kube.objects import Address, ObjectName, Service
from kube.snapshot import Kind, Snapshot
from speaker.policy.decide import Decision, Verdicts, decide_address, port_of
from speaker.policy.eligibility import LOAD_BALANCER
from speaker.policy.gates import Protocol
from speaker.policy.health import NODE_PORT
from speaker.policy.peers import Sessions, sessions_of
from speaker.policy.routes import Path, paths, route, with_peers
from speaker.policy.view import Nic, Self, View, metallb_speaker, speakers
from speaker.seam.messages import Prefix, RouteIntent

NEEDS: Mapping[Protocol, frozenset[Kind]] = {
    Protocol.LAYER2: frozenset(
        {Kind.SERVICE, Kind.ENDPOINT_SLICE, Kind.NODE, Kind.IP_ADDRESS_POOL, Kind.L2_ADVERTISEMENT}
    ),
    Protocol.BGP: frozenset(
        {
            Kind.SERVICE,
            Kind.ENDPOINT_SLICE,
            Kind.NODE,
            Kind.IP_ADDRESS_POOL,
            Kind.BGP_ADVERTISEMENT,
            Kind.BGP_PEER,
        }
    ),
}
"""What must have been listed before a protocol decides anything: unknown is never empty."""


def needs(protocol: Protocol, snapshot: Snapshot) -> frozenset[Kind]:
    """Return the kinds a protocol decides on, with those that its objects refer to."""
    always = NEEDS[protocol]
    if protocol is Protocol.LAYER2:
        return always
    peers = [peer.spec for peer in snapshot.bgp_peers.values()]
    ads = [ad.spec for ad in snapshot.bgp_advertisements.values()]
    referred = {
        Kind.SECRET: any(peer.password_secret.name for peer in peers),
        Kind.BFD_PROFILE: any(peer.bfd_profile for peer in peers),
        Kind.COMMUNITY: any(":" not in each for ad in ads for each in ad.communities),
    }
    return always | {kind for kind, needed in referred.items() if needed}


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision that changed, and the one before it; None where there is none."""

    address: Address
    protocol: Protocol
    before: Decision | None
    after: Decision | None


class Deciding:
    """Decisions by protocol and address, and the routes made of them."""

    def __init__(self, own: Self) -> None:
        # Tuples throughout: a set of one takes four times as much, for each of all addresses.
        self._holders: dict[Address, tuple[ObjectName, ...]] = {}
        self._held: dict[ObjectName, tuple[Address, ...]] = {}
        self._ports: dict[ObjectName, int | None] = {}
        self.view = View(own, Snapshot(), Configuration(), self._holders, frozenset())
        self.sessions = Sessions()
        self.decisions: dict[tuple[Protocol, Address], Decision] = {}
        self._paths: dict[Prefix, dict[Address, tuple[Path, ...]]] = {}
        self._prefixes: dict[Address, tuple[Prefix, ...]] = {}
        self._dirty: dict[Address, None] = {}
        "In the order in which they became so."

    def started(self, protocol: Protocol) -> bool:
        """Tell whether everything the protocol decides on has been listed."""
        return not self.missing(protocol)

    def missing(self, protocol: Protocol) -> tuple[Kind, ...]:
        """Return the kinds the protocol still waits for."""
        lacking = needs(protocol, self.view.snapshot) - self.view.snapshot.listed
        return tuple(sorted(lacking, key=lambda kind: kind.value))

    @property
    def dirty(self) -> bool:
        """Whether `step` has anything to do."""
        return bool(self._dirty)

    def update(
        self, snapshot: Snapshot, configuration: Configuration, services: Iterable[ObjectName]
    ) -> None:
        """Take the cluster as it is now; `services` changed themselves or in their slices."""
        before = self.view
        after = replace(
            before, snapshot=snapshot, configuration=configuration, speakers=speakers(snapshot)
        )
        self.view = after
        for name in services:
            self._mark_service(name, snapshot.services.get(name))
        metallb = metallb_speaker(before.own, snapshot)
        if _everything(before, after) or metallb != self.sessions.waits_for:
            begun = self.sessions.peers
            self.sessions = sessions_of(configuration, after.node, waits_for=metallb, begun=begun)
            self.mark_all()

    def set_nics(self, nics: tuple[Nic, ...]) -> bool:
        """Know the node's NICs as wire sees them; tell whether that is news."""
        if nics == self.view.nics:
            return False
        self.view = replace(self.view, nics=nics)
        self.mark_all()
        return True

    def holders(self, address: Address) -> tuple[ObjectName, ...]:
        """Return the names of the Services that have the address."""
        return self._holders.get(address, ())

    def mark_all(self) -> None:
        """Decide every address again."""
        self._dirty |= dict.fromkeys(self._holders)

    def mark_ports(self, ports: Iterable[int]) -> None:
        """Decide the addresses again whose Services ask these health ports."""
        changed = set(ports)
        for name, port in self._ports.items():
            if port in changed:
                self._dirty |= dict.fromkeys(self._held.get(name, ()))

    def ports_of(self, services: Iterable[ObjectName]) -> frozenset[int]:
        """Return the health ports that these Services ask."""
        return frozenset(port for name in services if (port := self._ports.get(name)))

    def wanted_ports(self) -> frozenset[int]:
        """Return the health ports that matter: the node's, and those of Services open here."""
        found: set[int] = {NODE_PORT}
        for decision in self.decisions.values():
            for judged in decision.services:
                port = self._ports.get(judged.service)
                if port is not None and not judged.closed:
                    found.add(port)
        return frozenset(found)

    def step(
        self, verdicts: Verdicts | None, more: Callable[[], bool]
    ) -> tuple[list[Decided], set[Prefix]]:
        """Decide dirty addresses while `more`; return what changed, and prefixes to merge anew."""
        changed: list[Decided] = []
        prefixes: set[Prefix] = set()
        protocols = [protocol for protocol in Protocol if self.started(protocol)]
        while self._dirty and more():
            address = next(iter(self._dirty))
            del self._dirty[address]
            for protocol in protocols:
                changed += self._decide(protocol, address, verdicts, prefixes)
        return changed, prefixes

    def route(self, prefix: Prefix) -> RouteIntent | None:
        """Return the prefix's route as the decisions want it now."""
        return route(path for own in self._paths.get(prefix, {}).values() for path in own)

    def routes(self) -> list[RouteIntent]:
        """Return all routes."""
        found = (self.route(prefix) for prefix in self._paths)
        return [each for each in found if each is not None]

    def paths_of(self, address: Address) -> list[Path]:
        """Return the address's part in routes."""
        return [
            path
            for prefix in self._prefixes.get(address, ())
            for path in self._paths[prefix][address]
        ]

    def of(self, protocol: Protocol) -> list[Decision]:
        """Return the protocol's decisions by address."""
        own = [d for (of, _), d in self.decisions.items() if of is protocol]
        return sorted(own, key=lambda each: (each.address.version, int(each.address)))

    def _decide(
        self,
        protocol: Protocol,
        address: Address,
        verdicts: Verdicts | None,
        prefixes: set[Prefix],
    ) -> list[Decided]:
        before = self.decisions.get((protocol, address))
        after = decide_address(self.view, protocol, address, verdicts)
        if after is not None and protocol is Protocol.BGP:
            after = with_peers(after, self.sessions)
        if protocol is Protocol.BGP:
            prefixes |= self._set_paths(address, after)
        if after is None:
            self.decisions.pop((protocol, address), None)
        else:
            self.decisions[protocol, address] = after
        return [] if before == after else [Decided(address, protocol, before, after)]

    def _set_paths(self, address: Address, decision: Decision | None) -> frozenset[Prefix]:
        """Record the address's paths; return the prefixes concerned, before and after."""
        own: dict[Prefix, list[Path]] = {}
        for path in paths(decision, self.sessions) if decision is not None else ():
            own.setdefault(path.prefix, []).append(path)
        before = self._prefixes.pop(address, ())
        for prefix in before:
            del self._paths[prefix][address]
            if not self._paths[prefix]:
                del self._paths[prefix]
        for prefix, found in own.items():
            self._paths.setdefault(prefix, {})[address] = tuple(found)
        if own:
            self._prefixes[address] = tuple(own)
        return frozenset((*before, *own))

    def _mark_service(self, name: ObjectName, service: Service | None) -> None:
        if service is not None and service.type != LOAD_BALANCER:
            service = None
        before, after = self._held.get(name, ()), service.ingress if service is not None else ()
        for address in before:
            others = tuple(each for each in self._holders.pop(address, ()) if each != name)
            if others:
                self._holders[address] = others
        for address in dict.fromkeys(after):
            self._holders[address] = (*self._holders.get(address, ()), name)
        self._dirty |= dict.fromkeys((*before, *after))
        if service is None:
            self._held.pop(name, None)
            self._ports.pop(name, None)
        else:
            self._held[name] = after
            self._ports[name] = port_of(service)


def _everything(before: View, after: View) -> bool:
    """Tell whether something changed that every address's decision may read."""
    old, new = before.snapshot, after.snapshot
    return (
        before.configuration != after.configuration
        or before.speakers != after.speakers
        or old.listed != new.listed
        or old.nodes != new.nodes
        or old.l2_advertisements is not new.l2_advertisements
        or old.bgp_advertisements is not new.bgp_advertisements
    )
