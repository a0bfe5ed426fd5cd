"""Pools that change under the Services that have their addresses."""

from typing import Any

import pytest

from controller.outcome import Cause, Reason
from controller.pace import BURST, MOVES_PER_S, SETTLE_S
from kube.crds import IPAddressPool
from tests.builders import namespace, pool, service
from tests.controller.cluster import Cluster
from tests.controller.steps import V6, svc


def before() -> Cluster:
    cluster = Cluster(pool("test", "1.2.3.0/31", "1000::/127"))
    return cluster.put(service("a", **svc("a")), service("b", **svc("b", families=V6))).run()


@pytest.mark.parametrize(
    ("after", "a", "b"),
    [
        pytest.param([pool("test", "1.2.3.0/31", "1000::/127")], "test", "test", id="the same"),
        pytest.param([pool("test", "1.2.3.0/24", "1000::/64")], "test", "test", id="grown"),
        pytest.param([pool("test", "1.2.3.0/32", "1000::/128")], "test", "test", id="shrunk"),
        pytest.param(
            [pool("test", "1.2.3.1/32", "1000::/127")], "moved", "test", id="IPv4 cut off"
        ),
        pytest.param(
            [pool("test", "1.2.3.0/31", "1000::1/128")], "test", "moved", id="IPv6 cut off"
        ),
        pytest.param([pool("new", "1.2.3.0/31", "1000::/127")], "new", "new", id="renamed"),
        pytest.param(
            [pool("four", "1.2.3.0/31"), pool("six", "1000::/127")], "four", "six", id="split"
        ),
        pytest.param(
            [pool("test", "1.2.3.0/31", "1000::/127", avoidBuggyIPs=True)],
            "moved",
            "test",
            id="edges avoided",
        ),
        pytest.param(
            [pool("test", "1.2.3.0/31", "1000::/127", autoAssign=False)],
            "test",
            "test",
            id="autoAssign off",
        ),
        pytest.param(
            [pool("test", "1.2.3.0/31", "1000::/127", serviceAllocation={"priority": 3})],
            "test",
            "test",
            id="priority",
        ),
    ],
)
def test_pools_change(after: list[IPAddressPool], a: str, b: str) -> None:
    cluster = before()
    cluster.replace_pools(*after).settle()

    for text, wants, was in (("a", a, "1.2.3.0"), ("b", b, "1000::")):
        if wants == "moved":
            assert cluster.addresses(text) != (was,)
            assert cluster.assigned(text).pool == "test"
        else:
            assert cluster.addresses(text) == (was,)
            assert cluster.assigned(text).pool == wants


def test_address_outside_keeps_its_place_until_pools_have_settled() -> None:
    cluster = before().replace_pools(pool("other", "4.5.6.0/24", "4000::/64"))

    cluster.run(SETTLE_S / 2)
    assert cluster.addresses("a") == ("1.2.3.0",)
    note = cluster.assigned("a").note
    assert note is not None
    assert note.reason is Reason.MOVES_SOON

    cluster.run(SETTLE_S)
    assert cluster.addresses("a") == ("4.5.6.0",)


def test_pool_that_is_deleted_and_made_anew_moves_nobody() -> None:
    cluster = before().replace_pools(pool("other", "4.5.6.0/24")).run(0.5)
    cluster.replace_pools(
        pool("other", "4.5.6.0/24"), pool("test", "1.2.3.0/31", "1000::/127")
    ).settle()

    assert cluster.addresses("a") == ("1.2.3.0",)


def test_all_pools_gone_takes_no_address_away_and_gives_none() -> None:
    cluster = before().replace_pools().settle()
    cluster.put(service("new")).settle()

    assert cluster.addresses("a") == ("1.2.3.0",)
    assert cluster.addresses("b") == ("1000::",)
    assert cluster.pending("new").reason is Reason.NO_POOLS


def test_all_pools_gone_survives_a_restart() -> None:
    cluster = before().replace_pools().settle().restart().settle()

    assert cluster.addresses("a") == ("1.2.3.0",)


def test_moves_from_a_deleted_pool_are_paced() -> None:
    count = BURST + 15
    cluster = Cluster(pool("old", "192.0.2.0/24"), pool("new", "198.51.100.0/24", autoAssign=False))
    cluster.put(*(service(f"s{i}", created=f"{1000 + i}") for i in range(count))).run()

    cluster.replace_pools(pool("new", "198.51.100.0/24")).run(SETTLE_S)
    moved = [i for i in range(count) if cluster.addresses(f"s{i}")[0].startswith("198.")]
    assert moved == list(range(BURST))

    cluster.run(1.0)
    moved = [i for i in range(count) if cluster.addresses(f"s{i}")[0].startswith("198.")]
    assert BURST + MOVES_PER_S - 1 <= len(moved) <= BURST + MOVES_PER_S
    cluster.run(1.0)
    assert all(cluster.addresses(f"s{i}")[0].startswith("198.") for i in range(count))


