"""What is refused before it is stored, in MetalLB's words, and what is not."""

from dataclasses import replace
from typing import Any

import pytest

from controller.admission.judgement import Standing, judge, standing_of
from controller.admission.review import Judgement, parse_review
from kube.crds import BFDProfile, Community, Resource
from kube.snapshot import Kind, Snapshot
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
from tests.controller.admission.reviews import body, review, stored, written


def cluster(**maps: Any) -> Standing:
    """The standing of resources given in lists, everything listed."""
    indexed: dict[str, Any] = {
        key: by_name(*value) if isinstance(value, list) else value for key, value in maps.items()
    }
    return standing_of(Snapshot(**indexed, listed=frozenset(Kind) - {Kind.SECRET}))


def aliases(name: str, **values: str) -> Resource:
    pairs = [{"name": alias, "value": value} for alias, value in values.items()]
    return resource(Community, name, {"communities": pairs})


def profile(name: str) -> Resource:
    return resource(BFDProfile, name, {})


def asked(
    operation: str, standing: Standing, obj: dict[str, Any] | None, old: dict[str, Any] | None
) -> Judgement:
    return judge(parse_review(body(review(operation, obj, old))), standing, HERALD)


def create(standing: Standing, kind: str, new: Resource) -> Judgement:
    return asked("CREATE", standing, stored(kind, new), None)


def update(standing: Standing, kind: str, new: Resource, old: Resource) -> Judgement:
    return asked("UPDATE", standing, stored(kind, new), stored(kind, old))


def delete(standing: Standing, kind: str, old: Resource) -> Judgement:
    return asked("DELETE", standing, None, stored(kind, old))


POOLS = cluster(pools=[pool("first", "1.1.1.0/28")])
PEERS = cluster(
    bgp_peers=[bgp_peer("there", nodeSelectors=[{"matchLabels": {"rack": "a"}}])],
    nodes={"n1": node("n1", {"rack": "a"}), "n2": node("n2", {"rack": "b"})},
)
RACK_A, RACK_B = ([{"matchLabels": {"rack": rack}}] for rack in "ab")
NAMED = cluster(communities=[aliases("there", gold="65000:1", silver="large:1:2:3")])


@pytest.mark.parametrize(
    ("standing", "kind", "new", "phrase"),
    [
        pytest.param(
            POOLS, "IPAddressPool", pool("a", "1.1.1.8-1.1.1.40"),
            "overlaps with already defined CIDR", id="overlapping pools",
        ),
        pytest.param(
            POOLS, "IPAddressPool", pool("a", "1.1.2.9-1.1.2.8"), "invalid", id="range",
        ),
        pytest.param(
            POOLS, "BGPAdvertisement", bgp_advertisement(aggregationLength=26),
            "invalid aggregation length 26: prefix 28 in this pool is more specific than the "
            "aggregation length for addresses 1.1.1.0/28", id="aggregation",
        ),
        pytest.param(
            POOLS, "BGPAdvertisement",
            bgp_advertisement(aggregationLength=30, serviceSelectors=RACK_A),
            "serviceSelectors and aggregationLength are mutually exclusive", id="exclusive",
        ),
        pytest.param(
            cluster(
                pools=[pool("first", "1.1.1.0/28")],
                bgp_advertisements=[bgp_advertisement("there", localPref=100)],
            ),
            "BGPAdvertisement", bgp_advertisement("other", localPref=200),
            "invalid local preference", id="advertisements in conflict",
        ),
        pytest.param(
            PEERS, "BGPPeer", bgp_peer("a", peerAddress="1.1.1.300"),
            "invalid BGPPeer address", id="peer's address",
        ),
        pytest.param(
            PEERS, "BGPPeer", bgp_peer("a", nodeSelectors=RACK_A), "already exists",
            id="peers in conflict",
        ),
        pytest.param(
            PEERS, "BGPPeer",
            bgp_peer("a", bfdProfile="later", passwordSecret={"name": "later"}),
            "already exists", id="peers in conflict whose references are missing",
        ),
        pytest.param(
            PEERS, "BGPPeer", bgp_peer("a", peerAddress="1.1.1.1", vrf="red"),
            "spec.vrf: vrf is not supported", id="field that is refused",
        ),
        pytest.param(
            NAMED, "Community", aliases("a", x="99999999:1"),
            "invalid community value: invalid section", id="community",
        ),
        pytest.param(
            NAMED, "Community", aliases("a", x="1:2:3"),
            "expected community to be of format large", id="large community",
        ),
        pytest.param(
            NAMED, "Community", aliases("a", gold="65000:2"),
            "duplicate definition of community", id="duplicate community",
        ),
        pytest.param(
            NAMED, "Community", aliases("a", silver="large:4:5:6"),
            "duplicate definition of community", id="duplicate large community",
        ),
        pytest.param(
            POOLS, "L2Advertisement", l2_advertisement("a", ipAddressPools=["first", "first"]),
            "duplicate definition", id="pool named twice",
        ),
        pytest.param(
            POOLS, "BFDProfile", resource(BFDProfile, "a", {"echoMode": True}),
            "echo mode is not supported", id="echo mode",
        ),
    ],
)  # fmt: skip
def test_refused_with_metallbs_words(
    standing: Standing, kind: str, new: Resource, phrase: str
) -> None:
    judgement = create(standing, kind, new)
    assert phrase in "; ".join(judgement.sentences)


