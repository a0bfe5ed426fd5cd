"""What one node tells arrives at the other, whatever is lost on the way."""

from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.hello.entry import Claim, Entry, Grade, decode_lines
from speaker.hello.packet import Hello
from speaker.hello.table import MAX_ENTRIES, OwnTable, RemoteTable
from speaker.seam.messages import Address

ROOM = 200


def address(number: int) -> Address:
    return ip_address(0x0A000000 + number)


def entry(number: int) -> Entry:
    return Entry(Grade.ON_SUBNET, 0, Claim(number) if number % 2 else None)


def hello_of(table: OwnTable) -> Hello:
    return Hello("n1", 1, 1, 100, version=table.version, count=len(table.entries))


def changes_datagrams(table: OwnTable) -> list[Hello]:
    """Return one pass over what has still to be told."""
    hellos = []
    while table.untold and (found := table.next_changes(ROOM)):
        changes, lines = found
        changes = replace(changes, lines=tuple(decode_lines(lines)))
        hellos.append(replace(hello_of(table), changes=changes))
        if not table.in_pass:
            break
    return hellos or [hello_of(table)]


def whole_datagrams(table: OwnTable, room: int = ROOM) -> list[Hello]:
    table.want_whole()
    hellos = []
    while found := table.next_chunk(room):
        chunk, lines = found
        chunk = replace(chunk, lines=tuple(decode_lines(lines)))
        hellos.append(replace(hello_of(table), chunk=chunk))
    return hellos


def test_changes_make_a_complete_table() -> None:
    own, remote = OwnTable(), RemoteTable()
    for number in range(50):
        own.set(address(number), entry(number))
    for hello in changes_datagrams(own):
        assert not remote.complete or remote.latest == 0
        remote.apply(hello)
    assert remote.complete
    assert remote.entries == own.entries


def test_each_change_is_told_three_times() -> None:
    own = OwnTable()
    own.set(address(1), entry(1))
    told = [changes_datagrams(own)[0].changes for _ in range(4)]
    assert [each is not None for each in told] == [True, True, True, False]
    assert own.told_version == 1


def test_a_release_is_told_as_a_line_without_a_claim() -> None:
    own, remote = OwnTable(), RemoteTable()
    own.set(address(1), entry(1))
    remote.apply(changes_datagrams(own)[0])
    own.set(address(1), Entry(Grade.ON_SUBNET))
    before = remote.apply(changes_datagrams(own)[0])
    assert before == {address(1): entry(1)}
    assert remote.entries[address(1)].claim is None


def test_a_table_with_a_hole_is_not_complete_until_the_hole_is_filled() -> None:
    own, remote = OwnTable(), RemoteTable()
    for number in range(50):
        own.set(address(number), entry(number))
    first, *rest = changes_datagrams(own)
    for hello in rest:
        remote.apply(hello)
    assert not remote.complete
    assert remote.entries
    remote.apply(changes_datagrams(own)[0])
    assert remote.complete
    assert remote.entries == own.entries
    assert first.changes is not None


def test_the_whole_table_completes_one_who_missed_all_three() -> None:
    own, remote = OwnTable(), RemoteTable()
    for number in range(50):
        own.set(address(number), entry(number))
    while own.untold:
        changes_datagrams(own)
    remote.apply(hello_of(own))
    assert not remote.complete
    for hello in whole_datagrams(own):
        remote.apply(hello)
    assert remote.complete
    assert remote.entries == own.entries


def test_a_change_during_the_whole_table_is_not_undone_by_its_chunks() -> None:
    own, remote = OwnTable(), RemoteTable()
    for number in range(50):
        own.set(address(number), entry(number))
    while own.untold:
        changes_datagrams(own)
    chunks = whole_datagrams(own)
    own.set(address(40), None)
    own.set(address(60), entry(60))
    changed = changes_datagrams(own)
    for hello in [*chunks[:2], *changed, *chunks[2:]]:
        remote.apply(hello)
    assert remote.entries == own.entries
    assert remote.complete


def test_an_empty_table_is_known_at_once() -> None:
    own, remote = OwnTable(), RemoteTable()
    own.set(address(1), entry(1))
    remote.apply(changes_datagrams(own)[0])
    own.set(address(1), None)
    while own.untold:
        changes_datagrams(own)
    remote.apply(hello_of(own))
    assert remote.complete
    assert remote.entries == {}


def test_a_table_beyond_the_cap_is_cut_and_stays_incomplete_in_memory_only() -> None:
    remote = RemoteTable()
    for start in range(0, MAX_ENTRIES + 2000, 2000):
        own = OwnTable()
        for number in range(start, start + 2000):
            own.set(address(number), entry(number))
        for hello in whole_datagrams(own, 1200):
            assert hello.chunk is not None
            remote.apply(replace(hello, chunk=replace(hello.chunk, total=65535), version=10**6))
    assert len(remote.entries) <= MAX_ENTRIES


def test_what_came_early_and_was_removed_since_does_not_outlive_the_whole_table() -> None:
    own, remote = OwnTable(), RemoteTable()
    own.set(address(1), entry(1))
    while own.untold:
        changes_datagrams(own)
    own.set(address(2), entry(1))
    remote.apply(changes_datagrams(own)[0])
    own.set(address(2), None)
    while own.untold:
        changes_datagrams(own)
    for hello in whole_datagrams(own):
        remote.apply(hello)
    assert remote.complete
    assert remote.entries == own.entries


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.booleans()), max_size=60))
@settings(max_examples=60)
def test_whatever_is_lost_the_tables_agree_in_the_end(steps: list[tuple[int, int, bool]]) -> None:
    own, remote = OwnTable(), RemoteTable()
    for number, value, arrives in steps:
        own.set(address(number), entry(value) if value else None)
        for hello in changes_datagrams(own):
            if arrives:
                remote.apply(hello)
                assert not remote.complete or remote.entries == own.entries
    while own.untold:
        changes_datagrams(own)
    remote.apply(hello_of(own))
    if not remote.complete:
        for hello in whole_datagrams(own):
            remote.apply(hello)
    assert remote.complete
    assert remote.entries == own.entries
