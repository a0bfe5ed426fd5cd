"""From BGP decisions to prefixes: aggregation, peers, attributes.

One address gives a `Path` for each advertisement and peer; all paths of a prefix, from whatever
address, are merged into one RouteIntent. Towards one peer the communities of all paths are
joined. Where their local preferences contradict each other, the first advertisement by name
counts and the others are reported: traffic is not cut off over a preference.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_network

from kube.configuration import BGPAd
from kube.objects import Address
from speaker.policy.decide import Decision
from speaker.policy.gates import Gate, Withheld
from speaker.policy.peers import Sessions
from speaker.seam.messages import Prefix, RouteIntent, RouteVariant


@dataclass(frozen=True, slots=True)
class Path:
    """A prefix towards one peer, as one advertisement wants it."""

    prefix: Prefix
    peer: str
    advertisement: str
    communities: tuple[str, ...]
    local_pref: int
    de_preferred: bool
    may_begin: bool


def with_peers(decision: Decision, sessions: Sessions) -> Decision:
    """Return the decision with the gate of the peers, and with what is contradictory reported."""
    if decision.closed:
        return decision
    found = paths(decision, sessions)
    if not found:
        return replace(decision, closed=(_no_peer(decision, sessions),))
    return replace(decision, reported=tuple(_contradictions(found)))


def paths(decision: Decision, sessions: Sessions) -> list[Path]:
    """Return the paths of an address that may be announced."""
    if decision.closed:
        return []
    return [
        Path(
            prefix=prefix_of(ad, decision.address),
            peer=peer,
            advertisement=ad.name,
            communities=ad.communities,
            local_pref=ad.local_pref,
            de_preferred=decision.de_preferred is not None,
            may_begin=decision.may_begin,
        )
        for ad in decision.advertisements
        if isinstance(ad, BGPAd)
        for peer in _peers(ad, sessions)
    ]


def prefix_of(ad: BGPAd, address: Address) -> Prefix:
    """Return the prefix that the advertisement makes of the address."""
    length = ad.aggregation_length if address.version == 4 else ad.aggregation_length_v6
    return ip_network((address, length), strict=False)


def route(found: Iterable[Path]) -> RouteIntent | None:
    """Merge all paths of one prefix; None when there is none."""
    ordered = sorted(found, key=lambda each: (each.peer, each.advertisement))
    if not ordered:
        return None
    by_peer: dict[str, list[Path]] = {}
    for path in ordered:
        by_peer.setdefault(path.peer, []).append(path)
    groups: dict[tuple[tuple[str, ...], int], list[str]] = {}
    for peer, own in by_peer.items():
        groups.setdefault(_attributes(own), []).append(peer)
    variants = [
        RouteVariant(tuple(peers), communities, local_pref)
        for (communities, local_pref), peers in groups.items()
    ]
    first = variants[0]
    return RouteIntent(
        prefix=ordered[0].prefix,
        peers=first.peers,
        communities=first.communities,
        local_pref=first.local_pref,
        # One address that is served well is reason enough for the whole prefix.
        de_preferred=all(path.de_preferred for path in ordered),
        may_begin=any(path.may_begin for path in ordered),
        variants=tuple(variants[1:]),
    )


def _attributes(own: list[Path]) -> tuple[tuple[str, ...], int]:
    communities = sorted({community for path in own for community in path.communities})
    return tuple(communities), own[0].local_pref


def _peers(ad: BGPAd, sessions: Sessions) -> list[str]:
    # A session carries both families, so the peer's own family is no matter here.
    return [name for name in sessions.peers if not ad.peers or name in ad.peers]


def _no_peer(decision: Decision, sessions: Sessions) -> Withheld:
    ads = [ad for ad in decision.advertisements if isinstance(ad, BGPAd)]
    if any(not ad.peers or name in ad.peers for ad in ads for name in sessions.waiting):
        return Withheld(
            Gate.PEER,
            f"Pod {sessions.waits_for}",
            "status.conditions[Ready]",
            "MetalLB's speaker on this node has its sessions with the routers: Herald's begin when "
            "it stops, or at once with --beside-metallb=ignore",
        )
    there = (*sessions.peers, *sessions.waiting)
    if not there:
        return Withheld(
            Gate.PEER,
            "BGPPeer",
            "spec.nodeSelectors",
            "no BGPPeer that is in order selects this node: create one or change its selectors",
        )
    names = ", ".join(ad.name for ad in decision.advertisements)
    return Withheld(
        Gate.PEER,
        f"BGPAdvertisement {names}",
        "spec.peers",
        "none of the peers it names has a session with this node: name one of " + ", ".join(there),
    )


def _contradictions(found: list[Path]) -> Iterable[Withheld]:
    first: dict[tuple[Prefix, str], Path] = {}
    for path in sorted(found, key=lambda each: (each.peer, each.advertisement)):
        before = first.setdefault((path.prefix, path.peer), path)
        if before.local_pref != path.local_pref:
            yield Withheld(
                Gate.CONSISTENT,
                f"BGPAdvertisement {path.advertisement}",
                "spec.localPref",
                f"it gives {path.prefix} the preference {path.local_pref} towards {path.peer}, "
                f"{before.advertisement} gives {before.local_pref}, which is used: make them equal",
            )
