"""Which objects are good: MetalLB's rules, with MetalLB's words, and what stays in force."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from kube.crds import BFDProfile, Community, IPAddressPool, parse_resource
from kube.faults import Fault, Reason
from kube.snapshot import Kind, Snapshot
from kube.validation import usable
from tests.builders import (
    HERALD,
    bgp_advertisement,
    bgp_peer,
    by_name,
    l2_advertisement,
    node,
    pool,
    resource,
)


def cluster(**maps: Any) -> Snapshot:
    """A snapshot of resources given in lists, everything listed."""
    indexed: dict[str, Any] = {
        key: by_name(*value) if isinstance(value, list) else value for key, value in maps.items()
    }
    return Snapshot(**indexed, listed=frozenset(Kind))


def faults_of(**maps: Any) -> tuple[Fault, ...]:
    return usable(cluster(**maps))[1]


def aged(text: str, year: int, *addresses: str) -> IPAddressPool:
    meta = {"name": text, "namespace": HERALD, "creationTimestamp": f"{year}-01-01T00:00:00Z"}
    return parse_resource(IPAddressPool, {"metadata": meta, "spec": {"addresses": [*addresses]}})


def only(faults: tuple[Fault, ...]) -> Fault:
    assert len(faults) == 1, [str(fault) for fault in faults]
    return faults[0]


def test_good_objects_have_no_faults_and_are_all_there() -> None:
    config, faults = usable(
        cluster(
            pools=[pool("a", "192.168.4.0/24", "fd00::/120")],
            l2_advertisements=[l2_advertisement()],
            bgp_advertisements=[bgp_advertisement(communities=["1:2", "large:1:2:3", "gold"])],
            bgp_peers=[bgp_peer(bfdProfile="fast", holdTime="9s")],
            bfd_profiles=[resource(BFDProfile, "fast", {"receiveInterval": 50})],
            communities=[
                resource(Community, "c", {"communities": [{"name": "gold", "value": "65000:7"}]})
            ],
        )
    )
    assert faults == ()
    assert config.pools[0].name == "a"
    assert config.l2[0].pools == {"a"}
    assert config.bgp[0].communities == ("1:2", "65000:7", "large:1:2:3")
    peer = config.peers[0]
    assert (peer.hold_time_s, peer.keepalive_s) == (9, 3)
    assert peer.bfd is not None
    assert (peer.bfd.receive_ms, peer.bfd.transmit_ms) == (50, 300)


@pytest.mark.parametrize(
    ("addresses", "words"),
    [
        pytest.param(["192.168.4.20-192.168.4.10"], "is after the end IP", id="backwards"),
        pytest.param(["192.168.4.10"], 'invalid CIDR "192.168.4.10"', id="single address"),
        pytest.param(["192.168.4.0/33"], "invalid CIDR", id="prefix too long"),
        pytest.param(["1.2.3.4-fe80::1"], "different families", id="mixed families"),
        pytest.param(["lots"], "invalid CIDR", id="words"),
        pytest.param([], "pool has no prefixes defined", id="empty"),
        pytest.param(
            ["10.0.0.0/24", "10.0.0.9-10.0.0.9"], "overlaps with already defined", id="with itself"
        ),
        pytest.param(
            ["10.0.0.8/31", "10.0.0.8/32"], "overlaps with already defined", id="with its start"
        ),
    ],
)
def test_bad_ranges_are_refused_and_other_pools_stay(addresses: list[str], words: str) -> None:
    config, faults = usable(cluster(pools=[pool("bad", *addresses), pool("good", "10.9.0.0/24")]))
    fault = only(faults)
    assert words in fault.text
    assert fault.field.startswith("spec.addresses")
    assert [p.name for p in config.pools] == ["good"]
    assert [p.name for p in config.refused_pools] == ["bad"]


def test_of_overlapping_pools_the_older_counts() -> None:
    config, faults = usable(
        cluster(pools=[aged("a", 2026, "10.0.0.0/24"), aged("b", 2025, "10.0.0.128/25")])
    )
    assert [p.name for p in config.pools] == ["b"]
    fault = only(faults)
    assert fault.name.name == "a"
    assert fault.reason is Reason.OVERLAP
    assert fault.text.startswith(
        '10.0.0.0/24 overlaps with already defined CIDR or range of pool "b"'
    )


def test_of_equally_old_pools_the_first_by_name_counts() -> None:
    config, _ = usable(cluster(pools=[pool("b", "10.0.0.0/24"), pool("a", "10.0.0.0/30")]))
    assert [p.name for p in config.pools] == ["a"]


def test_pool_that_is_edited_onto_another_keeps_its_last_good_ranges() -> None:
    before, _ = usable(
        cluster(pools=[aged("a", 2025, "10.0.0.0/24"), aged("b", 2026, "10.0.1.0/24")])
    )
    after, faults = usable(
        cluster(pools=[aged("a", 2025, "10.0.0.0/23"), aged("b", 2026, "10.0.1.0/24")]), before
    )
    assert after == before
    assert only(faults).name.name == "a"


def test_pool_that_becomes_unreadable_keeps_its_last_good_ranges() -> None:
    before, _ = usable(cluster(pools=[pool("a", "10.0.0.0/24")]))
    after, faults = usable(cluster(pools=[pool("a", "10.0.0.0/24", "nonsense")]), before)
    assert after.pools == before.pools
    assert after.refused_pools == ()
    assert len(faults) == 1


def test_new_pool_cannot_take_the_range_a_refused_one_still_uses() -> None:
    before, _ = usable(cluster(pools=[aged("a", 2025, "10.0.0.0/24")]))
    after, _ = usable(
        cluster(pools=[aged("a", 2025, "nonsense"), aged("b", 2020, "10.0.0.0/24")]), before
    )
    assert [(p.name, str(p.ranges[0])) for p in after.pools] == [("a", "10.0.0.0-10.0.0.255")]


def test_address_of_a_refused_pool_still_has_a_pool() -> None:
    config, _ = usable(cluster(pools=[pool("a", "10.0.0.0/24", "x"), pool("b", "10.1.0.0/24")]))
    first = config.refused_pools[0].ranges[0].first
    assert config.pool_of(first) == config.refused_pools[0]
    assert config.pool_of(config.pools[0].ranges[0].last) == config.pools[0]


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        pytest.param([{}, {}], "duplicate label selector", id="twice"),
        pytest.param(
            [
                {"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]},
                {"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]},
            ],
            "duplicate label selector",
            id="twice in another order",
        ),
        pytest.param(
            [{"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "x"]}]}],
            "duplicate values",
            id="value twice",
        ),
        pytest.param(
            [{"matchExpressions": [{"key": "a", "operator": "In"}]}], "needs values", id="no values"
        ),
        pytest.param(
            [{"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}],
            "takes no values",
            id="values without sense",
        ),
    ],
)
@pytest.mark.parametrize("field", ["nodeSelectors", "serviceSelectors", "ipAddressPoolSelectors"])
def test_selectors_that_cannot_be_meant_are_refused(
    field: str, selector: list[Mapping[str, Any]], words: str
) -> None:
    spec: dict[str, Any] = {field: selector}
    faults = faults_of(l2_advertisements=[l2_advertisement(**spec)])
    assert words in faults[0].text
    assert faults[0].field == f"spec.{field}"


def test_pools_are_chosen_by_name_and_by_label() -> None:
    pools = [
        pool("a", "10.0.0.0/24"),
        resource(IPAddressPool, "b", {"addresses": ["10.1.0.0/24"]}, zone="x"),
        pool("c", "10.2.0.0/24"),
    ]
    by_zone = [{"matchLabels": {"zone": "x"}}]
    ads = [l2_advertisement(ipAddressPools=["a"], ipAddressPoolSelectors=by_zone)]
    config, faults = usable(cluster(pools=pools, l2_advertisements=ads))
    assert config.l2[0].pools == {"a", "b"}
    assert faults == ()


def test_unknown_pool_is_advice_only() -> None:
    config, faults = usable(cluster(l2_advertisements=[l2_advertisement(ipAddressPools=["no"])]))
    assert only(faults).refused is False
    assert len(config.l2) == 1


def test_aggregation_more_specific_than_the_pool_has_metallbs_words() -> None:
    fault = only(
        faults_of(
            pools=[pool("p", "1.1.1.0/28")],
            bgp_advertisements=[bgp_advertisement(aggregationLength=26)],
        )
    )
    assert fault.text.startswith(
        "invalid aggregation length 26: prefix 28 in this pool is more specific than the "
        "aggregation length for addresses 1.1.1.0/28"
    )


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        pytest.param({}, {}, True, id="same prefixes"),
        pytest.param({"aggregationLength": 24}, {}, False, id="different lengths"),
        pytest.param({"peers": ["x"]}, {"peers": ["y"]}, False, id="different peers"),
        pytest.param({"peers": ["x"]}, {"peers": ["x", "y"]}, True, id="a peer in common"),
        pytest.param({"peers": ["x"]}, {}, True, id="all peers"),
        pytest.param({"ipAddressPools": ["other"]}, {}, False, id="different pools"),
        pytest.param(
            {"nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "n1"}}]},
            {"nodeSelectors": [{"matchLabels": {"kubernetes.io/hostname": "n2"}}]},
            False,
            id="different nodes",
        ),
        pytest.param({"serviceSelectors": [{}]}, {}, False, id="per service"),
    ],
)
def test_two_preferences_for_one_prefix_conflict(
    one: dict[str, Any], other: dict[str, Any], conflict: bool
) -> None:
    faults = faults_of(
        pools=[pool("p", "10.0.0.0/24")],
        nodes={name: node(name) for name in ("n1", "n2")},
        bgp_advertisements=[
            bgp_advertisement("a", localPref=100, **one),
            bgp_advertisement("b", localPref=200, **other),
        ],
    )
    refused = [fault for fault in faults if fault.refused]
    assert [f.reason for f in refused] == ([Reason.CONFLICT] if conflict else [])
    assert [f.name.name for f in refused] == (["b"] if conflict else [])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        pytest.param("99999:1", 'invalid community value: invalid section "99999"', id="too large"),
        pytest.param("a:1", "invalid community value: invalid section", id="letters"),
        pytest.param("1:2:3", "expected community to be of format large", id="large unmarked"),
        pytest.param("large:1:2", "expected community to be of format large", id="large too short"),
    ],
)
def test_bad_communities_have_metallbs_words(value: str, words: str) -> None:
    fault = only(faults_of(bgp_advertisements=[bgp_advertisement(communities=[value])]))
    assert words in fault.text
    alias = resource(Community, "c", {"communities": [{"name": "x", "value": value}]})
    assert words in only(faults_of(communities=[alias])).text


def test_alias_defined_twice_counts_once() -> None:
    first = resource(Community, "a", {"communities": [{"name": "x", "value": "1:1"}]})
    second = resource(Community, "b", {"communities": [{"name": "x", "value": "2:2"}]})
    config, faults = usable(
        cluster(
            communities=[first, second], bgp_advertisements=[bgp_advertisement(communities=["x"])]
        )
    )
    assert config.bgp[0].communities == ("1:1",)
    assert 'duplicate definition of community "x"' in only(faults).text


def test_alias_that_vanishes_leaves_the_advertisement_as_it_was() -> None:
    alias = resource(Community, "a", {"communities": [{"name": "x", "value": "1:1"}]})
    ads = [bgp_advertisement(communities=["x"])]
    before, _ = usable(cluster(communities=[alias], bgp_advertisements=ads))
    after, faults = usable(cluster(bgp_advertisements=ads), before)
    assert after.bgp == before.bgp
    assert only(faults).reason is Reason.UNKNOWN_REFERENCE


def test_service_selectors_and_aggregation_exclude_each_other() -> None:
    ad = bgp_advertisement(aggregationLength=24, serviceSelectors=[{}])
    fault = only(faults_of(bgp_advertisements=[ad]))
    assert "serviceSelectors and aggregationLength are mutually exclusive" in fault.text


def test_preferred_nodes_are_refused_with_their_reason() -> None:
    ad = l2_advertisement(preferredNodeSelectors=[{"weight": 1, "preference": {}}])
    fault = only(faults_of(l2_advertisements=[ad]))
    assert fault.reason is Reason.UNSUPPORTED


def test_faults_come_in_one_order_whatever_the_order_of_objects() -> None:
    bad = [pool("b", "x"), pool("a", "y"), pool("c", "z", "w")]
    assert faults_of(pools=bad) == faults_of(pools=bad[::-1])


def test_a_peer_named_that_is_not_there_is_advice_once_the_peers_are_known() -> None:
    ads = [bgp_advertisement(peers=["router", "roter"])]
    known = cluster(bgp_advertisements=ads, bgp_peers=[bgp_peer("router")])
    fault = only(usable(known)[1])

    assert (fault.field, fault.reason) == ("spec.peers", Reason.UNKNOWN_REFERENCE)
    assert 'unknown peer "roter"' in fault.text
    assert not fault.refused
    unlisted = replace(known, listed=known.listed - {Kind.BGP_PEER})
    assert not usable(unlisted)[1]
