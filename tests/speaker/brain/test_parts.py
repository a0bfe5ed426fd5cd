"""The brain's small pure parts: what is told, who we are, what has moved, where it is at home."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from kube.objects import ObjectName, Secret
from kube.snapshot import Snapshot
from speaker.brain.events import against, body, on_conflict, on_move, on_unserved, unserved
from speaker.brain.home import Homes
from speaker.brain.identity import hello_keys, identity
from speaker.brain.moves import HISTORY, Move, Moves
from speaker.brain.prober import outcome_of, path_of
from speaker.brain.silence import HANGS_S, Silence
from speaker.brain.told import Told
from speaker.policy.gates import Protocol
from speaker.policy.health import NODE_PORT, Outcome
from speaker.policy.view import Self
from speaker.seam.messages import (
    AddressForgotten,
    AddressIntent,
    AddressRemoved,
    BfdIntent,
    BfdRemoved,
    ConflictReport,
    Drain,
    HelloKey,
    Identity,
    InterfaceReport,
    OwnerReport,
    OwnerState,
)
from tests.builders import namespace, node, service
from tests.speaker.policy.clusters import VIP, basics, decide, shared

ADDRESS = ip_address(VIP)
KEY = bytes(range(32))


def secret(**data: bytes) -> Secret:
    named = {name.replace("_", "-"): value for name, value in data.items()}
    return Secret(ObjectName("metallb-system", "herald-hello"), "Opaque", named)


class TestTold:
    INTENT = AddressIntent(ADDRESS, ("uid",), ADDRESS)

    def test_what_is_set_twice_is_said_once(self) -> None:
        told = Told()
        assert told.set(self.INTENT) == [self.INTENT]
        assert told.set(self.INTENT) == []

    def test_dropping_says_that_it_is_gone_once(self) -> None:
        told = Told()
        told.set(self.INTENT)
        key = (AddressIntent, ADDRESS)
        assert told.drop(key) == [AddressRemoved(ADDRESS)]
        assert told.drop(key) == []

    def test_replacing_all_of_a_kind_leaves_the_other_kinds(self) -> None:
        told, bfd = Told(), BfdIntent(ip_address("192.168.4.1"))
        told.set(self.INTENT)
        told.set(bfd)
        assert told.replace_all(BfdIntent, []) == [BfdRemoved(bfd.peer)]
        assert told.whole() == [self.INTENT]

    def test_the_whole_says_first_who_we_are(self) -> None:
        told, us = Told(), Identity("node1", "c", ())
        for message in (self.INTENT, Drain(False), us):
            told.set(message)
        assert told.whole() == [us, Drain(False), self.INTENT]


class TestIdentity:
    CLUSTER = namespace("kube-system")

    def found(self, *secrets: Secret, cluster: bool = True) -> Identity | str:
        return identity(
            Self("node1"),
            Snapshot(
                namespaces={"kube-system": self.CLUSTER} if cluster else {},
                secrets={each.name: each for each in secrets},
            ),
        )

    def test_it_is_made_of_the_cluster_and_all_keys(self) -> None:
        keys = secret(key_2=KEY[::-1], key_1=KEY)
        assert self.found(keys) == Identity(
            "node1", "uid-kube-system", (HelloKey(1, KEY.hex()), HelloKey(2, KEY[::-1].hex()))
        )

    @pytest.mark.parametrize(
        ("secrets", "cluster", "word"),
        [
            pytest.param([], True, "start the controller", id="no Secret"),
            pytest.param([secret(key_1=KEY)], False, "Namespace kube-system", id="no cluster"),
            pytest.param([secret(key_1=b"short")], True, "key-N", id="no usable key"),
        ],
    )
    def test_what_is_missing_is_said(self, secrets: list[Secret], cluster: bool, word: str) -> None:
        found = self.found(*secrets, cluster=cluster)
        assert isinstance(found, str)
        assert word in found

    @pytest.mark.parametrize("name", ["key-0", "key-65536", "key-x", "key-١", "other", "key-"])
    def test_odd_entries_are_no_keys(self, name: str) -> None:
        odd = Secret(ObjectName("a", "b"), "Opaque", {name: KEY, "key-7": KEY})
        assert [key.id for key in hello_keys(odd)] == [7]


def report(owner: str, cause: str = "took-vacant", nic: str = "lan0") -> OwnerReport:
    states = {"": OwnerState.VACANT, "node1": OwnerState.OWNED}
    return OwnerReport(ADDRESS, nic, states.get(owner, OwnerState.OTHER), owner, cause)


class TestMoves:
    def test_a_move_names_both_nodes_and_the_cause(self) -> None:
        moves = Moves("node1")
        moves.take(report("node2"), greeting=True, now=1.0)
        move = moves.take(report("node1", "neighbour-died"), greeting=False, now=2.0)
        assert move is not None
        assert (move.before, move.after, move.cause, move.at) == (
            "node2", "node1", "neighbour-died", 2.0,
        )  # fmt: skip

    def test_what_is_said_in_greeting_is_no_move_unless_we_knew_better(self) -> None:
        moves = Moves("node1")
        assert moves.take(report("node1"), greeting=True, now=1.0) is None
        assert moves.take(report("node1"), greeting=True, now=2.0) is None
        assert moves.take(report("node2"), greeting=True, now=3.0) is not None

    def test_why_is_kept_only_of_what_this_node_lost(self) -> None:
        moves = Moves("node1")
        first = moves.take(report("node1"), greeting=False, now=1.0, why="x")
        second = moves.take(report("node2"), greeting=False, now=2.0, why="x")
        assert first is not None
        assert second is not None
        assert (first.why, second.why) == ("", "x")

    def test_a_forgotten_address_begins_anew(self) -> None:
        moves = Moves("node1")
        moves.take(report("node1"), greeting=False, now=1.0)
        moves.forget(AddressForgotten(ADDRESS, "lan0"), greeting=True, now=1.5)
        move = moves.take(report("node1"), greeting=False, now=2.0)
        assert move is not None
        assert move.before == ""

    def test_a_wire_process_that_restarted_and_hears_an_owner_has_seen_no_move(self) -> None:
        moves = Moves("node1")
        moves.take(report("node2"), greeting=True, now=1.0)
        moves.forget(AddressForgotten(ADDRESS, "lan0"), greeting=True, now=2.0)
        for owner, cause in (("", "starting"), ("node2", "neighbour-claims")):
            moves.take(report(owner, cause), greeting=False, now=3.0)
        assert moves.all() == []

        moves.take(report("node3"), greeting=False, now=4.0)
        assert [(move.before, move.after) for move in moves.all()] == [("node2", "node3")]

    @pytest.mark.parametrize("owner", ["node1", "node2"])
    def test_an_address_that_nobody_wants_any_more_is_lost_by_who_had_it(self, owner: str) -> None:
        moves = Moves("node1")
        moves.take(report(owner), greeting=False, now=1.0)
        moves.forget(AddressForgotten(ADDRESS, "lan0", "removed"), greeting=False, now=2.0)
        moves.forget(AddressForgotten(ADDRESS, "lan0", "removed"), greeting=False, now=3.0)
        moves.take(report(owner), greeting=False, now=4.0)
        assert [(m.before, m.after, m.cause, m.at) for m in moves.all()][1:] == [
            (owner, "", "removed", 2.0),
            ("", owner, "took-vacant", 4.0),
        ]

    @pytest.mark.parametrize(("owner", "count"), [("node1", 2), ("node2", 1)])
    def test_a_nics_end_is_no_loss_of_another_node(self, owner: str, count: int) -> None:
        moves = Moves("node1")
        moves.take(report(owner), greeting=False, now=1.0)
        moves.forget(AddressForgotten(ADDRESS, "lan0", "link-down"), greeting=False, now=2.0)
        assert len(moves.all()) == count

    def test_what_a_greeting_leaves_out_is_no_loss(self) -> None:
        moves = Moves("node1")
        moves.take(report("node1"), greeting=True, now=1.0)
        moves.forget(AddressForgotten(ADDRESS, "lan0"), greeting=True, now=2.0)
        assert moves.all() == []

    def test_the_history_is_bounded(self) -> None:
        moves = Moves("node1")
        for number in range(HISTORY + 10):
            moves.take(report(("node1", "node2")[number % 2]), greeting=False, now=number)
        assert len(moves.all()) == HISTORY
        assert moves.all()[-1].at == HISTORY + 9


class TestSilence:
    def test_who_leaves_something_unread_for_long_hangs(self) -> None:
        silence = Silence()
        for now in (1.0, 2.0, 1.0 + HANGS_S, 7.0):
            silence.look("wire", unread=True, now=now)
            silence.look("bgp", unread=False, now=now)
        assert silence.hanging(1.0 + HANGS_S) == {}
        assert silence.hanging(7.0) == {"wire": 6.0}

    def test_who_reads_or_says_something_does_not_hang(self) -> None:
        silence = Silence()
        silence.look("wire", unread=True, now=1.0)
        silence.look("wire", unread=False, now=2.0)
        silence.look("wire", unread=True, now=3.0)
        silence.look("bgp", unread=True, now=1.0)
        silence.heard("bgp")
        assert silence.hanging(7.5) == {}


NICS = [
    InterfaceReport("lan0", True, "", ("192.168.4.101/24", "fd00:4::101/64")),
    InterfaceReport("mgmt0", True, "", ("172.30.4.101/24",)),
    InterfaceReport("down0", False, "no carrier", ("192.168.4.99/24",)),
]


@pytest.mark.parametrize(
    ("address", "nic", "expected"),
    [
        pytest.param("192.168.4.10", "lan0", True, id="its subnet"),
        pytest.param("192.168.4.10", "mgmt0", False, id="another subnet"),
        pytest.param("192.168.4.10", "down0", False, id="a NIC that takes no part"),
        pytest.param("fd00:4::10", "lan0", True, id="IPv6"),
        pytest.param("203.0.113.1", "mgmt0", True, id="a routed address is at home everywhere"),
    ],
)
def test_where_an_address_is_at_home(address: str, nic: str, expected: bool) -> None:
    assert Homes(NICS).counts(ip_address(address), nic) is expected


class TestEvents:
    def test_a_move_keeps_metallbs_words_and_adds_the_cause(self) -> None:
        move = Move(ADDRESS, "lan0", "node2", "node1", "neighbour-died", 7, 1.0)
        event = on_move(move, service("web"), Protocol.LAYER2)
        assert event.reason == "nodeAssigned"
        assert event.message.startswith('announcing from node "node1" with protocol "layer2"')
        assert 'before on node "node2" (neighbour-died)' in event.message

    def test_a_stranger_is_a_warning_that_names_its_mac(self) -> None:
        conflict = ConflictReport(ADDRESS, "lan0", "02:00:00:00:00:01")
        event = on_conflict(conflict, service("web"), "node1")
        assert event.warning
        assert "02:00:00:00:00:01" in event.message

    def test_the_body_is_an_event_of_the_service(self) -> None:
        event = on_conflict(ConflictReport(ADDRESS, "lan0", "x"), service("a/web"), "node1")
        made = body(event, name="web.1", node="node1", timestamp="2026-01-01T00:00:00Z")
        assert made["metadata"]["namespace"] == "a"
        assert made["involvedObject"]["uid"] == "uid-a/web"
        assert made["type"] == "Warning"

    def test_a_sharer_without_any_endpoint_is_no_conflict(self) -> None:
        decision = decide(*shared("node1", ""))
        assert decision.uncounted
        assert unserved(decision) == []

    def test_a_sharer_that_is_not_served_hears_of_it(self) -> None:
        decision = decide(*shared("node1", "node2"))
        [young] = unserved(decision)
        event = on_unserved(decision, young, service("young"), "node1")
        assert event.service == young
        assert "shared with default/old" in event.message
        assert "no usable endpoint is on node node1" in event.message

    @pytest.mark.parametrize(
        ("state", "word"),
        [
            pytest.param(basics(), "", id="nothing"),
            pytest.param(basics()[:-1], "Service default/web: none of its endpoints", id="a gate"),
            pytest.param(
                [node("node1", annotations={"herald.io/drain": "true"}), *basics()[1:]],
                "Node node1: the annotation",
                id="a drain",
            ),
        ],
    )
    def test_what_stands_against_an_address(self, state: list[Any], word: str) -> None:
        found = against(decide(*state))
        assert found.startswith(word)
        assert bool(found) is bool(word)


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", Outcome.OK, id="200"),
        pytest.param(b"HTTP/1.0 503 Service Unavailable\r\n", Outcome.REFUSED_SERVICE, id="503"),
        pytest.param(b"HTTP/1.1 2000 OK\r\n", Outcome.REFUSED_SERVICE, id="2000"),
        pytest.param(b"", Outcome.NO_ANSWER, id="closed at once"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", Outcome.NO_ANSWER, id="something else"),
        pytest.param(b"HTTP/1.1\r\n", Outcome.NO_ANSWER, id="half a line"),
    ],
)
def test_what_a_status_line_says(line: bytes, outcome: Outcome) -> None:
    assert outcome_of(line) is outcome


def test_the_node_port_has_a_page_of_its_own() -> None:
    assert (path_of(NODE_PORT), path_of(31000)) == ("/healthz", "/")


def test_a_told_route_is_dropped_by_its_prefix() -> None:
    assert Told().drop((AddressIntent, ip_network("10.0.0.0/8"))) == []
