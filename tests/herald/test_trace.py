"""What the command says of real brains' pages."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from herald.trace import addresses, trace
from herald.troubles import dropped, faults, troubles
from herald.words import DROPPED, ORDINARY, TAKEN, words
from speaker.bfd.packet import DropReason as BfdDrop
from speaker.brain.status import DROPS
from speaker.hello.packet import DropReason
from speaker.l2.cause import Cause
from speaker.l2.ethernet import FrameDrop
from speaker.policy.view import EXCLUDE_LABEL
from speaker.seam.messages import (
    BgpFault,
    ConflictReport,
    SessionReport,
    SessionState,
)
from tests.builders import bgp_peer, node
from tests.herald.pages import ADDRESS, owner, page
from tests.speaker.policy.clusters import VIP, basics

UP = SessionReport("router", SessionState.UP, announced=(ip_network(f"{VIP}/32"),))
MINE = {"node1": owner("owned", "node1"), "node2": owner("other", "node1", "neighbour-claims")}


def pages(*objects: Any, **more: Any) -> dict[str, Any]:
    state = [*basics(), *objects]
    return {name: page(name, state, wire=[report], **more) for name, report in MINE.items()}


def test_who_answers_and_who_leaves_it_to_whom() -> None:
    found = trace(pages(), VIP, "layer2")

    assert found.active == ("node1",)
    assert found.services == ("default/web",)
    assert [each.does for each in found.nodes] == [
        "answers on lan0 (nobody had it, and this node's turn came first)",
        "leaves it to node1 on lan0 (another node holds it)",
    ]
    assert found.well


def test_a_closed_gate_is_shown_with_what_opens_it() -> None:
    excluded = [node("node1", {EXCLUDE_LABEL: ""}), *basics()[1:]]
    found = trace({"node1": page("node1", excluded)}, VIP, "layer2")

    assert not found.nodes[0].may
    gate = found.nodes[0].closed[0]
    assert (gate["gate"], gate["object"]) == ("node-not-excluded", "Node node1")
    assert EXCLUDE_LABEL in gate["field"]


def test_gates_that_were_not_looked_at_are_neither_open_nor_closed() -> None:
    found = trace({"node1": page("node1", basics()[:-1])}, VIP, "layer2")

    assert {g["gate"]: g["open"] for g in found.nodes[0].gates}["health-check"] is None
    assert [g["gate"] for g in found.nodes[0].closed] == ["endpoint"]


def test_an_owner_off_the_subnet_does_not_count_beside_one_at_home() -> None:
    both = pages()
    both["node2"] = page(
        "node2", basics(), wire=[MINE["node2"], owner("owned", "node2", nic="pods0")]
    )

    assert trace(both, VIP, "layer2").active == ("node1",)


def test_an_owner_off_the_subnet_counts_when_there_is_no_other() -> None:
    only = {"node2": page("node2", basics(), wire=[owner("owned", "node2", nic="pods0")])}

    assert trace(only, VIP, "layer2").active == ("node2",)


def test_a_route_is_announced_when_its_session_has_it() -> None:
    found = trace(pages(bgp_peer(), bgp=[UP]), VIP, "bgp")
    assert found.active == ("node1", "node2")
    assert found.nodes[0].does == f"announces {VIP}/32 to router"

    waiting = trace(pages(bgp_peer()), VIP, "bgp")
    assert waiting.active == ()
    assert "no session" in waiting.nodes[0].does


def test_all_addresses_are_listed_by_protocol() -> None:
    assert [(each.address, each.protocol) for each in addresses(pages())] == [
        (VIP, "bgp"), (VIP, "layer2"),
    ]  # fmt: skip


def test_every_cause_has_words() -> None:
    assert TAKEN.keys() == set(Cause)
    assert words("something-newer") == "something-newer"


def test_a_healthy_cluster_has_no_troubles() -> None:
    assert troubles(pages(bgp_peer(), bgp=[UP])) == []


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        pytest.param({"node1": None}, "its brain does not answer", id="no brain"),
        pytest.param(pages(age_s=30.0), "has not heard from the API server for 30 s", id="old"),
        pytest.param(
            pages(bgp=[SessionReport("router", SessionState.DOWN, "refused")]),
            "BGP session with router is down: refused",
            id="session",
        ),
        pytest.param(pages(bgp=[BgpFault("router", "no next hop")]), "no next hop", id="fault"),
        pytest.param(
            {"node1": page("node1", basics(), wire=[ConflictReport(ADDRESS, "lan0", "02:01")])},
            f"02:01 answers for {VIP} on lan0",
            id="stranger",
        ),
        pytest.param(
            {"node1": page("node1", basics())},
            f"{VIP}: no node announces it by layer2",
            id="nobody",
        ),
        pytest.param(
            pages(bgp_peer(passwordSecret={"name": "gone"})), "spec.passwordSecret", id="Secret"
        ),
    ],
)
def test_each_trouble_is_a_sentence(found: dict[str, Any], sentence: str) -> None:
    assert any(sentence in each for each in troubles(found)), troubles(found)


def test_a_fault_that_all_nodes_see_is_told_once() -> None:
    found = pages(bgp_peer(passwordSecret={"name": "gone"}))

    assert len(faults(found)) == 1


def test_addresses_are_compared_as_numbers() -> None:
    assert ip_address(VIP) == ADDRESS


def test_what_a_node_was_sent_in_vain_is_told_in_words() -> None:
    counted = {
        "wire": {
            "herald_wire_dropped:interface=lan0,part=hello,reason=bad-hmac": 3.0,
            "herald_wire_dropped:interface=lan0,part=hello,reason=other-cluster": 2.0,
            "herald_wire_dropped:interface=lan0,part=hello,reason=too-short": 1.0,
            "herald_wire_dropped:interface=lan0,part=hello,reason=malformed": 1.0,
            "herald_wire_dropped:interface=lan0,part=hello,reason=own": 9.0,
            "herald_wire_dropped:interface=lan0,part=frame,reason=truncated": 4.0,
            "herald_wire_bfd_dropped:reason=bad-length": 5.0,
            "herald_wire_seam_faults:reason=not-json": 6.0,
            "herald_wire_stalls": 1.0,
        },
        "bgp": {"herald_seam_faults_total:fault=out-of-step": 7.0},
        "brain": {"herald_watch_breaks:reason=Service": 8.0},
    }
    found = {"node1": page("node1", basics(), counted=counted), "node2": page("node2", basics())}

    assert [each.partition(",")[0] for each in dropped(found)] == [
        "node1: wire has dropped 3 on lan0",
        "node1: wire has dropped 2 on lan0",
        "node1: wire has dropped 2 on lan0",
        "node1: wire has dropped 4 on lan0",
        "node1: wire has dropped 5",
        "node1: wire has dropped 6",
        "node1: bgp has dropped 7",
        "node1: brain has dropped 8",
    ]
    assert "herald-hello" in dropped(found)[0]
    assert "another cluster" in dropped(found)[1]


def test_every_reason_to_drop_has_words() -> None:
    known = {reason for part, reason in DROPPED if part == "hello" and reason}

    reasons = {each.value for enum in (DropReason, FrameDrop, BfdDrop) for each in enum}
    assert known | ORDINARY <= reasons
    assert {part for part, reason in DROPPED if not reason} == set(DROPS.values()) | {"hello"}
