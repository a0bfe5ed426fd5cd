"""The tables that hellos carry: our own, to be told, and a neighbour's, as far as we know it.

Each change gets the next version. It goes out in three passes; each datagram of a pass says after
which version it applies (`base`), so a receiver knows whether it has missed something. It echoes
the version it holds; who holds less than what has been told three times gets the whole table, in
chunks of one version. A table that is not complete is *unknown*, never *empty*: see
`speaker.l2.ownership` for what hangs on that.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from speaker.hello.entry import Entry, encode_lines
from speaker.hello.packet import Changes, Chunk, Hello
from speaker.seam.messages import Address

PASSES = 3
"""How often a change is told: with 1 % loss one in a million needs the whole table."""
MAX_ENTRIES = 20_000
"""Addresses kept of one neighbour's table; more are ignored and it stays incomplete."""
MAX_EARLY = 64
"""Ranges kept of changes that came before what they follow; the oldest goes first."""
LINE_SIZE = {4: 19, 6: 31}
"""Bytes of the longest line, a claim, by IP version."""


class OwnTable:
    """What this node says about each address, and what of it has still to be told."""

    def __init__(self) -> None:
        self.version = 0
        self.told_version = 0
        "All changes up to here have been told three times."
        self.claims = 0
        "How many of the entries are claims."
        self.entries: dict[Address, Entry] = {}
        self._log: dict[Address, _Change] = {}
        self._pass: deque[tuple[Address, int]] = deque()
        self._reached = 0
        self._whole: _Whole | None = None

    def set(self, address: Address, entry: Entry | None) -> bool:
        """Say this of the address from now on (None: nothing); return whether it is a change."""
        known = self.entries.get(address)
        if known == entry:
            return False
        self.claims += _claims(entry) - _claims(known)
        if entry is None:
            del self.entries[address]
        else:
            self.entries[address] = entry
        self.version += 1
        self._log.pop(address, None)
        self._log[address] = _Change(self.version)
        return True

    @property
    def untold(self) -> bool:
        """Whether changes have still to be told."""
        return bool(self._log)

    @property
    def in_pass(self) -> bool:
        """Whether a pass over the changes has begun and not ended."""
        return bool(self._pass)

    def next_changes(self, room: int) -> tuple[Changes, bytes] | None:
        """Return changes of at most `room` bytes that go on where the last ones ended."""
        if not self._pass:
            self._begin_pass()
        due: list[tuple[Address, int]] = []
        while self._pass and len(due) * LINE_SIZE[4] < room:
            address, version = self._pass.popleft()
            change = self._log.get(address)
            if change is not None and change.version == version:
                due.append((address, version))
        lines, count = encode_lines(((each, self.entries.get(each)) for each, _ in due), room)
        self._pass.extendleft(reversed(due[count:]))
        if not count:
            return None
        base, self._reached = self._reached, due[count - 1][1]
        if not self._pass:
            self._reached = self._end_pass()
        for address, _ in due[:count]:
            self._tell(address)
        return Changes(base, self._reached, ()), lines

    def _begin_pass(self) -> None:
        self._reached = self.told_version
        self._pass.extend((address, change.version) for address, change in self._log.items())

    def _end_pass(self) -> int:
        """Return the version that the pass has reached: all, unless there are newer changes."""
        newest = next(reversed(self._log.values())).version
        return self.version if newest <= self._reached else self._reached

    def _tell(self, address: Address) -> None:
        change = self._log[address]
        change.told += 1
        if change.told >= PASSES:
            del self._log[address]
            # The log is in the order of versions, and older changes have been told at least
            # as often: all before this one are gone already, but for those that changed again.
            self.told_version = change.version

    def want_whole(self) -> None:
        """Start telling the whole table, unless that is under way."""
        if self._whole is None and self.entries:
            self._whole = _Whole(self.version, list(self.entries))

    @property
    def telling_whole(self) -> bool:
        """Whether chunks are still to be sent."""
        return self._whole is not None

    def next_chunk(self, room: int) -> tuple[Chunk, bytes] | None:
        """Return the next chunk of the whole table; None when there is none to send."""
        whole = self._whole
        if whole is None:
            return None
        per_chunk = max(1, room // LINE_SIZE[whole.widest])
        total = -(-len(whole.addresses) // per_chunk)
        start = whole.index * per_chunk
        addresses = whole.addresses[start : start + per_chunk]
        # A line as it is now may be newer than the chunk's version; its change follows anyway.
        lines, _ = encode_lines(((each, self.entries.get(each)) for each in addresses), room)
        chunk = Chunk(whole.version, whole.index, total, ())
        whole.index += 1
        if whole.index == total:
            self._whole = None
        return chunk, lines


def _claims(entry: Entry | None) -> int:
    return 0 if entry is None or entry.claim is None else 1


@dataclass(slots=True)
class _Change:
    version: int
    told: int = 0


class _Whole:
    """The whole table on its way out."""

    def __init__(self, version: int, addresses: list[Address]) -> None:
        self.version = version
        self.addresses = addresses
        self.widest = max(address.version for address in addresses)
        self.index = 0


@dataclass(slots=True)
class RemoteTable:
    """What a neighbour says about each address, and whether that is all it has to say."""

    entries: dict[Address, Entry] = field(default_factory=dict)
    held: int = 0
    "Version up to which nothing is missing; every table begins empty at 0."
    latest: int = 0
    "Version in the neighbour's newest hello."
    missed: bool = False
    "The newest hello shows that something was told before and not heard here."
    _newer: dict[Address, int] = field(default_factory=dict)
    _early: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MAX_EARLY))
    _chunks: "_Assembly | None" = None

    @property
    def complete(self) -> bool:
        """Whether all of the neighbour's table is known."""
        return self.held >= self.latest

    def apply(self, hello: Hello) -> Mapping[Address, Entry | None]:
        """Take what the hello tells; return the addresses that it changed, with what was before."""
        self.latest = hello.version
        follows = hello.changes is not None and hello.changes.base <= self.held
        self.missed = not self.complete and not follows and hello.chunk is None
        before: dict[Address, Entry | None] = {}
        if hello.changes is not None:
            self._apply_changes(hello.changes, before)
        if hello.chunk is not None:
            self._apply_chunk(hello.chunk, before)
        if hello.count == 0 and not self.complete:
            self._keep_only(frozenset(), before)
            self.held = hello.version
        if self.complete and (self._newer or self._early or self._chunks):
            self._newer.clear()
            self._early.clear()
            self._chunks = None
        return before

    def _apply_changes(self, changes: Changes, before: dict[Address, Entry | None]) -> None:
        if changes.version <= self.held:
            return
        for address, entry in changes.lines:
            self._set(address, entry, before)
            if len(self._newer) < MAX_ENTRIES:
                self._newer[address] = changes.version
        # Lines that came before those they follow are true all the same, and a claim is obeyed
        # at once; they only don't make the table complete.
        self._early.append((changes.base, changes.version))
        self._advance()

    def _advance(self) -> None:
        for base, version in sorted(self._early):
            if base <= self.held:
                self.held = max(self.held, version)

    def _apply_chunk(self, chunk: Chunk, before: dict[Address, Entry | None]) -> None:
        if chunk.version <= self.held:
            return
        if self._chunks is None or self._chunks.version != chunk.version:
            self._chunks = _Assembly(chunk.version, chunk.total)
        self._chunks.add(chunk)
        for address, entry in chunk.lines:
            if self._newer.get(address, 0) <= chunk.version:
                self._set(address, entry, before)
        if self._chunks.whole:
            newer = {each for each, version in self._newer.items() if version > chunk.version}
            self._keep_only(self._chunks.addresses | newer, before)
            self.held = chunk.version
            self._advance()

    def _keep_only(
        self, addresses: frozenset[Address] | set[Address], before: dict[Address, Entry | None]
    ) -> None:
        for address in [each for each in self.entries if each not in addresses]:
            self._set(address, None, before)

    def _set(
        self, address: Address, entry: Entry | None, before: dict[Address, Entry | None]
    ) -> None:
        known = self.entries.get(address)
        if known == entry:
            return
        if entry is None:
            del self.entries[address]
        elif known is None and len(self.entries) >= MAX_ENTRIES:
            return
        else:
            self.entries[address] = entry
        before.setdefault(address, known)


class _Assembly:
    """Chunks of one version, until none is missing."""

    def __init__(self, version: int, total: int) -> None:
        self.version = version
        self.total = total
        self.addresses: set[Address] = set()
        self._seen: set[int] = set()

    def add(self, chunk: Chunk) -> None:
        self._seen.add(chunk.index)
        if len(self.addresses) < MAX_ENTRIES:
            self.addresses.update(address for address, _ in chunk.lines)

    @property
    def whole(self) -> bool:
        return len(self._seen) == self.total
