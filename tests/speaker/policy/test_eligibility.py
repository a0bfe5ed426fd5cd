"""Every gate of the API's truth: what closes it, and which object and field would open it."""

from typing import Any

import pytest

from kube.objects import Endpoint, EndpointSlice, ObjectName
from speaker.policy.gates import EVERYWHERE, MEANINGS, Gate, Protocol
from speaker.policy.view import EXCLUDE_LABEL, Self
from tests.builders import (
    bgp_advertisement,
    endpoints,
    l2_advertisement,
    node,
    pool,
    service,
)
from tests.speaker.policy.clusters import VIP, basics, decide, gates

BOTH = list(Protocol)


def without(*kinds: type, **changes: Any) -> list[Any]:
    return [each for each in basics(**changes) if not isinstance(each, kinds)]


@pytest.mark.parametrize("protocol", BOTH)
def test_all_gates_are_open_for_an_ordinary_service(protocol: Protocol) -> None:
    decision = decide(*basics(), protocol=protocol)

    assert decision.may
    assert decision.pool == "first"
    assert [ad.name for ad in decision.advertisements] == [
        "l2" if protocol is Protocol.LAYER2 else "bgp"
    ]


CASES = [
    pytest.param(
        [*basics(load_balancer_class="other")],
        Gate.CLASS,
        ("Service default/web", "spec.loadBalancerClass"),
        id="another class",
    ),
    pytest.param(
        [*without(type(pool("x", "10.0.0.0/8"))), pool("other", "10.0.0.0/8")],
        Gate.POOL,
        ("IPAddressPool", "spec.addresses"),
        id="no pool holds the address",
    ),
    pytest.param(
        [*basics()[:3], l2_advertisement(ipAddressPools=["other"]), *basics()[5:]],
        Gate.ADVERTISEMENT,
        ("L2Advertisement", "spec.ipAddressPools"),
        id="no advertisement selects the pool",
    ),
    pytest.param(
        [
            *basics()[:3],
            l2_advertisement(serviceSelectors=[{"matchLabels": {"app": "x"}}]),
            *basics()[5:],
        ],
        Gate.SERVICE_SELECTED,
        ("L2Advertisement l2", "spec.serviceSelectors"),
        id="no advertisement selects the Service",
    ),
    pytest.param(
        [
            *basics()[:3],
            l2_advertisement(nodeSelectors=[{"matchLabels": {"rack": "2"}}]),
            *basics()[5:],
        ],
        Gate.NODE_SELECTED,
        ("L2Advertisement l2", "spec.nodeSelectors"),
        id="no advertisement selects the node",
    ),
    pytest.param(
        [node("node1", network_unavailable=True), *basics()[1:]],
        Gate.NODE_NETWORK,
        ("Node node1", "status.conditions[NetworkUnavailable]"),
        id="the node's network is unavailable",
    ),
    pytest.param(
        [node("node1", {EXCLUDE_LABEL: "false"}), *basics()[1:]],
        Gate.NODE_NOT_EXCLUDED,
        ("Node node1", f"metadata.labels[{EXCLUDE_LABEL}]"),
        id="the exclude label, whatever its value",
    ),
    pytest.param(
        basics()[1:],
        Gate.NODE_KNOWN,
        ("Node node1", "metadata.name"),
        id="the API server has no such Node",
    ),
    pytest.param(
        [*basics()[:-1]],
        Gate.ENDPOINT,
        ("Service default/web", "spec.selector"),
        id="no endpoint at all",
    ),
    pytest.param(
        [*basics()[:-1], endpoints("web", "node1", ready=False)],
        Gate.ENDPOINT,
        ("Service default/web", "spec.selector"),
        id="no endpoint is ready or serving",
    ),
    pytest.param(
        [*basics(traffic_policy="Local")[:-1], endpoints("web", "node2")],
        Gate.LOCAL_ENDPOINT,
        ("Service default/web", "spec.externalTrafficPolicy"),
        id="policy Local and endpoints elsewhere only",
    ),
]


@pytest.mark.parametrize(("state", "gate", "opener"), CASES)
def test_a_closed_gate_names_what_would_open_it(
    state: list[Any], gate: Gate, opener: tuple[str, str]
) -> None:
    decision = decide(*state)

    assert gates(decision) == [gate]
    withheld = decision.closed[0]
    assert (withheld.object, withheld.field) == opener
    assert len(withheld.sentence) > 20
    assert decision.wanted is (gate not in EVERYWHERE)


