"""Services with two families: one pool for both, completion, and no going to and fro."""

import pytest

from controller.outcome import Cause, Reason
from tests.builders import pool, service
from tests.controller.cluster import Cluster
from tests.controller.steps import DUAL, V4, V6, svc

PREFER = {"families": DUAL, "policy": "PreferDualStack"}
REQUIRE = {"families": DUAL, "policy": "RequireDualStack"}
FOUR = pool("four", "192.0.2.0/24")
SIX = pool("six", "fd00::/120")
BOTH = pool("both", "198.51.100.0/24", "fd01::/120")


@pytest.mark.parametrize(
    ("pools", "spec", "wants"),
    [
        pytest.param(
            [FOUR, BOTH], PREFER, ("198.51.100.0", "fd01::"), id="a dual-stack pool is preferred"
        ),
        pytest.param([FOUR, SIX], PREFER, ("192.0.2.0",), id="else the primary family: IPv4"),
        pytest.param(
            [FOUR, SIX],
            PREFER | {"ip_families": ("IPv6", "IPv4")},
            ("fd00::",),
            id="else the primary family: IPv6",
        ),
        pytest.param([SIX], PREFER, ("fd00::",), id="else the other family"),
        pytest.param([FOUR, BOTH], REQUIRE, ("198.51.100.0", "fd01::"), id="required: both"),
        pytest.param([FOUR, SIX], REQUIRE, (), id="required: never two pools"),
        pytest.param(
            [BOTH],
            PREFER | {"families": V4},
            ("198.51.100.0",),
            id="one cluster IP, one address, though two are preferred and the pool has both",
        ),
    ],
)
def test_choice(pools: list[object], spec: dict[str, object], wants: tuple[str, ...]) -> None:
    cluster = Cluster(*pools).put(service("a", **svc("a", **spec))).run()  # type: ignore[arg-type]

    assert cluster.addresses("a") == wants
    assert cluster.plan().changes == ()


def test_one_cluster_ip_and_both_addresses_is_trimmed_once_and_then_still() -> None:
    """Found after an allocator that went to and fro between one address and two."""
    spec = svc("a", families=V4, policy="PreferDualStack", ingress=("198.51.100.7", "fd01::7"))
    cluster = Cluster(BOTH).put(service("a", **spec)).run()

    assert cluster.addresses("a") == ("198.51.100.7",)
    for _ in range(3):
        assert cluster.plan().changes == ()
        cluster.run(100.0)


@pytest.mark.parametrize(
    ("spec", "pools", "detail"),
    [
        pytest.param(
            {"families": V4, "ingress": ("198.51.100.7", "fd01::7")},
            [BOTH],
            "the Service has no cluster IP of its family",
            id="another family",
        ),
        pytest.param(
            {"families": V4, "ingress": ("198.51.100.7", "198.51.100.8")},
            [BOTH],
            "one address of each family is enough",
            id="one family twice",
        ),
        pytest.param(
            PREFER | {"ingress": ("192.0.2.7", "fd01::7")},
            [FOUR],
            "fd01::7 is in no IPAddressPool any more",
            id="its pool is gone",
        ),
    ],
)
def test_address_that_is_dropped_is_told_with_the_cause(
    spec: dict[str, object], pools: list[object], detail: str
) -> None:
    cluster = Cluster(*pools).put(service("a", **svc("a", **spec))).run()  # type: ignore[arg-type]

    assert len(cluster.addresses("a")) == 1
    assert cluster.change("a").detail == detail


def test_second_family_is_added_when_the_pool_gains_it() -> None:
    cluster = Cluster(FOUR).put(service("a", **svc("a", **PREFER))).settle()
    assert cluster.addresses("a") == ("192.0.2.0",)
    note = cluster.assigned("a").note
    assert note is not None
    assert note.reason is Reason.SECOND_FAMILY

    cluster.replace_pools(pool("four", "192.0.2.0/24", "fd00::/120")).run()

    assert cluster.addresses("a") == ("192.0.2.0", "fd00::")
    assert cluster.change("a").cause is Cause.COMPLETED
    assert cluster.assigned("a").note is None


