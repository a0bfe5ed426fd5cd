"""When hellos go out, how many, and how large."""

from ipaddress import ip_address
from itertools import pairwise

import pytest

from speaker.hello.entry import Claim, Entry, Grade
from speaker.hello.packet import MAX_PAYLOAD, DropReason, Hello, parse_hello
from speaker.hello.sender import BURST, SEGMENT_RATE, SPACING_S, Said, Sender
from speaker.hello.table import RemoteTable
from tests.speaker.hello.vectors import KEY_ID, RING

SAID = Said(
    ring=RING,
    key_id=KEY_ID,
    freshness_s=0,
    starting=False,
    draining=False,
    stalled=False,
    passive=False,
    echoes=dict.fromkeys(range(49), (1, 1)),
    doubles=(),
)


def sender() -> Sender:
    return Sender(
        node="node1",
        boot_id=1,
        owner_interval_s=0.1,
        idle_interval_s=1.0,
        jitter=lambda: 0.0,
        now=0.0,
    )


def parsed(payload: bytes) -> Hello:
    hello = parse_hello(payload, RING)
    assert not isinstance(hello, DropReason)
    return hello


def claim(of: Sender, count: int) -> None:
    for number in range(count):
        of.table.set(ip_address(0x0A000000 + number), Entry(Grade.ON_SUBNET, 0, Claim(number)))


def run(of: Sender, begin: float, end: float) -> list[tuple[float, Hello]]:
    sent: list[tuple[float, Hello]] = []
    now = begin
    while (at := of.next_deadline()) <= end:
        now = max(now, at)
        sent.extend((now, parsed(payload)) for payload in of.datagrams(SAID, now))
    return sent


@pytest.mark.parametrize(("owning", "interval_s"), [(True, 0.1), (False, 1.0)])
def test_the_interval_is_that_of_an_owner_or_an_idle_node(owning: bool, interval_s: float) -> None:
    node = sender()
    node.pace(owning=owning, owners=1, nodes=3, now=0.0)
    times = [at for at, _ in run(node, 0.0, 5.0)]
    gaps = [after - before for before, after in pairwise(times[5:])]
    assert gaps == pytest.approx([interval_s] * len(gaps))


@pytest.mark.parametrize(("owners", "interval_s"), [(1, 0.1), (50, 0.1), (100, 0.2)])
def test_all_owners_of_a_segment_stay_below_its_cap(owners: int, interval_s: float) -> None:
    node = sender()
    node.pace(owning=True, owners=owners, nodes=owners, now=0.0)
    assert node.interval_s == pytest.approx(interval_s)
    assert owners / node.interval_s <= SEGMENT_RATE + 1


def test_a_change_goes_out_at_once_and_three_times_within_an_interval() -> None:
    node = sender()
    run(node, 0.0, 2.5)
    claim(node, 1)
    node.nudge(2.5)
    told = [at for at, hello in run(node, 2.5, 3.5) if hello.changes is not None]
    assert len(told) == 3
    assert told[0] == 2.5
    assert told[-1] <= 2.6


def test_changes_in_a_row_are_gathered() -> None:
    node = sender()
    node.datagrams(SAID, 0.0)
    claim(node, 1)
    node.nudge(0.001)
    assert not node.due(0.001)
    assert node.due(SPACING_S)


def test_thousands_of_claims_go_out_in_full_datagrams_a_few_at_a_time() -> None:
    node = sender()
    run(node, 0.0, 1.5)
    claim(node, 5000)
    node.nudge(1.6)
    remote = RemoteTable()
    first = node.datagrams(SAID, 1.6)
    assert len(first) == BURST
    assert max(len(each) for each in first) <= MAX_PAYLOAD
    assert min(len(each) for each in first) > MAX_PAYLOAD - 60
    for payload in first:
        remote.apply(parsed(payload))
    for _, hello in run(node, 1.6, 1.7):
        remote.apply(hello)
    assert remote.complete
    assert len(remote.entries) == 5000


def test_only_the_first_of_a_burst_lists_the_echoes() -> None:
    node = sender()
    claim(node, 500)
    first, *rest = [parsed(each) for each in node.datagrams(SAID, 0.0)]
    assert len(first.echoes) == 49
    assert not first.partial
    assert all(each.partial and not each.echoes for each in rest)


def test_who_missed_a_change_three_times_gets_the_whole_table_once() -> None:
    node = sender()
    claim(node, 200)
    run(node, 0.0, 3.0)
    node.hear_echo(node.sequence, 0)
    assert node.table.telling_whole
    chunks = [hello for _, hello in run(node, 3.0, 3.5) if hello.chunk is not None]
    remote = RemoteTable()
    for hello in chunks:
        remote.apply(hello)
    assert remote.complete
    node.hear_echo(chunks[0].sequence, 0)  # sent before the last chunk could have arrived
    assert not node.table.telling_whole


def test_an_echo_from_before_the_last_telling_asks_for_nothing() -> None:
    node = sender()
    early = node.sequence
    claim(node, 10)
    run(node, 0.0, 3.0)
    node.hear_echo(early, 0)
    assert not node.table.telling_whole


def test_echoes_are_dated_by_the_low_bits_of_the_sequence() -> None:
    node = sender()
    node.sequence = 0xFFFF_FFFE
    for at in (0.0, 1.0, 2.0):
        node.datagrams(SAID, at)
    assert node.sent_at(0xFFFF_FFFF) == 0.0
    assert node.sent_at(0) == 1.0
    assert node.sent_at(1) == 2.0
    assert node.sent_at(2) is None
    assert node.sent_at(0xFFFF_0000) is None


def test_the_interval_that_slows_down_is_told_three_times_at_the_old_pace() -> None:
    node = sender()
    node.pace(owning=True, owners=1, nodes=1, now=0.0)
    run(node, 0.0, 2.0)
    node.pace(owning=False, owners=0, nodes=1, now=2.0)
    slow = [at for at, hello in run(node, 2.0, 2.5) if hello.interval_ms == 1000]
    assert len(slow) == 3


def test_chunks_are_paced_by_the_size_of_the_segment() -> None:
    node = sender()
    claim(node, 1000)
    run(node, 0.0, 3.0)
    node.pace(owning=True, owners=50, nodes=50, now=3.0)
    node.table.want_whole()
    times = [at for at, hello in run(node, 3.0, 6.0) if hello.chunk is not None]
    gaps = [after - before for before, after in pairwise(times)]
    assert min(gaps) >= 0.06
