"""What a peer is told of a prefix, and the difference that commands carry out."""

from collections.abc import Mapping
from ipaddress import IPv4Network, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.bgp.routes import (
    BATCH_LIMIT,
    Batch,
    Delta,
    NextHops,
    Refusal,
    Route,
    RouteKey,
    parse_communities,
    route_for,
)
from tests.speaker.bgp.samples import LOCAL, LOCAL6, NEXT_HOPS, intent, peer, routes

NONE: Mapping[RouteKey, Route] = {}
A, B, C = "192.168.4.1/32", "192.168.4.2/32", "192.168.4.3/32"


def test_an_external_peer_gets_communities_and_no_local_pref() -> None:
    wanted = intent(communities=("65535:0", "2:1", "large:1:2:3"), local_pref=7)
    got = route_for(peer(), wanted, NEXT_HOPS, de_prefer=False)

    assert got == Route(
        wanted.prefix, LOCAL, communities=((2, 1), (65535, 0)), large_communities=((1, 2, 3),)
    )


def test_an_internal_peer_gets_local_pref_if_one_is_given() -> None:
    internal = peer(peer_asn=64512)
    with_one = route_for(internal, intent(local_pref=7), NEXT_HOPS, de_prefer=False)
    without = route_for(internal, intent(), NEXT_HOPS, de_prefer=False)

    assert isinstance(with_one, Route)
    assert isinstance(without, Route)
    assert (with_one.local_pref, without.local_pref) == (7, None)


@pytest.mark.parametrize("by_intent", [True, False], ids=["the route", "the node"])
def test_de_preferring_an_external_route_prepends_and_raises_the_med(by_intent: bool) -> None:
    wanted = intent(de_preferred=by_intent, communities=("1:1",))
    got = route_for(peer(), wanted, NEXT_HOPS, de_prefer=not by_intent)

    assert isinstance(got, Route)
    assert got.as_path == (64512,) * 4
    assert got.med == 4294967295
    assert got.communities == ((1, 1), (65535, 0))


def test_de_preferring_an_internal_route_lowers_local_pref_alone() -> None:
    got = route_for(peer(peer_asn=64512), intent(local_pref=9), NEXT_HOPS, de_prefer=True)

    assert isinstance(got, Route)
    assert (got.local_pref, got.as_path, got.med) == (0, (), None)
    assert got.communities == ((65535, 0),)


def test_the_next_hop_is_of_the_prefixs_family() -> None:
    six = intent("fd00:4::10/128")
    got = route_for(peer(), six, NEXT_HOPS, de_prefer=False)
    assert isinstance(got, Route)
    assert got.next_hop == LOCAL6
    assert route_for(peer(), six, NextHops(LOCAL, None), de_prefer=False) is Refusal.NO_NEXT_HOP


@pytest.mark.parametrize(
    "text",
    ["", "1", "1:2:3", "65536:1", "1:65536", "large:1:2", "large:1:2:4294967296", "a:b", "1:-2",
     "large:", "1:2 ]", "²:1", "large:1:2:3:4", ":", "1:", "no-export"],
)  # fmt: skip
def test_what_is_no_community_is_refused(text: str) -> None:
    assert parse_communities((text,)) is None
    got = route_for(peer(), intent(communities=(text,)), NEXT_HOPS, de_prefer=False)
    assert got is Refusal.BAD_COMMUNITY


def delta_of(desired: Mapping[RouteKey, Route], actual: Mapping[RouteKey, Route] = NONE) -> Delta:
    """A delta that wants one and has the other."""
    delta = Delta()
    delta.read_back(actual)
    delta.want(desired)
    return delta


def apply_all(delta: Delta, limit: int = 1000) -> list[Batch]:
    """Carry out the whole difference; every command succeeds."""
    batches: list[Batch] = []
    while (batch := delta.next_batch()) is not None:
        assert len(batches) < limit
        batches.append(batch)
        delta.done(batch)
    return batches


def test_routes_of_equal_attributes_share_a_command() -> None:
    delta = delta_of({**routes(A, B), **routes(C, med=5)})
    batches = apply_all(delta)

    assert [[str(r.prefix) for r in b.routes] for b in batches] == [[A, B], [C]]
    assert delta.actual == delta.desired


def test_a_command_carries_no_more_than_its_limit() -> None:
    prefixes = [f"10.0.{i // 250}.{i % 250}/32" for i in range(BATCH_LIMIT + 1)]
    batches = apply_all(delta_of(routes(*prefixes)))

    assert [len(b.routes) for b in batches] == [BATCH_LIMIT, 1]


def test_neighbours_do_not_share_commands() -> None:
    delta = delta_of({**routes(A, selector="n"), **routes(A, selector="m")})
    assert sorted(b.selector for b in apply_all(delta)) == ["m", "n"]


def test_withdrawals_come_before_announcements() -> None:
    delta = delta_of(routes(B), routes(A))
    assert [b.withdraw for b in apply_all(delta)] == [True, False]
    assert delta.actual == routes(B)


def test_a_changed_attribute_is_announced_without_a_withdrawal() -> None:
    delta = delta_of(routes(A, med=1), routes(A))
    assert [b.withdraw for b in apply_all(delta)] == [False]


def test_a_refused_batch_is_tried_one_by_one_and_the_bad_route_given_up() -> None:
    delta = delta_of(routes(A, B, C))
    tried = []
    while (batch := delta.next_batch()) is not None:
        tried.append(len(batch.routes))
        bad = any(str(r.prefix) == B for r in batch.routes)
        delta.failed(batch) if bad else delta.done(batch)

    assert tried == [3, 1, 1, 1]
    assert delta.actual == routes(A, C)
    assert delta.refused == routes(B)
    assert delta.pending("n") == 1


def test_reading_back_heals_what_was_believed() -> None:
    delta = delta_of(routes(A, B), routes(A, B))
    assert delta.read_back({**routes(A), **routes(C)}) == 2
    apply_all(delta)
    assert delta.actual == routes(A, B)


def test_reading_back_tries_what_was_refused_again() -> None:
    delta = delta_of(routes(A))
    batch = delta.next_batch()
    assert batch is not None
    delta.failed(batch)
    assert delta.next_batch() is None
    delta.read_back({})
    assert delta.next_batch() is not None


def test_a_forgotten_neighbour_has_no_routes() -> None:
    delta = delta_of(routes(A), {**routes(A), **routes(B, selector="m")})
    delta.forget(["n"])
    assert delta.actual == routes(B, selector="m")
    assert delta.pending("n") == 1


keys = st.tuples(st.sampled_from("nm"), st.integers(0, 6).map(lambda i: ip_network((i << 8, 32))))
tables = st.dictionaries(keys, st.integers(0, 3))


def table(values: dict[tuple[str, IPv4Network], int]) -> dict[RouteKey, Route]:
    """Routes whose MED is the value."""
    return {key: Route(key[1], LOCAL, med=med) for key, med in values.items()}


@given(tables, tables)
@settings(max_examples=60, deadline=None)
def test_whatever_there_was_the_end_is_what_is_desired(
    actual: dict[tuple[str, IPv4Network], int], desired: dict[tuple[str, IPv4Network], int]
) -> None:
    delta = delta_of(table(desired), table(actual))
    apply_all(delta)

    assert delta.actual == table(desired)
    assert delta.pending("n") == delta.pending("m") == 0
