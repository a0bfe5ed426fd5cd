"""Deciding only what is dirty gives what deciding everything from scratch gives."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.configuration import Configuration
from kube.snapshot import Kind
from kube.validation import usable
from speaker.policy.deciding import Deciding
from speaker.policy.gates import Protocol
from speaker.policy.health import NODE_PORT, Verdict
from speaker.policy.view import EXCLUDE_LABEL
from tests.builders import (
    bgp_advertisement,
    bgp_peer,
    endpoints,
    l2_advertisement,
    node,
    pool,
    service,
)
from tests.expand import State, histories
from tests.speaker.policy.clusters import (
    ME,
    VIP,
    basics,
    feed,
    flush_all,
    flush_at_the_end,
    flush_one,
    snapshot,
    speaker_pod,
)

OTHER = "192.168.4.11"
LOCAL = {"traffic_policy": "Local"}
FLUSHES = [flush_all, flush_one, flush_at_the_end]

STORIES: dict[str, list[State]] = {
    "an endpoint comes and goes": [
        (*basics(),),
        (*basics(**LOCAL)[:-1], endpoints("web", "node2")),
        (*basics(**LOCAL),),
    ],
    "an address moves to another Service": [
        (*basics(), bgp_peer()),
        (*basics()[:5], bgp_peer(), service("next", ingress=[VIP]), endpoints("next", "node1")),
    ],
    "two Services come to share an address": [
        (*basics(), bgp_peer()),
        (
            *basics(),
            bgp_peer(),
            service("dns", ingress=[VIP, OTHER], created="2025-01-01T00:00:00Z"),
            endpoints("dns", "node1", "node2"),
        ),
    ],
    "the node is excluded and comes back": [
        (*basics(),),
        (node("node1", {EXCLUDE_LABEL: ""}), *basics()[1:]),
        (*basics(),),
    ],
    "all advertisements and peers go": [
        (*basics(), bgp_peer()),
        (*basics()[:3], *basics()[5:]),
    ],
    "aggregation changes under two Services": [
        (*basics(), bgp_peer(), service("b", ingress=[OTHER]), endpoints("b", "node1")),
        (
            *basics()[:4],
            bgp_advertisement(aggregationLength=28),
            *basics()[5:],
            bgp_peer(),
            service("b", ingress=[OTHER]),
            endpoints("b", "node1"),
        ),
    ],
    "speakers come": [
        (*basics(),),
        (*basics(), speaker_pod("node1"), speaker_pod("node2")),
    ],
    "a Service stops being a load balancer": [
        (*basics(),),
        (*basics()[:5], service("web", type="ClusterIP", ingress=[VIP]), endpoints("web", "node1")),
    ],
    "everything goes": [(*basics(), bgp_peer()), ()],
}


@pytest.mark.parametrize("flush", FLUSHES, ids=lambda each: str(each.__name__))
@pytest.mark.parametrize("story", STORIES)
def test_every_history_ends_in_the_same_decisions(
    story: str, flush: Callable[[Deciding, bool], None]
) -> None:
    states = STORIES[story]
    expected = feed([states[-1]], flush_all)

    for name, history in histories(states):
        assert feed(history, flush) == expected, name


ADDRESSES = st.lists(st.sampled_from([VIP, OTHER, "192.168.4.12"]), max_size=2, unique=True)
NODES = st.lists(st.sampled_from(["node1", "node2"]), max_size=2, unique=True)
SERVICES = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    ADDRESSES,
    NODES,
    st.sampled_from(["Cluster", "Local"]),
    st.integers(1, 3),
)


def cluster(services: list[Any], excluded: bool, advertised: bool) -> State:
    state: list[Any] = [
        node("node1", {EXCLUDE_LABEL: ""} if excluded else {}),
        node("node2"),
        pool("first", "192.168.4.10-192.168.4.20"),
        bgp_peer(),
        bgp_advertisement(aggregationLength=30),
    ]
    state += [l2_advertisement()] if advertised else []
    for name, addresses, nodes, policy, day in services:
        created = f"2026-01-0{day}T00:00:00Z"
        state += [
            service(name, ingress=addresses, traffic_policy=policy, created=created),
            endpoints(name, *nodes),
        ]
    return tuple(state)


STATES = st.builds(
    cluster, st.lists(SERVICES, max_size=3, unique_by=lambda s: s[0]), st.booleans(), st.booleans()
)


@given(st.lists(STATES, min_size=1, max_size=4), st.sampled_from(FLUSHES))
@settings(max_examples=40, deadline=None)
def test_deciding_the_dirty_equals_deciding_everything(
    states: list[State], flush: Callable[[Deciding, bool], None]
) -> None:
    assert feed(states, flush) == feed([states[-1]], flush_all)


def decided(*state: Any, listed: frozenset[Kind] = frozenset(Kind)) -> Deciding:
    deciding, made = Deciding(ME), snapshot(*state, listed=listed)
    deciding.update(made, usable(made)[0], made.services)
    deciding.step({}, lambda: True)
    return deciding


def test_a_slice_of_time_decides_a_part_and_leaves_the_rest() -> None:
    state = [*basics(), service("b", ingress=[OTHER]), endpoints("b", "node1")]
    deciding, made = Deciding(ME), snapshot(*state)
    deciding.update(made, usable(made)[0], made.services)
    turns = iter([True])

    changed, _ = deciding.step(None, lambda: next(turns, False))

    assert len({each.address for each in changed}) == 1
    assert deciding.dirty


@pytest.mark.parametrize("missing", [Kind.L2_ADVERTISEMENT, Kind.BGP_PEER, Kind.BGP_ADVERTISEMENT])
def test_a_missing_kind_stops_only_its_own_protocol(missing: Kind) -> None:
    deciding = decided(*basics(), bgp_peer(), listed=frozenset(Kind) - {missing})
    stopped = Protocol.LAYER2 if missing is Kind.L2_ADVERTISEMENT else Protocol.BGP

    assert deciding.missing(stopped) == (missing,)
    assert {protocol for protocol, _ in deciding.decisions} == set(Protocol) - {stopped}


@pytest.mark.parametrize("missing", [Kind.SERVICE, Kind.ENDPOINT_SLICE, Kind.NODE])
def test_nothing_is_decided_on_what_is_not_known(missing: Kind) -> None:
    assert not decided(*basics(), listed=frozenset(Kind) - {missing}).decisions


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        pytest.param({"passwordSecret": {"name": "x"}}, Kind.SECRET, id="a password"),
        pytest.param({"bfdProfile": "x"}, Kind.BFD_PROFILE, id="a BFD profile"),
    ],
)
def test_bgp_waits_for_what_its_peers_refer_to(changes: dict[str, Any], kind: Kind) -> None:
    without = frozenset(Kind) - {kind}

    assert decided(*basics(), bgp_peer(), listed=without).started(Protocol.BGP)
    assert decided(*basics(), bgp_peer(**changes), listed=without).missing(Protocol.BGP) == (kind,)


def test_only_the_health_ports_of_what_is_open_here_are_wanted() -> None:
    here = service("here", ingress=[VIP], health_check_node_port=31001, **LOCAL)
    there = service("there", ingress=[OTHER], health_check_node_port=31002, **LOCAL)
    state = [*basics()[:5], here, there, endpoints("here", "node1"), endpoints("there", "node2")]

    assert decided(*state).wanted_ports() == {NODE_PORT, 31001}


def test_a_verdict_dirties_the_addresses_that_ask_its_port() -> None:
    deciding = decided(*basics())

    deciding.mark_ports([31001])
    assert not deciding.dirty
    deciding.mark_ports([NODE_PORT])
    changed, _ = deciding.step({NODE_PORT: Verdict.OPEN}, lambda: True)
    assert [each.after.may_begin for each in changed if each.after] == [True, True]


def test_an_unchanged_cluster_changes_no_decision() -> None:
    deciding = decided(*basics(), bgp_peer())
    made = snapshot(*basics(), bgp_peer())

    deciding.update(made, usable(made)[0], made.services)

    assert deciding.step({}, lambda: True)[0] == []


def test_an_empty_configuration_withdraws_by_naming_the_gate() -> None:
    deciding = decided(*basics())
    deciding.update(deciding.view.snapshot, Configuration(), ())

    changed, _ = deciding.step({}, lambda: True)

    withheld = {each.protocol for each in changed if each.after and not each.after.may}
    assert withheld == set(Protocol)
