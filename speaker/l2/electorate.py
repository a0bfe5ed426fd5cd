"""What the neighbours' hellos mean for the records: who counts, who is new, who died.

Between `speaker.hello`, which knows datagrams and liveness, and `ownership`, which knows addresses.
It keeps `Ground` up to date and marks records when a fact changes that they were judged by.
"""

from collections.abc import Callable

from speaker.hello.neighbours import Neighbour, Standing
from speaker.hello.packet import MAX_ECHOES, DropReason, Hello, Keyring
from speaker.hello.sender import SEQUENCE_MASK, Said, Sender
from speaker.l2.actions import Action, Mac, Report
from speaker.l2.ground import LAG_S, Ground
from speaker.l2.ownership import Ownership
from speaker.l2.presence import Presence
from speaker.seam.messages import NeighbourForgotten, NeighbourReport

STALE_SLACK_S = 0.001
"""Past the limit, not on it."""


class Electorate:
    """The neighbours of one segment, as far as they matter to ownership."""

    def __init__(
        self,
        *,
        ground: Ground,
        ownership: Ownership,
        sender: Sender,
        act: Callable[[Action], None],
    ) -> None:
        self.presence = Presence(
            node=ground.node, timing=ground.timing, neighbours=ground.neighbours
        )
        self._ground = ground
        self._ownership = ownership
        self._sender = sender
        self._act = act
        self._reported: dict[str, NeighbourReport] = {}
        self._ages: dict[str, tuple[bool, bool]] = {}
        self._was_stale = False
        self._was_passive = False
        self._echo_page = 0

    def receive(self, hello: Hello, source: Mac, now: float) -> DropReason | None:
        """Take a neighbour's hello; return why it was dropped."""
        known = self._ground.neighbours.by_node.get(hello.node)
        was_draining = known is not None and known.draining
        was_incomplete = known is not None and known.incomplete_since is not None
        heard = self._ground.neighbours.receive(hello, source, now, self._sender.sent_at)
        if isinstance(heard, DropReason):
            if heard is DropReason.OLD_BOOT:
                self._sender.nudge(now)  # echo it, so that it can prove itself
            return heard
        records, neighbour = self._ownership.records, heard.neighbour
        if heard.gone is not None:
            self._forget(heard.gone)
        self._answer(neighbour, hello, was_incomplete=was_incomplete, now=now)
        records.table_changed(neighbour, heard.before)
        if was_incomplete and neighbour.incomplete_since is None:
            records.mark_untabled()
            if not neighbour.starting:  # who starts has claimed nothing yet
                records.doubt_owned()
        aged = self._ages.get(hello.node) != (ages := self._ages_of(neighbour, now))
        self._ages[hello.node] = ages
        if aged or neighbour.draining != was_draining:
            records.mark_claimed(hello.node)
        if neighbour.standing >= Standing.HEARD and not hello.partial:
            self._ownership.hear_doubles(neighbour, hello.doubles, now)
        if neighbour.standing is not Standing.DEAD:  # just heard: not judged yet
            self._report(neighbour)
        return None

    def _answer(
        self, neighbour: Neighbour, hello: Hello, *, was_incomplete: bool, now: float
    ) -> None:
        """Let it hear soon what it needs from this node."""
        if neighbour.standing is Standing.DEAD:
            self._sender.nudge(now)  # it may be waiting for an echo
            if hello.starting:
                self._sender.table.want_whole()
        elif neighbour.table.missed and not was_incomplete:
            self._sender.nudge(now)  # the echo says which version is held here
        echo = hello.echoes.get(self._ground.boot_id)
        if echo is not None:
            self._sender.hear_echo(*echo)

    def _forget(self, gone: Neighbour) -> None:
        self._ownership.records.table_gone(gone)
        self._ages.pop(gone.node, None)
        self._ownership.witnesses.forget(gone.node)
        self._ground.two_way = self._ground.neighbours.two_way()
        succeeded = gone.node in self._ground.neighbours.by_node
        if not succeeded and self._reported.pop(gone.node, None) is not None:
            self._act(Report(NeighbourForgotten(gone.node, self._ground.interface)))

    def _ages_of(self, neighbour: Neighbour, now: float) -> tuple[bool, bool]:
        """Return whether it knows less of the API than this node, and whether it is stale."""
        known_at = self._ground.known_at
        lags = known_at is not None and known_at - neighbour.fresh_at > LAG_S
        return lags, now - neighbour.fresh_at > self._ground.timing.stale_s

    def neighbour_with(self, mac: Mac) -> Neighbour | None:
        """Return the neighbour whose hellos come from this MAC."""
        return next((each for each in self._ground.neighbours if each.mac == mac), None)

    def refresh(self, now: float) -> None:
        """Bring `Ground` up to date, and mark the records whose judgement hangs on a change."""
        horizon_s = self._ground.timing.multiplier * self._sender.echo_interval_s(now)
        changed = self._ground.neighbours.refresh(now, horizon_s)
        if changed:
            self._standings_changed(changed)
        self._refresh_presence(now)
        passive, stale = self._ground.passive, self._ground.stale(now)
        if (passive, stale) != (self._was_passive, self._was_stale):
            self._was_passive, self._was_stale = passive, stale
            self._ownership.records.mark_all()
            self._sender.nudge(now)

    def _standings_changed(self, changed: list[tuple[Neighbour, Standing]]) -> None:
        records = self._ownership.records
        had_two_way = bool(self._ground.two_way)
        self._ground.two_way = self._ground.neighbours.two_way()
        for neighbour, before in changed:
            self.presence.hear(neighbour)
            records.standing_changed(neighbour, before)
            if neighbour.standing > Standing.UNPROVEN:
                self._ownership.witnesses.forget(neighbour.node)
            self._report(neighbour)
        if had_two_way != bool(self._ground.two_way):
            for neighbour in self._ground.neighbours:
                if neighbour.standing is Standing.DEAF:
                    records.mark_claimed(neighbour.node)

    def _refresh_presence(self, now: float) -> None:
        ground = self._ground
        if ground.starting and not self.presence.starting(now):
            ground.starting = False
            self._ownership.records.mark_unsettled()
            self._sender.nudge(now)
        alone = not ground.starting and self.presence.alone()
        if alone != ground.alone:
            ground.alone = alone
            self._ownership.records.mark_all()

    def next_deadline(self) -> float:
        """Return when `refresh` may have something to do."""
        ground = self._ground
        times = [ground.neighbours.next_check()]
        if ground.starting:
            times.append(self.presence.next_deadline())
        if ground.known_at is not None and not self._was_stale:
            times.append(ground.known_at + ground.timing.stale_s + STALE_SLACK_S)
        return min(times)

    def pace(self, now: float) -> None:
        """Let the sender know how much there is to say and how many share the segment."""
        ground, table = self._ground, self._sender.table
        owning = bool(table.claims) or ground.starting or ground.draining_until is not None
        idle_s = ground.timing.idle_interval_s
        owners = sum(each.interval_s < idle_s for each in ground.two_way) + owning
        self._sender.pace(owning=owning, owners=owners, nodes=len(ground.two_way) + 1, now=now)

    def said(self, ring: Keyring, *, stalled: bool, now: float) -> Said:
        """Return what the next hello says beside the table."""
        ground = self._ground
        age_s = 0 if ground.known_at is None else max(0, int(now - ground.known_at))
        return Said(
            ring=ring,
            key_id=self._key_id(ring),
            freshness_s=age_s,
            starting=ground.starting,
            draining=ground.draining_until is not None,
            stalled=stalled,
            passive=ground.passive,
            echoes=self._echoes(),
            doubles=self._ownership.doubles.told(),
        )

    def _heard(self) -> list[Neighbour]:
        return [each for each in self._ground.neighbours if each.standing is not Standing.DEAD]

    def _key_id(self, ring: Keyring) -> int:
        """Return the newest key that all who are heard accept; try each in turn without any."""
        ids = sorted(ring.keys)
        heard = self._heard()
        shared = [each for each in ids if all(each in other.keys for other in heard)]
        if heard and shared:
            return shared[-1]
        return ids[-1 - self._sender.sequence % len(ids)]

    def _echoes(self) -> dict[int, tuple[int, int]]:
        """Return the echoes of as many as fit, of the others next time."""
        echoes: dict[int, tuple[int, int]] = {}
        for each in self._heard():
            echoes[each.boot_id] = (each.sequence & SEQUENCE_MASK, each.table.held)
            if each.successor is not None:
                echoes[each.successor[0]] = (each.successor[1] & SEQUENCE_MASK, 0)
        if len(echoes) <= MAX_ECHOES:
            return echoes
        listed = list(echoes.items())
        start = self._echo_page = (self._echo_page + MAX_ECHOES) % len(listed)
        return dict((listed[start:] + listed[:start])[:MAX_ECHOES])

    @property
    def hears_and_expects_nobody(self) -> bool:
        """Whether this node is the only one there should be."""
        return not self._ground.alone and not self._heard()

    def _report(self, neighbour: Neighbour) -> None:
        report = NeighbourReport(
            node=neighbour.node,
            interface=self._ground.interface,
            alive=neighbour.standing is not Standing.DEAD,
            two_way=neighbour.standing is Standing.TWO_WAY,
            interval_ms=round(neighbour.interval_s * 1000),
            draining=neighbour.draining,
            starting=neighbour.starting,
        )
        if self._reported.get(neighbour.node) != report:
            self._reported[neighbour.node] = report
            self._act(Report(report))