@pytest.mark.parametrize(
    ("standing", "kind", "new"),
    [
        pytest.param(POOLS, "IPAddressPool", pool("a", "1.1.1.16/28"), id="pool beside pool"),
        pytest.param(PEERS, "BGPPeer", bgp_peer("a", nodeSelectors=RACK_B), id="other nodes"),
        pytest.param(NAMED, "Community", aliases("a", bronze="65000:1"), id="other alias"),
        pytest.param(POOLS, "L2Advertisement", l2_advertisement(), id="all pools"),
    ],
)
def test_good_objects_are_taken(standing: Standing, kind: str, new: Resource) -> None:
    assert create(standing, kind, new) == Judgement()


@pytest.mark.parametrize(
    ("kind", "new", "word"),
    [
        pytest.param("BGPPeer", bgp_peer("a", bfdProfile="later"), "bfd profile", id="profile"),
        pytest.param(
            "BGPAdvertisement", bgp_advertisement(communities=["later"]), "unknown community",
            id="community",
        ),
        pytest.param(
            "L2Advertisement", l2_advertisement(ipAddressPools=["later"]), "unknown pool",
            id="pool",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_yet_is_a_warning(kind: str, new: Resource, word: str) -> None:
    judgement = create(cluster(), kind, new)
    assert judgement.allowed
    (warning,) = judgement.warnings
    assert word in warning


@pytest.mark.parametrize(
    "kind",
    ["IPAddressPool", "L2Advertisement", "BGPAdvertisement", "BGPPeer", "BFDProfile", "Community"],
)
def test_other_namespaces_are_refused_on_creation_only(kind: str) -> None:
    there = written(kind, "a", {}, namespace="default")
    (text,) = asked("CREATE", cluster(), there, None).sentences
    assert text == "resource must be created in metallb-system namespace"
    assert asked("UPDATE", cluster(), there, there).warnings
    assert asked("DELETE", cluster(), None, there) == Judgement()


def test_pool_that_would_break_an_advertisement_is_refused_for_that() -> None:
    before = pool("first", "1.1.1.0/24")
    standing = cluster(
        pools=[before], bgp_advertisements=[bgp_advertisement("wide", aggregationLength=24)]
    )
    (text,) = update(standing, "IPAddressPool", pool("first", "1.1.1.0/28"), before).sentences
    assert text.startswith("this would break BGPAdvertisement metallb-system/wide")
    assert "invalid aggregation length 24" in text


def test_what_is_broken_already_stops_nothing_else() -> None:
    standing = cluster(pools=[pool("bad", "nonsense"), pool("first", "1.1.1.0/28")])
    assert create(standing, "IPAddressPool", pool("a", "1.1.2.0/28")) == Judgement()


def test_bad_object_may_be_mended_and_labelled_but_not_changed_into_another_bad_one() -> None:
    bad = pool("bad", "nonsense")
    standing = cluster(pools=[bad])
    labelled = stored("IPAddressPool", bad)
    labelled["metadata"] |= {"labels": {"mended": "soon"}}
    assert asked("UPDATE", standing, labelled, stored("IPAddressPool", bad)).allowed
    assert update(standing, "IPAddressPool", pool("bad", "1.1.1.0/28"), bad).allowed
    assert not update(standing, "IPAddressPool", pool("bad", "rubbish"), bad).allowed


def test_object_that_waits_for_its_finalizers_may_lose_them() -> None:
    ending = written(
        "IPAddressPool", "bad", {"addresses": ["nonsense"]},
        deletionTimestamp="2026-01-01T00:00:00Z",
    )  # fmt: skip
    assert asked("UPDATE", cluster(), ending, ending) == Judgement()


def test_what_does_not_fit_its_schema_is_refused_by_field() -> None:
    odd = written("IPAddressPool", "a", {"addresses": "192.0.2.0/24"})
    (text,) = asked("CREATE", cluster(), odd, None).sentences
    assert "spec.addresses" in text


def test_profile_in_use_cannot_be_deleted() -> None:
    standing = cluster(bgp_peers=[bgp_peer("r", bfdProfile="fast")], bfd_profiles=[profile("fast")])
    (text,) = delete(standing, "BFDProfile", profile("fast")).sentences
    assert text.startswith('failed to delete BFDProfile fast: used by BGPPeer "r"')
    assert delete(standing, "BFDProfile", profile("slow")) == Judgement()
    assert delete(standing, "BGPPeer", bgp_peer("r")) == Judgement()


def test_profile_may_go_with_a_warning_while_peers_are_not_known() -> None:
    unknown = replace(cluster().snapshot, listed=frozenset())
    judgement = delete(standing_of(unknown), "BFDProfile", profile("fast"))
    assert judgement.allowed
    assert judgement.warnings


def test_alias_that_is_taken_away_is_a_warning_about_its_users() -> None:
    before = aliases("there", gold="65000:1")
    standing = cluster(
        communities=[before], bgp_advertisements=[bgp_advertisement("user", communities=["gold"])]
    )
    judgement = update(standing, "Community", aliases("there"), before)
    assert judgement.allowed
    (warning,) = judgement.warnings
    assert "BGPAdvertisement metallb-system/user" in warning


def test_pool_in_force_wins_over_an_older_one_that_grows_into_it() -> None:
    older, younger = pool("older", "1.1.1.0/28"), pool("younger", "1.1.1.16/28")
    standing = cluster(pools=[older, younger])
    (text,) = update(standing, "IPAddressPool", pool("older", "1.1.1.0/27"), older).sentences
    assert 'overlaps with already defined CIDR or range of pool "younger"' in text