def test_service_of_one_family_does_not_jump_to_a_dual_stack_pool() -> None:
    cluster = Cluster(FOUR).put(service("a", **svc("a", **PREFER))).settle()

    cluster.replace_pools(FOUR, BOTH).settle()

    assert cluster.addresses("a") == ("192.0.2.0",)


def test_second_family_is_added_when_the_pool_has_room_again() -> None:
    cluster = Cluster(pool("p", "192.0.2.0/24", "fd00::/128"))
    cluster.put(service("a", created="1", **svc("a", families=V6))).run()
    cluster.put(service("b", created="2", **svc("b", **PREFER))).run()
    assert cluster.addresses("b") == ("192.0.2.0",)

    cluster.delete("a").run()

    assert cluster.addresses("b") == ("192.0.2.0", "fd00::")


def test_preferring_service_keeps_the_family_that_its_pool_still_has() -> None:
    cluster = Cluster(BOTH).put(service("a", **svc("a", **PREFER))).settle()

    cluster.replace_pools(pool("both", "198.51.100.0/24"), FOUR).settle()

    assert cluster.addresses("a") == ("198.51.100.0",)


def test_requiring_service_takes_another_dual_stack_pool_when_its_own_loses_a_family() -> None:
    cluster = Cluster(BOTH).put(service("a", **svc("a", **REQUIRE))).settle()
    other = pool("other", "203.0.113.0/24", "fd02::/120")

    cluster.replace_pools(pool("both", "198.51.100.0/24"), other).settle()

    assert cluster.addresses("a") == ("203.0.113.0", "fd02::")


def test_requiring_service_is_cleared_when_no_pool_has_both_families() -> None:
    cluster = Cluster(BOTH).put(service("a", **svc("a", **REQUIRE))).settle()

    cluster.replace_pools(pool("both", "198.51.100.0/24")).settle()

    assert cluster.addresses("a") == ()
    assert cluster.pending("a").reason is Reason.FAMILY_NOT_IN_POOL


def test_from_preferring_to_requiring_and_back() -> None:
    cluster = Cluster(FOUR).put(service("a", **svc("a", **PREFER))).settle()

    cluster.put(service("a", **svc("a", **REQUIRE))).run(70.0)
    assert cluster.addresses("a") == ()
    cluster.put(service("a", **svc("a", **PREFER))).run()
    assert cluster.addresses("a") == ("192.0.2.0",)


def test_order_of_the_families_in_a_status_is_left_as_it_is() -> None:
    """The first address ranks the speakers: turning them round would move the announcement."""
    spec = svc("a", **PREFER, ingress=("fd01::7", "198.51.100.7"))
    cluster = Cluster(BOTH).put(service("a", **spec)).run()

    assert cluster.addresses("a") == ("fd01::7", "198.51.100.7")


def test_pool_that_is_split_by_family_moves_nobody() -> None:
    cluster = Cluster(BOTH).put(service("a", **svc("a", **REQUIRE))).settle()

    cluster.replace_pools(pool("v4", "198.51.100.0/24"), pool("v6", "fd01::/120")).settle()

    assert cluster.addresses("a") == ("198.51.100.0", "fd01::")
    assert cluster.assigned("a").pool == "v4"


def test_service_that_grows_and_asks_for_another_pool_does_not_grow_where_it_is() -> None:
    cluster = Cluster(BOTH).put(service("a", **svc("a"))).settle()

    cluster.put(service("a", **svc("a", **REQUIRE, pool="none"))).run()

    assert cluster.addresses("a") == ()
    assert cluster.pending("a").reason is Reason.POOL_UNKNOWN
    assert cluster.plan().changes == ()