def test_all_closed_gates_are_named_at_once() -> None:
    state = [node("node1", {EXCLUDE_LABEL: ""}, network_unavailable=True), *basics()[1:-1]]

    assert gates(decide(*state)) == [Gate.NODE_NETWORK, Gate.NODE_NOT_EXCLUDED, Gate.ENDPOINT]


def test_the_exclude_label_can_be_ignored_by_flag() -> None:
    state = [node("node1", {EXCLUDE_LABEL: ""}), *basics()[1:]]

    assert decide(*state, own=Self("node1", ignore_exclude_label=True)).may


def test_a_class_of_our_own_serves_that_class_only() -> None:
    own = Self("node1", lb_class="example.com/herald")

    assert decide(*basics(load_balancer_class="example.com/herald"), own=own).may
    assert gates(decide(*basics(), own=own)) == [Gate.CLASS]


def test_a_shared_address_and_service_selectors_exclude_each_other_in_l2() -> None:
    selecting: dict[str, Any] = {"serviceSelectors": [{"matchLabels": {"app": "web"}}]}
    shared = service(
        "web",
        ingress=[VIP],
        labels={"app": "web"},
        annotations={"metallb.universe.tf/allow-shared-ip": ""},
    )
    state = [
        *basics()[:3],
        l2_advertisement(**selecting),
        bgp_advertisement(**selecting),
        shared,
        endpoints("web", "node1"),
    ]

    assert gates(decide(*state)) == [Gate.SHARED_SELECTORS]
    assert decide(*state, protocol=Protocol.BGP).may


@pytest.mark.parametrize(
    ("ready", "serving", "terminating", "usable"),
    [
        pytest.param(True, True, False, True, id="ready"),
        pytest.param(True, False, False, True, id="ready but not serving"),
        pytest.param(False, True, True, True, id="serving while terminating"),
        pytest.param(False, True, False, True, id="serving"),
        pytest.param(False, False, True, False, id="terminating"),
    ],
)
def test_which_endpoints_are_usable(
    ready: bool, serving: bool, terminating: bool, usable: bool
) -> None:
    endpoint = Endpoint(("10.244.0.1",), "node1", ready, serving, terminating)
    slices = EndpointSlice(ObjectName("default", "s"), "web", "IPv4", (endpoint,))

    assert decide(*basics(traffic_policy="Local")[:-1], slices).may is usable


def test_an_endpoint_without_a_node_counts_for_cluster_but_never_for_local() -> None:
    endpoint = EndpointSlice(
        ObjectName("default", "s"), "web", "IPv4", (Endpoint(("10.244.0.1",)),)
    )

    assert decide(*basics()[:-1], endpoint).may
    assert gates(decide(*basics(traffic_policy="Local")[:-1], endpoint)) == [Gate.LOCAL_ENDPOINT]


def test_one_advertisement_must_select_node_and_service_together() -> None:
    state = [
        *basics()[:3],
        l2_advertisement("a", nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": "node1"}}],
                         serviceSelectors=[{"matchLabels": {"app": "x"}}]),
        l2_advertisement("b", nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": "node2"}}]),
        *basics()[5:],
    ]  # fmt: skip

    assert gates(decide(*state)) == [Gate.NODE_SELECTED]


def test_every_gate_has_a_meaning() -> None:
    assert MEANINGS.keys() == set(Gate)


WRITTEN = {"metallb.io/ip-allocated-from-pool": "first"}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="all pools"),
        pytest.param({"ipAddressPools": ["first"]}, id="by name"),
        pytest.param({"ipAddressPoolSelectors": [{"matchLabels": {"a": "b"}}]}, id="by label"),
    ],
)
def test_an_address_outlives_its_pool(spec: dict[str, Any]) -> None:
    web = service("web", ingress=[VIP], annotations=WRITTEN)
    state = [node("node1"), l2_advertisement(**spec), web, endpoints("web", "node1")]

    decision = decide(*state)

    assert decision.may
    assert decision.pool == "first"


def test_an_orphan_keeps_to_the_advertisements_of_its_own_pool() -> None:
    web = service("web", ingress=[VIP], annotations=WRITTEN)
    state = [
        node("node1"),
        pool("other", "10.0.0.0/8"),
        l2_advertisement(ipAddressPools=["other"]),
        web,
        endpoints("web", "node1"),
    ]

    assert gates(decide(*state)) == [Gate.ADVERTISEMENT]
