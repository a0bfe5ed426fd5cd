"""Which faults concern some Services: those of their pools, advertisements, peers and addresses.

The others are for `herald status`. In doubt a fault counts: an object that can't be read may be the
one that was meant for them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from controller.explain import Explanation
from controller.outcome import Assigned, Pending
from herald.trace import AddressTrace, Json
from herald.troubles import Trouble
from kube.crds import AdvertisementSpec, BGPAdvertisement, L2Advertisement
from kube.objects import Service
from kube.selectors import any_matches
from kube.snapshot import Kind, Snapshot

ADVERTISEMENTS = {"layer2": Kind.L2_ADVERTISEMENT, "bgp": Kind.BGP_ADVERTISEMENT}


@dataclass(frozen=True, slots=True)
class Scope:
    """What concerns the Services."""

    objects: frozenset[tuple[Kind, str]]
    "By plain name."
    kinds: frozenset[Kind]
    "Kinds of which every object does, but those apart."
    apart: frozenset[tuple[Kind, str]]
    topics: frozenset[str]
    "Addresses and peers."

    def has(self, fault: Json) -> bool:
        """Tell whether a fault of the configuration concerns them."""
        kind, _, name = fault["object"].partition(" ")
        key = (Kind(kind), name.rpartition("/")[2])
        return key in self.objects or (key[0] in self.kinds and key not in self.apart)

    def touches(self, trouble: Trouble) -> bool:
        """Tell whether a node's trouble concerns them: what is wrong with a whole node does."""
        return not trouble.about or trouble.about in self.topics


def scope_of(
    snapshot: Snapshot,
    services: Iterable[Service],
    explained: Iterable[Explanation],
    traces: Iterable[AddressTrace],
) -> Scope:
    """Return what concerns the Services."""
    traces, services = tuple(traces), tuple(services)
    pools = {each.pool for each in traces if each.nodes} | _pools_asked_for(services, explained)
    wanted = {each.protocol for each in traces if each.wanted}
    objects = {(Kind.IP_ADDRESS_POOL, name) for name in pools}
    kinds = set(ADVERTISEMENTS.values())
    # Any pool may be the one that was meant for what no pool holds.
    if any(not each.ingress for each in services) or "" in pools:
        kinds.add(Kind.IP_ADDRESS_POOL)
    named = _peers(snapshot, pools) if "bgp" in wanted else frozenset()
    if "bgp" in wanted:
        kinds |= {Kind.BFD_PROFILE, Kind.COMMUNITY} | (set() if named else {Kind.BGP_PEER})
    objects |= {(Kind.BGP_PEER, name) for name in named}
    addresses = {each.address for each in traces}
    peers = {peer for each in traces for peer in each.peers}
    return Scope(
        frozenset(objects),
        frozenset(kinds),
        frozenset(_apart(snapshot, pools, wanted)),
        frozenset(addresses | peers),
    )


def _pools_asked_for(services: Iterable[Service], explained: Iterable[Explanation]) -> set[str]:
    found = {each.annotation("address-pool") or "" for each in services}
    for each in explained:
        match each.outcome:
            case Assigned(pool=name):
                found.add(name)
            case Pending(object=name) if name.startswith("IPAddressPool "):
                found.add(name.partition(" ")[2])
    return found - {""}


def _peers(snapshot: Snapshot, pools: set[str]) -> frozenset[str]:
    """Return the peers that all advertisements of the pools name, nothing when one is for all."""
    ads = [e for e in snapshot.bgp_advertisements.values() if _covers(snapshot, e.spec, pools)]
    if any(not each.spec.peers for each in ads):
        return frozenset()
    return frozenset(peer for each in ads for peer in each.spec.peers)


def _apart(snapshot: Snapshot, pools: set[str], wanted: set[str]) -> Iterable[tuple[Kind, str]]:
    """Yield the advertisements that are for other pools.

    Where nobody announces by a protocol, one with a pool that is not there may have meant these.
    """
    known = {name.name for name in snapshot.pools}
    ads: dict[str, Iterable[L2Advertisement | BGPAdvertisement]] = {
        "layer2": snapshot.l2_advertisements.values(),
        "bgp": snapshot.bgp_advertisements.values(),
    }
    for protocol, objects in ads.items():
        for each in objects:
            mistaken = protocol not in wanted and not known.issuperset(each.spec.ip_address_pools)
            if not mistaken and not _covers(snapshot, each.spec, pools):
                yield ADVERTISEMENTS[protocol], each.name.name


def _covers(snapshot: Snapshot, spec: AdvertisementSpec, pools: set[str]) -> bool:
    if not spec.ip_address_pools and not spec.ip_address_pool_selectors:
        return True
    return not pools.isdisjoint(spec.ip_address_pools) or any(
        any_matches(spec.ip_address_pool_selectors, each.metadata.labels)
        for each in snapshot.pools.values()
        if each.name.name in pools
    )
