"""What keeps namespaces apart: fences, quotas, consent to share; and nodes' own addresses."""

from collections.abc import Mapping

import pytest

from controller.outcome import Assigned, Cause, Reason
from controller.patches import MAX_MESSAGE
from tests.builders import node, pool, service
from tests.controller.cluster import Cluster, addresses
from tests.controller.steps import DUAL, V4, V6, svc

OPEN = pool("open", "192.0.2.0/24", "fd00::/120")


def fenced(**fence: object) -> Cluster:
    return Cluster(pool("fenced", "192.0.2.0/24", serviceAllocation=fence))


@pytest.mark.parametrize(
    "wishes",
    [
        pytest.param({}, id="automatic"),
        pytest.param({"pool": "fenced"}, id="pool by name"),
        pytest.param({"ips": "192.0.2.7"}, id="address by number"),
    ],
)
def test_namespace_selector_that_matches_nothing_lets_nobody_in(wishes: dict[str, str]) -> None:
    cluster = fenced(namespaceSelectors=[{"matchLabels": {"team": "nobody"}}])
    cluster.put(service("a", **svc("a", **wishes))).settle()

    assert cluster.addresses("a") == ()
    assert cluster.pending("a").reason in {Reason.NO_POOL_ADMITS, Reason.POOL_NOT_FOR_SERVICE}


@pytest.mark.parametrize(
    ("where", "labels", "inside"),
    [
        pytest.param("team/a", {"tier": "gold"}, True, id="namespace and label"),
        pytest.param("team/a", {}, False, id="no label"),
        pytest.param("team/a", {"tier": "lead"}, False, id="another label"),
        pytest.param("a", {"tier": "gold"}, False, id="another namespace"),
    ],
)
@pytest.mark.parametrize(
    "of", [{"namespaces": ["team"]}, {"namespaceSelectors": [{"matchLabels": {"of": "team"}}]}]
)
def test_automatic_choice_needs_all_that_a_fence_names(
    of: dict[str, object], where: str, labels: dict[str, str], inside: bool
) -> None:
    cluster = fenced(serviceSelectors=[{"matchLabels": {"tier": "gold"}}], **of)
    cluster.label_namespace("team", of="team").put(service(where, labels=labels)).run()

    assert cluster.addresses(where) == (("192.0.2.0",) if inside else ())


def test_namespace_that_gains_the_label_is_let_in() -> None:
    cluster = fenced(namespaceSelectors=[{"matchLabels": {"team": "x"}}])
    cluster.put(service("a")).run()
    assert cluster.addresses("a") == ()

    cluster.label_namespace("default", team="x").run()

    assert cluster.addresses("a") == ("192.0.2.0",)


def sharing(key: str = "k", port: str = "TCP/80", consent: str = "") -> Mapping[str, object]:
    consents = {"herald.io/share-with-namespaces": consent} if consent else {}
    return svc("s", key=key, ports=[port], ips="192.0.2.7", annotations=consents)


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        pytest.param("", "", False, id="neither consents"),
        pytest.param("blue", "", False, id="only the holder"),
        pytest.param("", "red", False, id="only who comes"),
        pytest.param("blue", "red", True, id="both by name"),
        pytest.param("*", "green, red", True, id="anybody, and one of a list"),
        pytest.param("green", "red", False, id="another namespace"),
    ],
)
def test_namespaces_share_by_consent_of_both(first: str, second: str, shared: bool) -> None:
    cluster = Cluster(OPEN).label_namespace("red").label_namespace("blue")
    cluster.put(service("red/a", created="1", **sharing(consent=first)))
    cluster.put(service("blue/b", created="2", **sharing(port="TCP/81", consent=second))).run()

    assert cluster.addresses("red/a") == ("192.0.2.7",)
    if shared:
        assert cluster.addresses("blue/b") == ("192.0.2.7",)
    else:
        assert cluster.pending("blue/b").reason is Reason.NAMESPACES_APART


def test_what_namespaces_share_already_is_adopted() -> None:
    cluster = Cluster(OPEN).label_namespace("red").label_namespace("blue")
    spec = {"ingress": ("192.0.2.9",)}
    cluster.put(service("red/a", created="1", **svc("a", key="k", **spec)))
    cluster.put(service("blue/b", created="2", **svc("b", key="k", ports=["TCP/81"], **spec)))

    cluster.settle()

    assert cluster.addresses("red/a") == cluster.addresses("blue/b") == ("192.0.2.9",)


