"""Rule 4: strangers, proxies and the witness."""

from speaker.l2.actions import Announce, Mac, ProbeStranger, SendHello, Witness
from speaker.seam.messages import ConflictReport, OnConflict, OwnerReport, OwnerState
from tests.virtual_segment import VIP, VirtualSegment, intent, vips

STRANGER = Mac(b"\x06\x00\x00\x00\x00\x66")


def started(count: int = 3) -> VirtualSegment:
    segment = VirtualSegment(count)
    segment.start()
    segment.run(5)
    return segment


def want(segment: VirtualSegment, on_conflict: OnConflict = OnConflict.HOLD) -> None:
    for name in segment.nodes:
        segment.call(name, "set_intent", intent(on_conflict=on_conflict))


def announced(segment: VirtualSegment) -> list[float]:
    return [
        at
        for node in segment.nodes.values()
        for at, action in node.actions
        if isinstance(action, Announce)
    ]


def test_the_first_use_is_answered_at_once_and_announced_after_the_probes() -> None:
    segment = started()
    begun = segment.now
    want(segment)
    segment.run(1)
    (taken_at,) = [at for at, who in segment.answers[VIP] if who]
    assert taken_at - begun < 0.01
    assert 0.19 < announced(segment)[0] - taken_at < 0.25


def test_a_stranger_blocks_the_first_use_and_one_node_watches_it() -> None:
    segment = started()
    segment.strangers[VIP] = STRANGER
    want(segment)
    segment.run(10)
    assert segment.owners() == set()
    assert announced(segment) == []
    reporters = [each for each in segment.nodes if segment.reports(each, ConflictReport)]
    assert len(reporters) == 1
    (report,) = segment.reports(reporters[0], ConflictReport)
    assert (report.mac, report.proxy) == ("06:00:00:00:00:66", False)
    states = {segment.reports(each, OwnerReport)[-1].state for each in segment.nodes}
    assert states == {OwnerState.HELD}


def test_a_held_address_is_taken_when_the_stranger_is_gone() -> None:
    segment = started()
    segment.strangers[VIP] = STRANGER
    want(segment)
    segment.run(5)
    segment.strangers.clear()
    assert segment.run_until(lambda: bool(segment.owners()), 6) < 6
    segment.run(1)
    assert announced(segment)
    (name,) = segment.owners()
    assert segment.reports(name, ConflictReport)[-1].mac is None


def test_the_address_stays_held_when_the_node_that_watches_dies() -> None:
    segment = started()
    segment.strangers[VIP] = STRANGER
    want(segment)
    segment.run(5)
    (watcher,) = [each for each in segment.nodes if segment.reports(each, ConflictReport)]
    segment.kill(watcher)
    segment.run(10)
    assert segment.owners() == set()


def test_policy_ignore_only_reports() -> None:
    segment = started()
    segment.strangers[VIP] = STRANGER
    want(segment, on_conflict=OnConflict.IGNORE)
    segment.run(2)
    assert len(segment.owners()) == 1
    assert segment.reports(segment.owner(), ConflictReport)[0].mac == "06:00:00:00:00:66"
    assert announced(segment)


def test_a_stranger_in_a_fail_over_is_reported_not_obeyed() -> None:
    segment = started()
    want(segment)
    segment.run(2)
    old = segment.owner()
    segment.strangers[VIP] = STRANGER
    segment.kill(old)
    segment.run(1)
    owner = segment.owner()
    segment.call(owner, "receive_sighting", VIP, STRANGER)
    segment.run(1)
    assert segment.owner() == owner
    assert [each.mac for each in segment.reports(owner, ConflictReport)] == ["06:00:00:00:00:66"]


def test_an_owner_defends_once_in_ten_seconds() -> None:
    segment = started()
    want(segment)
    segment.run(2)
    begun = segment.now
    for _ in range(50):
        segment.call(segment.owner(), "receive_sighting", VIP, STRANGER)
        segment.run(0.1)
    assert len([each for each in announced(segment) if each >= begun]) == 1


