"""The façade: keys, recordings, caps, pace, and what it tells its driver."""

from ipaddress import ip_address

import pytest

from speaker.hello.neighbours import MAX_NEIGHBOURS
from speaker.hello.packet import DropReason, Hello, Keyring, build_hello, cluster_digest
from speaker.l2.actions import Mac, Report, SendHello
from speaker.l2.segment import FAST, Segment
from speaker.seam.messages import (
    AddressForgotten,
    HelloKey,
    Identity,
    NeighbourReport,
    OwnerReport,
    OwnerState,
)
from speaker.seam.mirror import Mirror
from speaker.wire.reports import Said
from tests.virtual_segment import IDENTITY, KEY, VIP, VirtualSegment, intent, vips

FOREIGN = Mac(b"\x02\x00\x00\x00\x00\x99")
NEW_KEY = HelloKey(2, "22" * 32)
BOTH = Identity("", "cluster-a", (KEY, NEW_KEY))
RING = Keyring(cluster_digest("cluster-a"), {KEY.id: bytes.fromhex(KEY.secret_hex)})


def settled(count: int = 3) -> VirtualSegment:
    segment = VirtualSegment(count)
    segment.start(wanted=[intent()])
    segment.run(2)
    return segment


def last_hello(segment: VirtualSegment, name: str) -> bytes:
    return [payload for _, sender, payload in segment.hellos if sender == name][-1]


def deliver(segment: VirtualSegment, name: str, payload: bytes) -> DropReason | None:
    return segment.nodes[name].core.receive_hello(payload, FOREIGN, segment.now)


def test_hellos_under_another_key_or_of_another_cluster_are_dropped_for_their_reason() -> None:
    segment = settled(2)
    payload = last_hello(segment, "n2")
    for identity, reason in [
        (Identity("", "cluster-b", (KEY,)), DropReason.OTHER_CLUSTER),
        (Identity("", "cluster-a", (NEW_KEY,)), DropReason.UNKNOWN_KEY),
        (Identity("", "cluster-a", (HelloKey(1, "33" * 32),)), DropReason.BAD_HMAC),
        (Identity("", "cluster-a", ()), DropReason.NO_IDENTITY),
    ]:
        segment.call("n1", "set_identity", identity)
        assert deliver(segment, "n1", payload) is reason


def test_an_own_hello_that_comes_back_is_dropped() -> None:
    segment = settled(2)
    assert deliver(segment, "n1", last_hello(segment, "n1")) is DropReason.OWN


def test_a_recording_of_the_dead_owner_delays_nothing() -> None:
    segment = settled()
    owner = segment.owner()
    recorded = [payload for _, sender, payload in segment.hellos if sender == owner]
    segment.kill(owner)
    others = [node for name, node in segment.nodes.items() if name != owner]
    begun = segment.now
    while not segment.owners() and segment.now < begun + 1:
        for node in others:
            for payload in recorded[-20:]:
                segment.deliver_hello(node, payload, FOREIGN)
        segment.run(0.02)
    assert segment.now - begun < 0.42
    assert len(segment.owners()) == 1


def test_a_recording_from_before_a_nodes_start_keeps_it_from_nothing() -> None:
    segment = settled()
    owner = segment.owner()
    recorded = [payload for _, sender, payload in segment.hellos if sender == owner][-50:]
    for name in segment.nodes:
        segment.kill(name)
    segment.add("n1")
    segment.start("n1", wanted=[intent()])
    for payload in recorded:
        segment.deliver_hello(segment.nodes["n1"], payload, FOREIGN)
        segment.run(0.1)
    segment.run(1)
    assert segment.owners() == {"n1"}


def test_a_new_key_comes_into_force_without_losing_anybody() -> None:
    segment = settled()
    begun = segment.now
    for name in segment.nodes:
        segment.call(name, "set_identity", BOTH)
        segment.run(2)
    assert {last_hello(segment, each)[6:8] for each in segment.nodes} == {b"\x00\x02"}
    for name in segment.nodes:
        segment.call(name, "set_identity", Identity("", "cluster-a", (NEW_KEY,)))
        segment.run(2)
    assert segment.moves(VIP, begun) == 0
    assert segment.gaps(VIP, begun) == []
    died = [
        each
        for name in segment.nodes
        for each in segment.reports(name, NeighbourReport)
        if not each.alive
    ]
    assert died == []


def test_a_node_that_knows_both_keys_finds_those_who_know_only_the_old_one() -> None:
    segment = VirtualSegment(2)
    segment.start(wanted=[intent()])
    segment.call("n1", "set_identity", BOTH)
    segment.run(5)
    assert len(segment.owners()) == 1