def test_automatic_choice_never_shares_with_a_stranger() -> None:
    cluster = Cluster(pool("small", "192.0.2.7/32")).label_namespace("red").label_namespace("blue")
    cluster.put(service("red/a", created="1", **svc("a", key="k")))
    cluster.put(service("blue/b", created="2", **svc("b", key="k", ports=["TCP/81"]))).run()

    assert cluster.pending("blue/b").reason is Reason.POOL_FULL


def quota(**limits: str) -> dict[str, str]:
    keys = {"total": "", "four": "-ipv4", "six": "-ipv6"}
    return {f"herald.io/address-quota{keys[key]}": text for key, text in limits.items()}


def test_quota_limits_the_addresses_of_a_namespace() -> None:
    cluster = Cluster(OPEN).annotate_namespace("default", quota(total="2")).label_namespace("free")
    cluster.put(*(service(f"s{i}", created=f"{i}") for i in range(3)), service("free/x")).run()

    assert cluster.addresses("s1") == ("192.0.2.1",)
    assert cluster.pending("s2").reason is Reason.QUOTA_REACHED
    assert cluster.pending("s2").object == "Namespace default"
    assert cluster.addresses("free/x") != ()


def test_quota_by_family() -> None:
    cluster = Cluster(OPEN).annotate_namespace("default", quota(four="0", six="1"))
    cluster.put(service("a"), service("b", **svc("b", families=V6))).run()

    assert cluster.pending("a").field == "metadata.annotations[herald.io/address-quota-ipv4]"
    assert cluster.addresses("b") == ("fd00::",)


@pytest.mark.parametrize(
    ("limits", "wishes", "wants"),
    [
        pytest.param({"six": "0"}, {}, ("192.0.2.0",), id="no IPv6"),
        pytest.param({"four": "0"}, {}, ("fd00::",), id="no IPv4"),
        pytest.param({"total": "1"}, {}, ("192.0.2.0",), id="one address"),
        pytest.param({"six": "0"}, {"pool": "open"}, ("192.0.2.0",), id="of a named pool"),
        pytest.param({"total": "0"}, {}, (), id="none at all"),
        pytest.param({"four": "0", "six": "0"}, {}, (), id="none of either"),
    ],
)
def test_who_prefers_two_families_gets_the_one_that_the_quota_allows(
    limits: dict[str, str], wishes: dict[str, str], wants: tuple[str, ...]
) -> None:
    cluster = Cluster(OPEN).annotate_namespace("default", quota(**limits))
    prefers = svc("a", families=DUAL, policy="PreferDualStack", **wishes)
    cluster.put(service("a", **prefers)).run()

    assert cluster.addresses("a") == wants
    assert cluster.plan().changes == ()
    if not wants:
        assert cluster.pending("a").reason is Reason.QUOTA_REACHED
        return
    note = cluster.assigned("a").note
    assert note is not None
    assert note.reason is Reason.SECOND_FAMILY
    assert "quota" in note.sentence

    cluster.annotate_namespace("default", {}).run()
    assert cluster.addresses("a") == ("192.0.2.0", "fd00::")


def test_who_requires_two_families_gets_none_when_the_quota_forbids_one() -> None:
    cluster = Cluster(OPEN).annotate_namespace("default", quota(six="0"))
    cluster.put(service("a", **svc("a", families=DUAL, policy="RequireDualStack"))).run()

    assert cluster.addresses("a") == ()
    assert cluster.pending("a").reason is Reason.QUOTA_REACHED


def test_address_shared_inside_the_namespace_counts_once() -> None:
    cluster = Cluster(OPEN).annotate_namespace("default", quota(total="1"))
    cluster.put(service("a", created="1", **svc("a", key="k")))
    cluster.put(service("b", created="2", **svc("b", key="k", ports=["TCP/81"]))).run()
    cluster.put(service("c", created="3", **svc("c", key="k"))).run()

    assert cluster.addresses("b") == ("192.0.2.0",)
    assert cluster.pending("c").reason is Reason.QUOTA_REACHED


