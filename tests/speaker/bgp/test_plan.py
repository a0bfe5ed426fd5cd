"""What ExaBGP must have, from what is wanted and what is seen."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.bgp.config import Path, PeerFault
from speaker.bgp.drain import Stance
from speaker.bgp.plan import Planner, World, begun_after
from speaker.bgp.routes import NextHops
from speaker.seam.messages import BfdReport, BfdState, RouteVariant
from tests.speaker.bgp.samples import LOCAL, PATH, ROUTER, intent, neighbour, peer

SECOND = ip_address("10.9.0.3")
WORLD = World(
    node="node1",
    peers={"router": peer(), "second": peer("second", address=SECOND)},
    routes=(intent(), intent("fd00:4::10/128", peers=("router", "second"))),
    paths={"router": PATH, "second": PATH},
)


def routed(world: World) -> set[tuple[str, str]]:
    """Peer and prefix of each route."""
    plan = Planner().plan(world)
    return {(plan.selectors[selector], str(prefix)) for selector, prefix in plan.routes}


def failed(state: BfdState, diagnostic: str = "control-detection-time-expired") -> World:
    """The world with BFD's word on the first peer, which has BFD."""
    peers = {**WORLD.peers, "router": peer(bfd=True)}
    return replace(WORLD, peers=peers, bfd={ROUTER: BfdReport(ROUTER, state, diagnostic)})


def test_each_peer_gets_the_routes_that_name_it() -> None:
    assert routed(WORLD) == {
        ("router", "192.168.4.10/32"), ("router", "fd00:4::10/128"), ("second", "fd00:4::10/128"),
    }  # fmt: skip


def test_withdrawing_leaves_the_sessions_and_takes_every_route() -> None:
    plan = Planner().plan(replace(WORLD, stance=Stance.WITHDRAW))
    assert plan.routes == {}
    assert plan.config == Planner().plan(WORLD).config


def test_de_preferring_changes_every_route() -> None:
    plan = Planner().plan(replace(WORLD, stance=Stance.DE_PREFER))
    assert all((65535, 0) in route.communities for route in plan.routes.values())
    assert len(plan.routes) == 3


@pytest.mark.parametrize("state", [BfdState.DOWN, BfdState.INIT])
def test_a_peer_whose_path_failed_keeps_its_session_but_gets_no_route(state: BfdState) -> None:
    plan = Planner().plan(failed(state))
    assert plan.held == {"router"}
    assert set(plan.neighbours) == {"router", "second"}
    assert routed(failed(state)) == {("second", "fd00:4::10/128")}


@pytest.mark.parametrize(
    ("state", "diagnostic"),
    [
        pytest.param(BfdState.UP, "", id="up"),
        pytest.param(BfdState.DOWN, "", id="never up"),
        pytest.param(BfdState.ADMIN_DOWN, "neighbor-signaled-session-down", id="their wish"),
        pytest.param(BfdState.ADMIN_DOWN, "administratively-down", id="our wish"),
        pytest.param(BfdState.DOWN, "too-many-bfd-sessions", id="no session to be had"),
    ],
)
def test_what_is_no_failure_holds_nobody(state: BfdState, diagnostic: str) -> None:
    assert Planner().plan(failed(state, diagnostic)).held == frozenset()


def test_a_peer_without_bfd_ignores_it() -> None:
    world = replace(failed(BfdState.DOWN), peers=WORLD.peers)
    assert Planner().plan(world).held == frozenset()


def test_a_peer_without_a_path_says_so_and_others_go_on() -> None:
    plan = Planner().plan(
        replace(WORLD, paths={"router": PeerFault.SOURCE_NOT_OURS, "second": PATH})
    )
    assert plan.faults == {"router": "BGPPeer router: sourceAddress isn't an address of this node"}
    assert set(plan.neighbours) == {"second"}


