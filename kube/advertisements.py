"""From L2Advertisements and BGPAdvertisements to good ones with their pools resolved."""

from collections.abc import Iterable, Mapping
from ipaddress import summarize_address_range

from kube.checks import Findings, by_age, check_duplicates, check_selectors
from kube.communities import CommunityError, is_alias, parse_community
from kube.configuration import BGPAd, L2Ad, Pool
from kube.crds import AdvertisementSpec, BGPAdvertisement, L2Advertisement
from kube.faults import Reason
from kube.objects import Node, ObjectName
from kube.ranges import AddressRange
from kube.selectors import LabelSelector, any_matches

PREFERRED_REFUSED = (
    "preferredNodeSelectors are not supported yet: remove them; nodes are then chosen by hash"
)


def usable_l2(
    objects: Iterable[L2Advertisement],
    pools: tuple[Pool, ...],
    previous: tuple[L2Ad, ...],
    findings: Findings,
) -> tuple[L2Ad, ...]:
    """Return the good L2 advertisements by name, and the last good version of refused ones."""
    good = {ad.name: ad for ad in previous}
    found = []
    for obj in objects:
        spec, name = obj.spec, obj.name
        covered = _covered(spec, name, pools, findings)
        if spec.preferred_node_selectors:
            findings.refuse(
                name, "spec.preferredNodeSelectors", PREFERRED_REFUSED, Reason.UNSUPPORTED
            )
        ad = L2Ad(
            name=name.name,
            pools=covered,
            node_selectors=spec.node_selectors,
            service_selectors=spec.service_selectors,
            interfaces=tuple(sorted(set(spec.interfaces))),
            preferred_node_selectors=spec.preferred_node_selectors,
        )
        kept = good.get(ad.name) if findings.refused(name) else ad
        if kept is not None:
            found.append(kept)
    return tuple(sorted(found, key=lambda each: each.name))


def usable_bgp(
    objects: Iterable[BGPAdvertisement],
    pools: tuple[Pool, ...],
    aliases: Mapping[str, str],
    nodes: Mapping[str, Node],
    previous: tuple[BGPAd, ...],
    findings: Findings,
) -> tuple[BGPAd, ...]:
    """Return the good BGP advertisements by name, and the last good version of refused ones."""
    last_good = {ad.name: ad for ad in previous}
    good: list[BGPAd] = []
    parsed = [(each.name, _bgp(each, pools, aliases, findings)) for each in by_age(objects)]
    parsed.sort(key=lambda entry: 0 if last_good.get(entry[1].name) == entry[1] else 1)
    for name, ad in parsed:
        if not findings.refused(name):
            _check_local_pref(name, ad, good, pools, nodes, findings)
        kept = last_good.get(ad.name) if findings.refused(name) else ad
        if kept is not None:
            good.append(kept)
    return tuple(sorted(good, key=lambda each: each.name))


def advise_unknown_peers(
    objects: Iterable[BGPAdvertisement], peers: frozenset[str], findings: Findings
) -> None:
    """Tell of each peer that an advertisement names and that is not there."""
    for obj in objects:
        for text in dict.fromkeys(obj.spec.peers):
            if text not in peers:
                findings.advise(
                    obj.name,
                    "spec.peers",
                    f'unknown peer "{text}": nothing is announced to it',
                    Reason.UNKNOWN_REFERENCE,
                )


def share_node(
    one: tuple[LabelSelector, ...], other: tuple[LabelSelector, ...], nodes: Mapping[str, Node]
) -> bool:
    """Tell whether both may select one node; without knowledge of nodes they may."""
    if not nodes or not one or not other:
        return True
    return any(
        any_matches(one, node.labels) and any_matches(other, node.labels) for node in nodes.values()
    )


def _covered(
    spec: AdvertisementSpec, name: ObjectName, pools: tuple[Pool, ...], findings: Findings
) -> frozenset[str]:
    check_duplicates(findings, name, "spec.ipAddressPools", spec.ip_address_pools)
    check_selectors(
        findings,
        name,
        {
            "spec.ipAddressPoolSelectors": spec.ip_address_pool_selectors,
            "spec.nodeSelectors": spec.node_selectors,
            "spec.serviceSelectors": spec.service_selectors,
        },
    )
    known = {pool.name for pool in pools}
    for text in spec.ip_address_pools:
        if text not in known:
            findings.advise(
                name,
                "spec.ipAddressPools",
                f'unknown pool "{text}": nothing is announced for it',
                Reason.UNKNOWN_REFERENCE,
            )
    if not spec.ip_address_pools and not spec.ip_address_pool_selectors:
        return frozenset(known)
    selected = {p.name for p in pools if any_matches(spec.ip_address_pool_selectors, p.labels)}
    return frozenset(known & set(spec.ip_address_pools)) | selected