def test_the_fast_profile_fails_over_within_150_ms() -> None:
    segment = VirtualSegment(3, timing=FAST)
    segment.start(wanted=[intent()])
    segment.run(5)
    segment.kill(segment.owner())
    assert segment.run_until(lambda: bool(segment.owners()), 0.5) <= 0.15


def test_an_idle_node_sends_once_a_second_an_owner_ten_times() -> None:
    segment = settled()
    owner, begun = segment.owner(), segment.now
    segment.run(20)
    sent = [name for at, name, _ in segment.hellos if at >= begun]
    assert 200 <= sent.count(owner) <= 225
    assert all(20 <= sent.count(each) <= 23 for each in segment.nodes if each != owner)


def test_a_segment_without_speakers_identity_drops_everything() -> None:
    segment = VirtualSegment(1)
    assert deliver(segment, "n1", b"x") is DropReason.NO_IDENTITY


@pytest.mark.parametrize("junk", [b"", b"HRLD", bytes(1472), bytes(3000)])
def test_junk_changes_nothing(junk: bytes) -> None:
    segment = settled(2)
    owner = segment.owner()
    assert isinstance(deliver(segment, owner, junk), DropReason)
    segment.run(1)
    assert segment.owner() == owner


def test_reports_say_who_owns_and_are_sent_on_change_only() -> None:
    segment = settled()
    owner = segment.owner()
    for name in segment.nodes:
        reports = segment.reports(name, OwnerReport)
        assert reports[-1].owner == owner
        assert (reports[-1].state is OwnerState.OWNED) is (name == owner)
    counts = [len(node.actions) for node in segment.nodes.values()]
    segment.run(30)
    for node, count in zip(segment.nodes.values(), counts, strict=True):
        assert all(isinstance(action, SendHello) for _, action in node.actions[count:])


def test_a_removed_address_is_forgotten() -> None:
    segment = settled()
    segment.call("n1", "remove_intent", VIP)
    assert segment.reports("n1", AddressForgotten) == [AddressForgotten(VIP, "lan0", "removed")]
    assert VIP not in segment.nodes["n1"].core.watched_addresses


def test_neighbours_are_reported_dead_and_alive() -> None:
    segment = settled(2)
    segment.kill("n2")
    segment.run(4)
    states = [each.alive for each in segment.reports("n1", NeighbourReport)]
    assert states[-1] is False
    segment.add("n2")
    segment.start("n2")
    segment.run(2)
    report = segment.reports("n1", NeighbourReport)[-1]
    assert report.alive
    assert report.two_way


def test_of_nodes_that_come_under_ever_new_names_only_the_remembered_ones_are_reported() -> None:
    segment = VirtualSegment(1)
    segment.start()
    for number in range(MAX_NEIGHBOURS + 20):
        hello = Hello(f"new{number}", (100 + number) << 32, 1, interval_ms=10)
        segment.call("n1", "receive_hello", build_hello(hello, RING, KEY.id), FOREIGN)
        segment.run(0.1)
    mirror, said = Mirror(), Said()
    for _, action in segment.nodes["n1"].actions:
        if isinstance(action, Report):
            said.hear(action.message)
            mirror.receive(action.message)
    reported = {each.node for each in mirror.of(NeighbourReport)}
    assert reported == {f"new{20 + number}" for number in range(MAX_NEIGHBOURS)}
    for message in said.end("lan0"):
        mirror.receive(message)
    assert not list(mirror.of(NeighbourReport))


def test_what_may_be_resumed_is_what_is_owned() -> None:
    segment = settled()
    owner = segment.owner()
    for name, node in segment.nodes.items():
        assert node.core.resumable_claims == ((VIP,) if name == owner else ())


def test_six_and_four_live_side_by_side() -> None:
    segment = VirtualSegment(3)
    wanted = [*vips(3), *(ip_address(f"fd00:4::{each}") for each in range(1, 4))]
    segment.start(wanted=[intent(each) for each in wanted])
    segment.run(5)
    segment.kill("n1")
    segment.run(1)
    assert all(len(segment.owners(each)) == 1 for each in wanted)


def test_identity_may_come_last() -> None:
    segment = VirtualSegment(1)
    node = segment.nodes["n1"]
    core: Segment = node.core
    segment.start("n1", wanted=[intent()])
    assert core.next_deadline() is not None
    core.set_identity(IDENTITY, segment.now)
    segment.run(1)
    assert segment.owners() == {"n1"}
    assert any(isinstance(action, Report) for _, action in node.actions)
