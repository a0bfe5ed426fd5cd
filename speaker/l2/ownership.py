"""Who owns an address on a segment: the state of each address, and the rules that move it.

The model. Each node says in its hello what it claims and how fit it is for the rest. A node reads
from this, for every address it wants, one of: somebody whose claim counts has it; nobody has it and
it is my turn; I have it. There is no election and no leader: the wait for one's rank decides, and
when two took at once, the better claim does (`speaker.l2.claims`).

    IDLE ----- vacant, all guards pass, my turn ----> OWNER    `vacancy`, `turn`, `witness`
    OWNER ---- unfit, draining, stale --------------> LEAVING  still answers, asks for relief
    LEAVING -- fit again ---------------------------> OWNER
    OWNER, LEAVING -- a better claim is heard ------> IDLE     at once, whoever says so
    LEAVING -- nobody took it in time --------------> IDLE
    OWNER ---- a stranger at its first use ---------> HELD     `conflict`
    HELD ----- the stranger is gone ----------------> IDLE
    OWNER, LEAVING -- carrier lost -----------------> SUSPENDED, and back if it was short

Invariants.
1. `Answer` is given exactly when a record enters OWNER, `Silence` exactly when it leaves OWNER and
   LEAVING; `Announce` only in between.
2. The table says a claim exactly while the role is in CLAIMING: what we answer for is always told.
3. A generation is never used twice for different takings: it grows by time and by what was heard.
4. A claim of a dead neighbour stays in the record until somebody else claims: whoever takes from
   such a *suspect* asks the witness first.

Choices. An event only marks records (`speaker.l2.records`), and `settle` judges the marked ones
from the facts as they are then: the order of events can't matter, work is proportional to what
changed, and a third of 5,000 addresses orphaned at once is done in slices between which hellos are
read. What waits for something other than a neighbour's claim is in `unsettled`, and a change of the
electorate marks only those.
"""

from collections.abc import Callable, Mapping

from speaker.hello.entry import Grade
from speaker.hello.neighbours import Neighbour
from speaker.hello.packet import Double
from speaker.hello.table import OwnTable
from speaker.l2.actions import Action, Announce, Answer, Mac, Silence
from speaker.l2.cause import Cause
from speaker.l2.claims import beats, best_claim
from speaker.l2.conflict import Strangers
from speaker.l2.doubles import Doubles, Relays
from speaker.l2.ground import Ground
from speaker.l2.leaving import AT_ONCE, why_leave
from speaker.l2.life import LifeSeeker
from speaker.l2.rank import grade_of
from speaker.l2.record import ANSWERING, CLAIMING, Record, Role
from speaker.l2.records import Records
from speaker.l2.reporting import Reporter
from speaker.l2.turn import suspect, turn_at
from speaker.l2.vacancy import Blocked, first_block
from speaker.l2.witness import Witnesses
from speaker.seam.messages import Address, OnConflict

SETTLED = (Cause.NEIGHBOUR_CLAIMS, Cause.REFUSED)
WAITING_FOR_OTHERS = (Cause.WAITING_FOR_RANK, Cause.WITNESS_ANSWERS)
MAX_DOUBLINGS = 6
CALM_S = 60.0
"""A clash so long after the last hold counts as the first."""