def _bgp(
    obj: BGPAdvertisement,
    pools: tuple[Pool, ...],
    aliases: Mapping[str, str],
    findings: Findings,
) -> BGPAd:
    spec, name = obj.spec, obj.name
    covered = _covered(spec, name, pools, findings)
    check_duplicates(findings, name, "spec.peers", spec.peers)
    check_duplicates(findings, name, "spec.communities", spec.communities)
    communities = {_community(text, name, aliases, findings) for text in spec.communities}
    lengths = (spec.aggregation_length, spec.aggregation_length_v6)
    if spec.service_selectors and lengths != (32, 128):
        findings.refuse(
            name,
            "spec.serviceSelectors",
            "serviceSelectors and aggregationLength are mutually exclusive: an aggregate covers "
            "other Services too",
            Reason.EXCLUSIVE,
        )
    for pool in pools:
        if pool.name in covered:
            _check_aggregation(name, pool, lengths, findings)
    return BGPAd(
        name=name.name,
        pools=covered,
        node_selectors=spec.node_selectors,
        service_selectors=spec.service_selectors,
        aggregation_length=spec.aggregation_length,
        aggregation_length_v6=spec.aggregation_length_v6,
        local_pref=spec.local_pref,
        communities=tuple(sorted(filter(None, communities))),
        peers=frozenset(spec.peers),
    )


def _community(
    text: str, name: ObjectName, aliases: Mapping[str, str], findings: Findings
) -> str | None:
    if is_alias(text):
        if text not in aliases:
            findings.refuse(
                name,
                "spec.communities",
                f'unknown community "{text}": define it in a Community object or write a:b',
                Reason.UNKNOWN_REFERENCE,
            )
        return aliases.get(text)
    try:
        return parse_community(text)
    except CommunityError as error:
        findings.refuse(name, "spec.communities", str(error), Reason.BAD_VALUE)
        return None


def _check_aggregation(
    name: ObjectName, pool: Pool, lengths: tuple[int, int], findings: Findings
) -> None:
    for range_ in pool.ranges:
        length = lengths[0] if range_.version == 4 else lengths[1]
        shortest = _shortest_prefix(range_)
        if shortest > length:
            field = "aggregationLength" if range_.version == 4 else "aggregationLengthV6"
            findings.refuse(
                name,
                f"spec.{field}",
                f"invalid aggregation length {length}: prefix {shortest} in this pool is more "
                f"specific than the aggregation length for addresses {range_.spelled()} of pool "
                f'"{pool.name}"',
                Reason.AGGREGATION,
            )


def _shortest_prefix(range_: AddressRange) -> int:
    """Return the shortest prefix length among the CIDRs that make up the range."""
    # The largest aligned block decides, as in MetalLB: one compatible CIDR is enough.
    cidrs = summarize_address_range(range_.first, range_.last)
    return min(cidr.prefixlen for cidr in cidrs)


def _check_local_pref(
    name: ObjectName,
    ad: BGPAd,
    others: Iterable[BGPAd],
    pools: tuple[Pool, ...],
    nodes: Mapping[str, Node],
    findings: Findings,
) -> None:
    for other in others:
        pool = _contested(ad, other, pools)
        if pool is None or not share_node(ad.node_selectors, other.node_selectors, nodes):
            continue
        findings.refuse(
            name,
            "spec.localPref",
            f"invalid local preference {ad.local_pref}: local preference {other.local_pref} was "
            f'already set for pool "{pool}" by BGPAdvertisement "{other.name}"',
            Reason.CONFLICT,
        )
        return


def _contested(one: BGPAd, other: BGPAd, pools: tuple[Pool, ...]) -> str | None:
    """Return a pool for whose addresses the two give one prefix different preferences."""
    if one.local_pref == other.local_pref or one.service_selectors or other.service_selectors:
        return None
    if one.peers and other.peers and not one.peers & other.peers:
        return None
    for pool in pools:
        if pool.name not in one.pools or pool.name not in other.pools:
            continue
        same = {
            4: one.aggregation_length == other.aggregation_length,
            6: one.aggregation_length_v6 == other.aggregation_length_v6,
        }
        if any(same[range_.version] for range_ in pool.ranges):
            return pool.name
    return None