def test_a_config_that_exabgp_refused_is_left_out_until_it_is_changed() -> None:
    world = replace(WORLD, refused={neighbour(): "line 4: no"})
    plan = Planner().plan(world)
    assert set(plan.neighbours) == {"second"}
    assert plan.faults["router"] == "BGPPeer router: ExaBGP refuses it: line 4: no"
    mended = replace(world, peers={**WORLD.peers, "router": peer(hold_time_s=30)})
    assert set(Planner().plan(mended).neighbours) == {"router", "second"}


def test_prefixes_without_a_next_hop_are_named_and_others_announced() -> None:
    path = Path(LOCAL, True, NextHops(LOCAL, None))
    plan = Planner().plan(replace(WORLD, paths={"router": path, "second": path}))
    assert [str(prefix) for _, prefix in plan.routes] == ["192.168.4.10/32"]
    assert plan.faults["second"] == (
        "BGPPeer second: fd00:4::10/128 not announced: the NIC towards it has no global address"
        " of that family to be next hop"
    )


def test_a_family_that_was_not_agreed_on_is_not_announced() -> None:
    selector = neighbour().selector
    plan = Planner().plan(replace(WORLD, agreed={selector: frozenset({4})}))
    assert [str(p) for s, p in plan.routes if s == selector] == ["192.168.4.10/32"]
    assert "it has not agreed to that address family" in plan.faults["router"]


def test_a_long_list_of_prefixes_is_shortened() -> None:
    many = tuple(intent(f"fd00:4::{i}/128") for i in range(1, 6))
    path = Path(LOCAL, True, NextHops(LOCAL, None))
    plan = Planner().plan(replace(WORLD, routes=many, paths={"router": path, "second": path}))
    assert "fd00:4::1/128 and 4 more not announced" in plan.faults["router"]


def test_a_variant_gives_its_peers_other_attributes() -> None:
    variant = RouteVariant(("second",), ("64512:2",))
    world = replace(WORLD, routes=(intent(communities=("64512:1",), variants=(variant,)),))
    plan = Planner().plan(world)
    told = {plan.selectors[key[0]]: route.communities for key, route in plan.routes.items()}
    assert told == {"router": ((64512, 1),), "second": ((64512, 2),)}


def test_what_may_not_begin_is_kept_if_it_has_begun() -> None:
    world = replace(WORLD, routes=(intent(may_begin=False),))
    assert routed(world) == set()
    begun = begun_after((intent(),), frozenset())
    assert routed(replace(world, begun=begun)) == {("router", "192.168.4.10/32")}


def test_what_has_begun_goes_on_until_its_intent_is_gone() -> None:
    begun = begun_after((intent(),), frozenset())
    assert begun_after((intent(may_begin=False),), begun) == {intent().prefix}
    assert begun_after((), begun) == frozenset()


steps = st.lists(
    st.tuples(
        st.sampled_from(["route", "gone", "peer", "path", "stance", "bfd"]), st.integers(0, 5)
    ),
    max_size=20,
)


def changed(world: World, what: str, number: int) -> World:
    """The world after one change."""
    if what == "route":
        new = intent(f"10.0.0.{number}/32", communities=(f"1:{number}",), de_preferred=number > 4)
        others = (route for route in world.routes if route.prefix != new.prefix)
        return replace(world, routes=(*others, new))
    if what == "gone":
        return replace(world, routes=world.routes[1:])
    if what == "peer":
        return replace(world, peers={**world.peers, "router": peer(peer_asn=64512 + number)})
    if what == "path":
        path = replace(PATH, next_hops=NextHops(LOCAL, None)) if number % 2 else PATH
        return replace(world, paths={**world.paths, "router": path})
    if what == "bfd":
        return replace(failed(BfdState.DOWN if number % 2 else BfdState.UP), routes=world.routes)
    return replace(world, stance=list(Stance)[number % 3])


@given(steps)
@settings(max_examples=60, deadline=None)
def test_a_planner_that_remembers_plans_as_one_that_does_not(todo: list[tuple[str, int]]) -> None:
    planner, world = Planner(), WORLD
    for what, number in todo:
        world = changed(world, what, number)
        assert planner.plan(world) == Planner().plan(world)
