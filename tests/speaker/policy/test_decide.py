"""Sharers, drain and health: what a decision adds to the API's truth."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from kube.objects import Endpoint, EndpointSlice, ObjectName, Service, ServicePort
from speaker.policy.decide import Verdicts
from speaker.policy.gates import Gate, Protocol
from speaker.policy.health import NODE_PORT, Verdict
from speaker.policy.intents import address_intent, expected_nodes
from speaker.policy.view import EXCLUDE_LABEL, Self
from tests.builders import endpoints, l2_advertisement, node, service
from tests.speaker.policy.clusters import (
    VIP,
    basics,
    decide,
    gates,
    shared,
    speaker_pod,
    view,
)

CHECK = 31000


def test_sharers_need_a_node_that_suits_all_of_them() -> None:
    assert decide(*shared("node1", "node1")).may


def test_a_node_that_suits_fewer_sharers_than_another_stays_off() -> None:
    state = shared("node1", "node1")
    both_on_node2 = [each for each in state if not isinstance(each, EndpointSlice)]
    both_on_node2 += [endpoints("old", "node1", "node2"), endpoints("young", "node2")]

    decision = decide(*both_on_node2)

    assert gates(decision) == [Gate.SHARERS]
    assert decision.closed[0].object == "Node node2"


def test_without_a_node_for_all_sharers_the_most_count_and_the_rest_is_named() -> None:
    decision = decide(*shared("node1", "node2"))

    assert decision.may
    assert decision.uncounted == (ObjectName("default", "young"),)


def test_a_sharer_without_endpoints_does_not_take_the_address_from_the_other() -> None:
    assert decide(*shared("node1", "", traffic_policy="Cluster")).may


def rivals(**younger: object) -> list[object]:
    """Two Services on one address; the younger one could be served on node2 only."""
    old, young = (each for each in shared("node1", "node2") if isinstance(each, Service))
    rest = [each for each in shared("node1", "node2") if not isinstance(each, Service)]
    return [*rest, old, replace(young, **younger)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "younger",
    [
        pytest.param({"annotations": {}}, id="no key"),
        pytest.param({"annotations": {"metallb.io/allow-shared-ip": "l"}}, id="another key"),
        pytest.param({"ports": (ServicePort("TCP", 80),)}, id="the same port"),
        pytest.param({"selector": {"app": "x"}}, id="other backends"),
    ],
)
def test_who_may_not_share_the_address_with_an_older_service_does_not_count(
    younger: dict[str, object],
) -> None:
    young = ObjectName("default", "young")
    here, there = decide(*rivals(**younger)), decide(*rivals(**younger), own=Self("node2"))

    assert here.may
    assert here.uncounted == (young,)
    assert [gate.gate for gate in here.services[1].closed] == [Gate.DOUBLE]
    assert not there.may
    assert gates(there) == [Gate.LOCAL_ENDPOINT]


def test_older_service_of_another_class_takes_no_address_from_ours() -> None:
    old, young = (each for each in shared("node1", "node1") if isinstance(each, Service))
    rest = [each for each in shared("node1", "node1") if not isinstance(each, Service)]
    theirs = replace(old, load_balancer_class="other.example/lb", annotations={})

    decision = decide(*rest, theirs, young)

    assert decision.may
    assert decision.uncounted == (old.name,)


def test_only_nodes_with_a_speaker_are_compared() -> None:
    state = [
        *(each for each in shared("node1", "node1") if not isinstance(each, EndpointSlice)),
        endpoints("old", "node1", "node2"),
        endpoints("young", "node2"),
        speaker_pod("node1"),
    ]

    assert decide(*state).may


def test_the_rank_key_is_the_first_address_of_the_oldest_service() -> None:
    old = service("old", ingress=["192.168.4.11", VIP], created="2025-01-01T00:00:00Z")
    state = [*basics(), old, endpoints("old", "node1")]

    assert decide(*state).rank_key == ip_address("192.168.4.11")


def test_a_drained_node_may_but_hands_over() -> None:
    state = [node("node1", annotations={"herald.io/drain": "true"}), *basics()[1:]]
    decision = decide(*state)

    assert decision.may
    assert decision.drained is not None
    assert decision.drained.gate is Gate.NODE_NOT_DRAINING


def local(*nodes: str) -> list[Any]:
    state = basics(traffic_policy="Local", health_check_node_port=CHECK)[:-1]
    return [*state, endpoints("web", *nodes)]


L2, BGP = Protocol.LAYER2, Protocol.BGP
OPEN, FAILED, SILENT, UNPROVEN = Verdict.OPEN, Verdict.FAILED, Verdict.SILENT, Verdict.UNPROVEN


@pytest.mark.parametrize(
    ("protocol", "state", "verdicts", "expected"),
    [
        pytest.param(L2, basics(), {NODE_PORT: OPEN}, "fit", id="l2 open"),
        pytest.param(L2, basics(), {NODE_PORT: FAILED}, "last resort", id="l2 failed"),
        pytest.param(L2, basics(), {NODE_PORT: SILENT}, "last resort", id="l2 silent"),
        pytest.param(L2, basics(), {}, "keep", id="l2 unproven"),
        pytest.param(L2, basics(), None, "fit", id="l2 gates off"),
        pytest.param(BGP, basics(), {NODE_PORT: FAILED}, "de-preferred", id="bgp cluster failed"),
        pytest.param(BGP, basics(), {NODE_PORT: SILENT}, "de-preferred", id="bgp silent"),
        pytest.param(BGP, basics(), {NODE_PORT: UNPROVEN}, "keep", id="bgp unproven"),
        pytest.param(L2, local("node1"), {NODE_PORT: FAILED, CHECK: OPEN}, "fit", id="own port"),
        pytest.param(L2, local("node1"), {CHECK: FAILED}, "last resort", id="l2 local failed"),
        pytest.param(
            BGP, local("node1", "node2"), {CHECK: FAILED}, "withdrawn", id="bgp: another serves"
        ),
        pytest.param(
            BGP, local("node1"), {CHECK: FAILED}, "de-preferred", id="bgp: nobody else serves"
        ),
        pytest.param(
            BGP, local("node1", "node2"), {CHECK: SILENT}, "de-preferred", id="bgp local silent"
        ),
    ],
)
def test_what_a_health_verdict_does(
    protocol: Protocol, state: list[Any], verdicts: Verdicts | None, expected: str
) -> None:
    decision = decide(*state, protocol=protocol, verdicts=verdicts)

    assert {
        "fit": decision.may and decision.may_begin and decision.de_preferred is None,
        "keep": decision.may and not decision.may_begin,
        "last resort": not decision.may and decision.last_resort,
        "withdrawn": not decision.may and not decision.last_resort,
        "de-preferred": decision.may and decision.de_preferred is not None,
    }[expected]
    if not decision.may:
        assert gates(decision) == [Gate.HEALTH]


def finishing(*more: Any) -> list[Any]:
    """A Local Service whose endpoint on node1 serves on while it terminates."""
    last = Endpoint(("10.244.0.1",), "node1", ready=False, serving=True, terminating=True)
    slices = EndpointSlice(ObjectName("default", "old"), "web", "IPv4", (last,))
    return [*basics(traffic_policy="Local")[:-1], slices, *more]


def test_a_node_whose_endpoints_terminate_hands_over_to_one_with_a_ready_endpoint() -> None:
    state = finishing(endpoints("web", "node2"))
    decision = decide(*state)

    assert gates(decision) == [Gate.LOCAL_ENDPOINT]
    assert decision.last_resort
    assert "node2" in decision.closed[0].sentence
    withdrawn = decide(*state, protocol=BGP)
    assert gates(withdrawn) == [Gate.LOCAL_ENDPOINT]
    assert not withdrawn.last_resort


@pytest.mark.parametrize("protocol", [L2, BGP], ids=["l2", "bgp"])
@pytest.mark.parametrize(
    "more",
    [
        pytest.param([], id="no other endpoint"),
        pytest.param([endpoints("web", "node2", ready=False, serving=True)], id="others end too"),
        pytest.param([endpoints("web", "node3")], id="a node nobody knows"),
        pytest.param(
            [node("node2", {EXCLUDE_LABEL: ""}), endpoints("web", "node2")], id="an excluded node"
        ),
        pytest.param(
            [speaker_pod("node1"), endpoints("web", "node2")], id="a node without a speaker"
        ),
    ],
)
def test_endpoints_that_terminate_are_used_while_nobody_can_do_better(
    protocol: Protocol, more: list[Any]
) -> None:
    assert decide(*finishing(*more), protocol=protocol).may


def test_health_never_reopens_what_the_api_closed() -> None:
    decision = decide(*basics()[:-1], verdicts={NODE_PORT: FAILED})

    assert gates(decision) == [Gate.ENDPOINT]
    assert not decision.last_resort


def test_a_local_service_without_a_health_port_is_not_asked() -> None:
    assert decide(*basics(traffic_policy="Local"), verdicts={}).may_begin


def test_a_service_with_no_address_is_nobodys_matter() -> None:
    with pytest.raises(AssertionError):
        decide(*basics(), address="192.168.4.19")


def test_an_intent_says_what_the_decision_says() -> None:
    state = [
        *basics()[:3],
        l2_advertisement("a", interfaces=["lan1", "lan0"]),
        l2_advertisement("b", interfaces=["lan2"]),
        *basics()[5:],
    ]
    intent = address_intent(view(*state), decide(*state))

    assert intent is not None
    assert intent.interfaces == ("lan0", "lan1", "lan2")
    assert intent.service_uids == ("uid-web",)
    assert intent.fit


def test_one_advertisement_without_interfaces_means_all() -> None:
    state = [*basics()[:3], l2_advertisement("a", interfaces=["x"]), l2_advertisement("b")]
    state += basics()[5:]
    intent = address_intent(view(*state), decide(*state))

    assert intent is not None
    assert intent.interfaces == ()


def test_what_nobody_wants_is_no_intent() -> None:
    state = [each for each in basics() if each.name != l2_advertisement().name]

    assert address_intent(view(*state), decide(*state)) is None


def test_a_refusal_is_an_intent_with_its_gates() -> None:
    state = basics()[:-1]
    intent = address_intent(view(*state), decide(*state))

    assert intent is not None
    assert (intent.fit, intent.closed_gates) == (False, ("endpoint",))


def test_an_endpoint_needs_an_address_to_be_ready_elsewhere() -> None:
    bare = EndpointSlice(ObjectName("default", "x"), "web", "IPv4", (Endpoint((), "node2"),))
    decision = decide(*local("node1"), bare, protocol=BGP, verdicts={CHECK: FAILED})

    assert decision.may


def test_expected_are_the_other_nodes_with_a_speaker() -> None:
    state = [
        node("node1"),
        node("node2", internal_ips=(ip_address("192.168.4.102"),)),
        node("node3"),
        *(speaker_pod(name) for name in ("node1", "node2", "gone")),
    ]

    assert [each.node for each in expected_nodes(view(*state))] == ["node2"]
