"""Pools: their capacity, their order, and which one an address belongs to."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.ledger import Ledger
from controller.pools import MAX_INT64, Pool, PoolSet
from controller.status import count_pools
from controller.view import outlook_of
from kube.snapshot import Kind, Snapshot
from tests.builders import pool, service
from tests.controller.cluster import Cluster, pool_name


def pools(*resources: Any) -> PoolSet:
    snapshot = Snapshot(pools={each.name: each for each in resources}, listed=frozenset(Kind))
    return outlook_of(snapshot).view.pools


def one(*ranges: str, **spec: Any) -> Pool:
    [found] = pools(pool("p", *ranges, **spec)).ranked
    return found


@pytest.mark.parametrize(
    ("ranges", "avoid", "v4", "v6"),
    [
        pytest.param(["1.2.3.0/24"], False, 256, 0, id="a /24"),
        pytest.param(["1.2.3.0/24", "2.3.4.128/25"], False, 384, 0, id="two ranges add up"),
        pytest.param(
            ["1.2.3.0/24", "2.3.4.128/25"], True, 381, 0, id="avoided: 2 of one, 1 of two"
        ),
        pytest.param(["1.2.3.0/31", "1000::/127"], True, 1, 2, id="nothing is avoided in IPv6"),
        pytest.param(["1.2.3.0/32"], True, 0, 0, id="avoided /32 is empty, not -1"),
        pytest.param(["10.0.0.0/8"], True, 2**24 - 2**17, 0, id="a /8 but its edges"),
        pytest.param(
            ["0.0.0.0/0"],
            False,
            2**32 - 2 * 2**24 - 2 * 2**28 - 2**16,
            0,
            id="everything but what nobody can have",
        ),
        pytest.param(["240.0.0.0/4"], False, 2**28 - 1, 0, id="reserved on purpose, no broadcast"),
        pytest.param(["fd00::/48", "fd01::/127"], False, 0, 2**80 + 2, id="a /48 and a bit"),
    ],
)
def test_capacity(ranges: list[str], avoid: bool, v4: int, v6: int) -> None:
    found = one(*ranges, avoidBuggyIPs=avoid)

    assert (found.capacity(4), found.capacity(6)) == (v4, v6)


@given(st.lists(st.integers(0, 2**12), min_size=2, max_size=8, unique=True), st.booleans())
def test_capacity_equals_a_count(bounds: list[int], avoid: bool) -> None:
    base = int(ip_address("10.0.0.0"))
    edges = sorted(bounds)
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    texts = [f"{ip_address(base + a)}-{ip_address(base + b)}" for a, b in spans]
    values = [v for a, b in spans for v in range(a, b + 1)]

    expected = [v for v in values if not (avoid and v % 256 in (0, 255))]

    assert one(*texts, avoidBuggyIPs=avoid).capacity(4) == len(expected)


def test_status_of_a_pool_beyond_64_bits_stays_inside_them() -> None:
    ledger = Ledger()
    ledger.replace_pools(pools(pool("p", "fd00::/48", "192.0.2.0/30")), frozenset(), 0.0)
    [count] = count_pools(ledger)

    assert count.status() == {
        "assignedIPv4": 0,
        "assignedIPv6": 0,
        "availableIPv4": 4,
        "availableIPv6": MAX_INT64,
    }


def test_addresses_still_held_that_a_pool_avoids_now_are_not_counted_as_less_than_none_left() -> (
    None
):
    cluster = Cluster(pool("p", "1.2.3.0/31"))
    cluster.put(service("a", created="1"), service("b", created="2")).run()

    cluster.replace_pools(pool("p", "1.2.3.0/31", avoidBuggyIPs=True)).run()

    [count] = count_pools(cluster.planner.ledger)
    assert (count.total_v4, count.used_v4) == (1, 2)
    assert count.status()["availableIPv4"] == 0


def test_pinned_pools_come_first_by_priority_then_name_and_unset_is_last() -> None:
    def fence(priority: int) -> dict[str, Any]:
        return {"priority": priority, "namespaces": ["x"]}

    found = pools(
        pool("open-b", "10.0.0.0/32"),
        pool("open-a", "10.0.1.0/32"),
        pool("unset", "10.0.2.0/32", serviceAllocation=fence(0)),
        pool("late", "10.0.3.0/32", serviceAllocation=fence(20)),
        pool("soon-b", "10.0.4.0/32", serviceAllocation=fence(10)),
        pool("soon-a", "10.0.5.0/32", serviceAllocation=fence(10)),
    )

    names = [each.name for each in found.ranked]
    assert names == ["soon-a", "soon-b", "late", "unset", "open-a", "open-b"]


def test_address_is_found_among_ten_thousand_ranges() -> None:
    texts = [f"10.{i >> 7}.{(i & 127) * 2}.1-10.{i >> 7}.{(i & 127) * 2}.9" for i in range(10_000)]
    found = pools(pool("many", *texts), pool("other", "192.0.2.0/24"))

    holding = found.holding(ip_address("10.78.14.5"))
    assert holding is not None
    assert holding.name == "many"
    assert found.holding(ip_address("10.78.14.10")) is None
    assert found.holding(ip_address("::a4e:e05")) is None


def test_refused_pool_is_no_pool_and_leaves_only_its_own_addresses_in_doubt() -> None:
    found = pools(pool("a", "192.0.2.0/24"), pool("b", "192.0.2.0/25"))

    assert [each.name for each in found.ranked] == ["a"]
    assert set(found.refused) == {"b"}
    assert "overlaps" in found.refused["b"].sentence
    assert found.doubtful(ip_address("192.0.2.7"), "") is found.refused["b"]
    assert found.doubtful(ip_address("198.51.100.7"), "b") is found.refused["b"]
    assert found.doubtful(ip_address("198.51.100.7"), "a") is None


def test_unreadable_pool_is_refused() -> None:
    key = (Kind.IP_ADDRESS_POOL, pool_name("bad"))
    snapshot = Snapshot(faults={key: "spec.addresses: missing"}, listed=frozenset(Kind))
    found = outlook_of(snapshot).view.pools

    assert set(found.refused) == {"bad"}
    assert not found.empty


def test_range_of_mixed_families_is_refused() -> None:
    found = pools(pool("mixed", "1.2.3.4-fe80::1"), pool("good", "192.0.2.0/24"))

    assert [each.name for each in found.ranked] == ["good"]
    assert "families" in found.refused["mixed"].sentence


def test_fence_whose_selector_matches_nothing_is_closed() -> None:
    fence = {"namespaceSelectors": [{"matchLabels": {"team": "nobody"}}]}
    found = one("192.0.2.0/24", serviceAllocation=fence)

    assert not found.admits_namespace("default", {})
    assert not found.admits_namespace("default", {"team": "else"})


def test_fence_with_only_a_priority_is_open() -> None:
    found = one("192.0.2.0/24", serviceAllocation={"priority": 5})

    assert found.pinned
    assert found.admits_namespace("any", {})
    assert found.admits_labels({})


def test_network_of_one_address() -> None:
    assert one("192.0.2.7/32").capacity(4) == ip_network("192.0.2.7/32").num_addresses


@given(st.sampled_from(("126.255.255.0", "223.255.255.0", "169.253.255.0", "0.255.255.0")))
def test_capacity_of_a_pool_beside_what_nobody_can_have_equals_what_it_gives(base: str) -> None:
    first = int(ip_address(base))
    found = pools(pool("p", f"{base}-{ip_address(first + 300)}", avoidBuggyIPs=True))
    ledger = Ledger()
    ledger.replace_pools(found, frozenset(), 0.0)
    space = ledger.space("p", 4)
    assert space is not None
    given_ = []
    while (address := space.lowest(0.0)) is not None:
        space.take(address)
        given_.append(address)

    [count] = count_pools(ledger)
    assert count.total_v4 == count.used_v4 == len(given_)
    assert all(found.holding(ip_address(each)) for each in given_)


def test_pool_of_addresses_that_no_status_can_hold_is_refused() -> None:
    found = pools(pool("mapped", "::ffff:10.7.0.0/120"), pool("good", "192.0.2.0/24"))

    assert [each.name for each in found.ranked] == ["good"]
    assert "write 10.7.0.0/24" in found.refused["mapped"].sentence