@pytest.mark.parametrize(
    ("families", "asked"), [(V4, "192.0.2.0"), (DUAL, "192.0.2.0,fd00::")], ids=["one", "two"]
)
def test_address_that_the_namespace_has_is_asked_for_beside_a_full_quota(
    families: tuple[str, ...], asked: str
) -> None:
    cluster = Cluster(OPEN).annotate_namespace("default", quota(total=f"{len(families)}"))
    for number in range(2):
        spec = svc("s", key="k", ports=[f"TCP/{80 + number}"], families=families, ips=asked)
        cluster.put(service(f"s{number}", created=f"{number}", **spec)).run()

        assert cluster.addresses(f"s{number}") == tuple(asked.split(","))


def test_lowered_quota_takes_nothing_away_and_gives_nothing_more() -> None:
    cluster = Cluster(OPEN).put(service("a"), service("b")).run()

    cluster.annotate_namespace("default", quota(total="1")).put(service("c")).settle()

    assert cluster.addresses("a") != ()
    assert cluster.addresses("b") != ()
    assert cluster.pending("c").reason is Reason.QUOTA_REACHED


def test_raised_quota_serves_who_waits() -> None:
    cluster = Cluster(OPEN).annotate_namespace("default", quota(total="0")).put(service("a")).run()
    assert cluster.addresses("a") == ()

    cluster.annotate_namespace("default", quota(total="1")).run()

    assert cluster.addresses("a") == ("192.0.2.0",)


def test_full_quota_does_not_hinder_a_move() -> None:
    cluster = Cluster(OPEN).annotate_namespace("default", quota(total="1")).put(service("a")).run()

    cluster.put(service("a", **svc("a", ips="192.0.2.9"))).run()

    assert cluster.addresses("a") == ("192.0.2.9",)


@pytest.mark.parametrize(
    "text", ["many", "-1", "1.5", "", "١", pytest.param("9" * 5000, id="5,000 digits")]
)
def test_quota_that_is_no_number_refuses(text: str) -> None:
    cluster = Cluster(OPEN).annotate_namespace("default", quota(total=text))
    cluster.put(service("a")).run()

    assert cluster.pending("a").reason is Reason.QUOTA_MALFORMED
    assert len(str(cluster.pending("a"))) < MAX_MESSAGE


def test_node_addresses_are_skipped_and_given_only_when_asked_for_with_a_warning() -> None:
    cluster = Cluster(pool("lan", "192.168.4.0/30"))
    cluster.nodes["n1"] = node("n1", internal_ips=addresses("192.168.4.0", "192.168.4.2"))
    cluster.put(service("a", created="1"), service("b", created="2"), service("c", created="3"))
    cluster.put(service("d", created="4", **svc("d", ips="192.168.4.2"))).run()

    assert cluster.addresses("a") == ("192.168.4.1",)
    assert cluster.addresses("b") == ("192.168.4.3",)
    assert cluster.pending("c").reason is Reason.POOL_FULL
    assert cluster.addresses("d") == ("192.168.4.2",)
    assert "node n1" in cluster.assigned("d").warning


def test_address_that_a_new_node_has_too_stays_with_a_warning() -> None:
    cluster = Cluster(pool("lan", "192.168.4.0/30")).put(service("a")).settle()

    cluster.nodes["n1"] = node("n1", internal_ips=addresses("192.168.4.0"))
    cluster.settle()

    assert cluster.addresses("a") == ("192.168.4.0",)
    assert "node n1" in cluster.assigned("a").warning


def test_of_two_that_show_one_address_the_older_keeps_it() -> None:
    shown = {"ingress": ("192.0.2.5",)}
    cluster = Cluster(OPEN)
    cluster.put(service("young", created="2", **shown), service("old", created="1", **shown))

    cluster.settle()

    assert cluster.addresses("old") == ("192.0.2.5",)
    assert cluster.addresses("young") == ("192.0.2.0",)


def test_equally_old_ones_are_told_apart_by_uid() -> None:
    shown = {"ingress": ("192.0.2.5",), "created": "1"}
    cluster = Cluster(OPEN)
    cluster.put(service("a", uid="2", **shown), service("b", uid="1", **shown)).settle()

    assert cluster.addresses("b") == ("192.0.2.5",)


def test_double_that_appears_while_running_moves_the_younger_one_with_a_cause() -> None:
    cluster = Cluster(OPEN).put(service("young", created="2")).run()

    cluster.put(service("old", created="1", ingress=("192.0.2.0",))).run()

    assert cluster.addresses("old") == ("192.0.2.0",)
    change = cluster.change("young")
    assert change.cause is Cause.HELD_BY_OLDER
    assert isinstance(change.outcome, Assigned)
    assert cluster.addresses("young") == ("192.0.2.1",)