class Ownership:
    """Judges the records of one segment."""

    def __init__(self, *, ground: Ground, table: OwnTable, act: Callable[[Action], None]) -> None:
        timing = ground.timing
        self.records = Records(ground)
        self.doubles = Doubles(ground)
        self.strangers = Strangers(ground, self.records, act)
        self.witnesses = Witnesses(
            spacing_s=timing.witness_spacing_s, again_s=timing.detection_s, act=act
        )
        self._ground = ground
        self._table = table
        self._act = act
        self._reporter = Reporter(ground, act)
        self._relays = Relays(ground, self.records)
        self._life = LifeSeeker(act)
        self._decide: Mapping[Role, Callable[[Record, float], float | None]] = {
            Role.IDLE: self._decide_idle,
            Role.OWNER: self._decide_owner,
            Role.LEAVING: self._decide_owner,
            Role.HELD: self._decide_held,
            Role.SUSPENDED: self._decide_suspended,
        }

    def unwant(self, address: Address, now: float) -> None:
        """Forget the address; silent at once, since nobody is to have it."""
        record = self.records.by_address.get(address)
        if record is None:
            return
        if record.role in CLAIMING:
            self._give_up(record, Cause.REMOVED)
        self.strangers.forget(record)
        self._reporter.forget(record)
        self.doubles.end(address)
        self.records.remove(record)
        self._table.set(address, None)

    def lose_carrier(self) -> None:
        """Stop answering: nobody hears or asks this node any more."""
        for record in self.records.by_address.values():
            if record.role in ANSWERING:
                self._stop(record, Role.SUSPENDED)
        self.records.mark_all()

    def regain_carrier(self) -> None:
        """Go on as if nothing had been: nobody can have noticed."""
        for record in self.records.by_address.values():
            if record.role is Role.SUSPENDED:
                record.role = Role.OWNER
                self._act(Answer(record.address))
                self._act(Announce(record.address))
        self.records.mark_all()

    def start_anew(self, cause: Cause) -> None:
        """Give everything up; what was in use is resumed if nobody else has taken it."""
        for record in self.records.by_address.values():
            record.clear_since = None
            if record.role in CLAIMING:
                self._give_up(record, cause)
                record.resumable = record.used  # else a stranger's answer may have been dropped
                self._table.set(record.address, record.entry)
        self.records.mark_all()

    def hear_doubles(self, teller: Neighbour, doubles: tuple[Double, ...], now: float) -> None:
        """Give up what somebody else claims better, as a third node hears."""
        for record, theirs in self._relays.hear(teller, doubles):
            mine = record.claim
            if mine is None or record.role not in ANSWERING:
                continue
            if beats(theirs, (self._ground.node, mine), record.key):
                self._lose(record, theirs[0], now)
                self.records.mark(record.address)

    def sighting(self, address: Address, mac: Mac, now: float) -> None:
        """Take that a MAC which is no neighbour's says it has the address."""
        for freed in self.strangers.unmasked(address, mac, now):
            if freed.role is Role.HELD:
                freed.role = Role.IDLE
            self.records.mark(freed.address)
        record = self.records.by_address.get(address)
        if record is not None and self.strangers.meet(record, mac, now):
            self._stand_back(record, now)

    def expects(self, neighbour: Neighbour, address: Address) -> bool:
        """Return whether it is nothing new that the neighbour answers for the address."""
        record = self.records.by_address.get(address)
        claims = record is None or neighbour.node in record.claims
        return claims and not self.witnesses.asking(neighbour.node)

    def neighbour_sighting(
        self, neighbour: Neighbour, address: Address, mac: Mac, now: float
    ) -> None:
        """Take that a neighbour's MAC answers: as a witness, or for another program beside it."""
        self.witnesses.answer(neighbour.node, address, now)
        record = self.records.by_address.get(address)
        if record is None or not self.strangers.foreign_to(neighbour, record, now):
            return
        if self.strangers.meet(record, mac, now):
            self._stand_back(record, now)

    def _stand_back(self, record: Record, now: float) -> None:
        """Make way for a stranger at the first use; defend what is in use."""
        self.records.mark(record.address)
        first_use = record.role in ANSWERING and not record.used
        if first_use and record.intent.on_conflict is OnConflict.HOLD:
            self._give_up(record, Cause.CONFLICT)
            record.role = Role.HELD
            self._table.set(record.address, record.entry)
        elif record.role in ANSWERING and self.strangers.may_defend(record, now):
            self._act(Announce(record.address))

    def settle(self, now: float) -> None:
        """Judge a slice of the records that are marked or due."""
        for record in self.records.take_slice(now):
            self._judge(record, now)

    def _judge(self, record: Record, now: float) -> None:
        role: Role | None = None
        until: float | None = None
        while record.role is not role:  # at most: idle, owner, leaving
            role = record.role
            record.grade = grade_of(
                record.intent, self._ground.link, owning=role in CLAIMING or record.resumable
            )
            until = self._decide[role](record, now)
        self._table.set(record.address, record.entry)
        self.doubles.look(record, now)
        self.records.arm(record, until, self.doubles.due(record))

    # One for each role: do what the facts ask for, return when to look again.

    def _decide_idle(self, record: Record, now: float) -> float | None:
        blocked = first_block(self._ground, record, now)
        if blocked is None and not record.resumable:
            if record.clear_since is None:
                record.clear_since = now
            blocked = self._wait_for_others(record, now)
        if blocked is None:
            self._take(record, now)
            return None
        if blocked.cause not in WAITING_FOR_OTHERS:
            record.clear_since = None
        if blocked.cause is Cause.NEIGHBOUR_CLAIMS:
            record.resumable = False
        if blocked.cause is Cause.WAITING_FOR_TABLES:
            self.records.untabled.add(record.address)
        self._sort(record, settled=blocked.cause in SETTLED)
        self._reporter.not_owned(record, blocked.cause, now)
        return self._life.seek(now) if blocked.cause is Cause.WAITING_FOR_LIFE else blocked.until

    def _wait_for_others(self, record: Record, now: float) -> Blocked | None:
        turn = turn_at(self._ground, record, now, len(self.records.unsettled))
        silent = suspect(self._ground, record)
        if silent is not None:
            ask_at = turn - 2 * self._ground.timing.witness_spacing_s
            if now < ask_at:
                return Blocked(Cause.WAITING_FOR_RANK, ask_at)
            answer = self.witnesses.ask(silent, record.address, now)
            if answer is not None:
                return answer
        return Blocked(Cause.WAITING_FOR_RANK, turn) if now < turn else None

    def _decide_owner(self, record: Record, now: float) -> float | None:
        mine = record.claim
        best = best_claim(self._ground, record, now)
        if best is not None and mine is not None:
            if beats(best, (self._ground.node, mine), record.key):
                self._lose(record, best[0], now)
                return None
            record.rival = record.rival or not self._ground.relieved(*best)
        if record.grade is not Grade.REFUSED:
            record.unfit_since = None
        elif record.unfit_since is None:
            record.unfit_since = now
        leave = why_leave(self._ground, record, now)
        if leave is not None and (leave.cause in AT_ONCE or now >= leave.by):
            self._give_up(record, leave.cause)
            return None
        drains = leave is not None and leave.cause is Cause.DRAINED
        # A drain is told once for the node, not for each of its addresses.
        record.role = Role.LEAVING if leave is not None and not drains else Role.OWNER
        record.leave_by = None if leave is None else leave.by
        if record.provisional and not self._ground.alone and self._electorate_known():
            record.provisional = False
        fine = record.grade is Grade.ON_SUBNET and not record.provisional
        self._sort(record, settled=leave is None and fine)
        self._reporter.owned(record)
        return self._speak_up(record, now, alone=best is None)

    def _speak_up(self, record: Record, now: float, *, alone: bool) -> float | None:
        """Announce when it is time; return when to look again."""
        self.strangers.fade(record, now)
        if self.strangers.step_probing(record, now):
            record.used = True
            self._act(Announce(record.address))
        if record.announce_at is not None and (alone or now >= record.announce_at):
            record.announce_at = None
            self._act(Announce(record.address))
        if record.rival and alone:
            record.rival = False
            self._act(Announce(record.address))
        times = (record.probe_at, record.announce_at, record.leave_by, self.strangers.due(record))
        return min((each for each in times if each is not None), default=None)

    def _decide_held(self, record: Record, now: float) -> float | None:
        self._sort(record, settled=False)
        gone = self.strangers.look_again(record, now)
        if gone or record.intent.on_conflict is OnConflict.IGNORE or record.used:
            record.role = Role.IDLE
            return None
        self._reporter.not_owned(record, Cause.CONFLICT, now)
        return record.probe_at

    def _decide_suspended(self, record: Record, _now: float) -> float | None:
        self._reporter.owned(record)
        return None

    # Transitions

    def _take(self, record: Record, now: float) -> None:
        best = best_claim(self._ground, record, now)
        record.cause = self._why_taken(record, relieving=best is not None)
        # The wall clock makes what happened after a partition or a restart count.
        record.generation = max(record.highest + 1, self._ground.unix_ms(now))
        record.highest = record.generation
        record.provisional = self._ground.alone
        record.took_as = record.grade
        record.taken_at = now
        record.role = Role.OWNER
        resumed, record.resumable = record.resumable, False
        record.clear_since = record.leave_by = record.lost = record.lost_to = None
        self.records.forget_dead(record)
        self._act(Answer(record.address))
        if not record.used and not resumed:
            self.strangers.begin_probing(record, now)
            return
        record.used = True
        if best is not None:
            record.announce_at = now + self._ground.timing.announce_wait_s
        else:
            self._act(Announce(record.address))

    def _why_taken(self, record: Record, *, relieving: bool) -> Cause:
        if record.resumable:
            return Cause.RESUMED
        if relieving:
            return Cause.HANDED_OVER
        if record.vacated is not Cause.NONE and record.used:
            return record.vacated
        return Cause.ALONE if self._ground.alone else Cause.TOOK_VACANT

    def _stop(self, record: Record, role: Role) -> None:
        record.role = role
        record.announce_at = record.probe_at = record.leave_by = record.unfit_since = None
        record.rival = False
        self._act(Silence(record.address))

    def _give_up(self, record: Record, cause: Cause) -> None:
        suspended = record.role is Role.SUSPENDED
        if not suspended:
            self._stop(record, Role.IDLE)
        record.role = Role.IDLE
        record.clear_since = None
        record.lost = cause
        record.vacated = Cause.NONE

    def _lose(self, record: Record, winner: str, now: float) -> None:
        """Rule 6: the better claim was heard. Not a clash if we had asked for it."""
        if record.role is Role.LEAVING or self._ground.draining_until is not None:
            self._give_up(record, Cause.HANDED_OVER)
            return
        calm = now > record.hold_until + CALM_S
        record.clashes = 0 if calm else min(record.clashes + 1, MAX_DOUBLINGS)
        record.hold_until = now + self._ground.timing.clash_hold_s * 2**record.clashes
        record.lost_to = winner
        self._give_up(record, Cause.CLASH_LOST)

    def _electorate_known(self) -> bool:
        two_way = self._ground.two_way
        return bool(two_way) and all(each.table.complete for each in two_way)

    def _sort(self, record: Record, *, settled: bool) -> None:
        if settled:
            self.records.unsettled.discard(record.address)
        else:
            self.records.unsettled.add(record.address)