def test_lost_admission_moves_with_a_cause() -> None:
    fence = {"namespaceSelectors": [{"matchLabels": {"team": "x"}}]}
    cluster = Cluster(
        pool("fenced", "192.0.2.0/24", serviceAllocation=fence), pool("open", "198.51.100.0/24")
    )
    cluster.label_namespace("default", team="x").put(service("a")).run(10.0)
    assert cluster.addresses("a") == ("192.0.2.0",)

    cluster.label_namespace("default", team="y").run()

    assert cluster.addresses("a") == ("198.51.100.0",)
    assert cluster.change("a").cause is Cause.NOT_ADMITTED
    assert "fenced" in cluster.change("a").detail


def test_lost_admission_with_nowhere_to_go_clears() -> None:
    cluster = Cluster(pool("p", "192.0.2.0/24")).put(service("a")).settle()
    fence = {"namespaces": ["other"]}

    cluster.replace_pools(pool("p", "192.0.2.0/24", serviceAllocation=fence)).settle()

    assert cluster.addresses("a") == ()
    assert cluster.pending("a").reason is Reason.NO_POOL_ADMITS


def test_service_that_leaves_the_selector_of_its_pool_moves() -> None:
    fence: dict[str, Any] = {"serviceSelectors": [{"matchLabels": {"tier": "gold"}}]}
    cluster = Cluster(
        pool("gold", "192.0.2.0/24", serviceAllocation=fence), pool("open", "198.51.100.0/24")
    )
    cluster.put(service("a", labels={"tier": "gold"})).settle()
    assert cluster.addresses("a") == ("192.0.2.0",)

    cluster.put(service("a")).run()

    assert cluster.addresses("a") == ("198.51.100.0",)


def test_refused_pool_keeps_what_was_given_from_it() -> None:
    """After a restart nobody knows the last good version, and the address lies in no good pool."""
    cluster = Cluster(pool("a", "192.0.2.0/28"), pool("b", "198.51.100.0/28", autoAssign=False))
    cluster.put(service("s", **svc("s", pool="b"))).run()

    cluster.replace_pools(pool("a", "192.0.2.0/28"), pool("b", "198.51.100.0/28", "192.0.2.4/30"))
    cluster.restart().settle()

    assert cluster.addresses("s") == ("198.51.100.0",)
    cluster.put(service("t", **svc("t", pool="b"))).run()
    assert cluster.pending("t").reason is Reason.POOL_REFUSED


def refused_beside(refused: IPAddressPool) -> Cluster:
    """Two Services, one of a pool that goes and one of a pool that is refused from a restart on."""
    cluster = Cluster(pool("a", "192.0.2.0/28"), pool("zz", "198.51.100.0/28", autoAssign=False))
    cluster.put(service("s", **svc("s", pool="zz"))).settle()
    cluster.put(service("s")).settle()
    cluster.replace_pools(pool("a", "192.0.2.0/28"), refused)
    return cluster


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(pool("bad", "203.0.113.9-203.0.113.1"), id="a range that cannot be read"),
        pytest.param(pool("bad", "203.0.113.0/24", "192.0.2.0/30"), id="ranges elsewhere"),
    ],
)
def test_refused_pool_that_never_was_good_holds_up_no_other(refused: IPAddressPool) -> None:
    cluster = refused_beside(refused).settle()

    assert cluster.addresses("s") == ("192.0.2.0",)
    assert "refused" in cluster.change("s").detail


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(pool("zz", "198.51.100.15-198.51.100.1"), id="its own pool by name"),
        pytest.param(pool("bad", "198.51.100.0/28", "192.0.2.0/30"), id="a range that holds it"),
    ],
)
def test_address_that_may_be_a_refused_pools_is_kept_and_the_reason_said(
    refused: IPAddressPool,
) -> None:
    cluster = refused_beside(refused).restart().settle()

    assert cluster.addresses("s") == ("198.51.100.0",)
    note = cluster.assigned("s").note
    assert note is not None
    assert note.reason is Reason.POOL_REFUSED
    assert note.object == f"IPAddressPool {refused.name.name}"

    cluster.replace_pools(pool("a", "192.0.2.0/28"), pool("zz", "198.51.100.0/28")).settle()
    assert cluster.addresses("s") == ("198.51.100.0",)
    assert cluster.assigned("s").note is None


def test_pool_added_moves_nobody() -> None:
    cluster = before()
    cluster.namespaces["x"] = namespace("x")
    better = pool("better", "9.9.9.0/24", serviceAllocation={"priority": 1})

    cluster.replace_pools(pool("test", "1.2.3.0/31", "1000::/127"), better).settle()

    assert cluster.addresses("a") == ("1.2.3.0",)
    assert cluster.put(service("c")).run().addresses("c") == ("9.9.9.0",)


def test_service_deleted_while_it_waits_to_move_is_forgotten() -> None:
    cluster = before().replace_pools(pool("other", "4.5.6.0/24", "4000::/64")).run(SETTLE_S / 2)

    cluster.delete("a").settle()

    assert cluster.addresses("b") == ("4000::",)