def test_the_end_of_a_conflict_is_reported() -> None:
    segment = started()
    want(segment)
    segment.run(2)
    segment.call(segment.owner(), "receive_sighting", VIP, STRANGER)
    segment.run(70)
    macs = [each.mac for each in segment.reports(segment.owner(), ConflictReport)]
    assert macs == ["06:00:00:00:00:66", None]


def test_a_proxy_is_reported_and_ignored() -> None:
    segment = started()
    segment.proxy = STRANGER
    want(segment)
    segment.run(5)
    assert len(segment.owners()) == 1
    assert announced(segment)
    reports = [each for name in segment.nodes for each in segment.reports(name, ConflictReport)]
    assert reports[-1].proxy


def test_a_silent_neighbour_that_still_answers_keeps_its_address() -> None:
    segment = started()
    want(segment)
    segment.run(2)
    owner = segment.owner()
    others = set(segment.nodes) - {owner}
    segment.deaf_to_hellos = {(owner, other) for other in others}
    segment.run(5)
    assert segment.owners() == {owner}
    taker = [each for each in others if segment.last_cause(each) == "witness-answers"]
    assert taker
    segment.kill(owner)
    segment.run(1)
    assert len(segment.owners()) == 1


def test_at_most_three_addresses_of_a_dead_node_are_asked_for_twice() -> None:
    segment = VirtualSegment(3)
    wanted = vips(60)
    segment.start(wanted=[intent(each) for each in wanted])
    segment.run(3)
    begun = segment.now
    segment.kill("n1")
    segment.run(2)
    assert all(len(segment.owners(each)) == 1 for each in wanted)
    for name in ("n2", "n3"):
        actions = segment.nodes[name].actions
        asked = [each for at, each in actions if isinstance(each, Witness) and at > begun]
        assert len(asked) == 6
        assert len(set(asked)) == 3


def test_another_load_balancer_on_a_neighbours_node_is_a_stranger_too() -> None:
    segment = started()
    want(segment, on_conflict=OnConflict.HOLD)
    segment.run_until(lambda: bool(segment.owners()), 1)
    other = next(each for each in segment.nodes if each not in segment.owners())
    segment.strangers[VIP] = segment.nodes[other].mac
    segment.run(2)
    assert segment.owners() == set()
    segment.strangers.clear()
    segment.run(7)
    assert len(segment.owners()) == 1


def test_a_flood_of_strangers_makes_neither_reports_nor_probes_for_each() -> None:
    segment = started()
    want(segment)
    segment.run(2)
    owner = segment.nodes[segment.owner()]
    begun = len(owner.actions)
    for number in range(500):
        mac = Mac(b"\x06" + number.to_bytes(5, "big"))
        segment.call(owner.name, "receive_sighting", VIP, mac)
    made = [each for _, each in owner.actions[begun:] if not isinstance(each, SendHello)]
    assert len(made) <= 4


def test_one_stranger_with_many_addresses_is_asked_for_unused_ones_once() -> None:
    segment = VirtualSegment(1)
    wanted = vips(50)
    segment.start(wanted=[intent(each) for each in wanted])
    segment.strangers = dict.fromkeys(wanted, STRANGER)
    segment.run(0.35)
    probed = [each for _, each in segment.nodes["n1"].actions if isinstance(each, ProbeStranger)]
    assert len([each for each in probed if each.address not in wanted]) == 2
    assert segment.nodes["n1"].answering == set()


def test_a_process_that_stood_still_before_its_probes_were_over_probes_anew() -> None:
    segment = started(1)
    want(segment)
    segment.run(0.05)
    segment.strangers[VIP] = STRANGER
    (name,) = segment.nodes
    segment.call(name, "stalled")
    segment.run(5)
    assert segment.owners() == set()
    assert announced(segment) == []
    assert segment.reports(name, OwnerReport)[-1].state is OwnerState.HELD
