"""Whether this node may take an address that nobody claims, now: a list of guards, in order.

Each guard returns what blocks and until when (None: until something changes), or None to pass.
Once all pass, the wait for the turns of others begins: `speaker.l2.turn`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from speaker.hello.entry import Grade
from speaker.hello.neighbours import Standing
from speaker.l2.cause import Cause
from speaker.l2.claims import best_claim
from speaker.l2.ground import AlonePolicy, Ground
from speaker.l2.record import Record
from speaker.l2.turn import candidates


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why the address is not taken, and when to ask again at the latest."""

    cause: Cause
    until: float | None = None


Guard: TypeAlias = Callable[[Ground, Record, float], Blocked | None]


def claimed(ground: Ground, record: Record, now: float) -> Blocked | None:
    """Rule 3: a live claimant keeps its address, unless it asks to be relieved."""
    best = best_claim(ground, record, now)
    if best is None:
        return None
    node, claim = best
    if not ground.relieved(node, claim):
        return Blocked(Cause.NEIGHBOUR_CLAIMS)
    theirs = ground.neighbours.by_node[node].table.entries.get(record.address)
    # Relief from one last resort to the next would go on for ever.
    if theirs is not None and theirs.grade is record.grade is Grade.LAST_RESORT:
        return Blocked(Cause.NEIGHBOUR_CLAIMS)
    return None


def relayed(_ground: Ground, record: Record, now: float) -> Blocked | None:
    """Rule 6: a claimant that only a third node hears is a claimant too."""
    if now < record.relayed_until:
        return Blocked(Cause.NEIGHBOUR_CLAIMS, record.relayed_until)
    return None


def refused(_ground: Ground, record: Record, _now: float) -> Blocked | None:
    """Rule 2: each judges itself."""
    return Blocked(Cause.REFUSED) if record.grade is Grade.REFUSED else None


def unplugged(ground: Ground, _record: Record, _now: float) -> Blocked | None:
    """Know that without carrier nobody is heard, so nothing is known."""
    return None if ground.link.up else Blocked(Cause.LINK_DOWN)


def twin(ground: Ground, _record: Record, _now: float) -> Blocked | None:
    """Of two NICs on one segment, one takes part."""
    return Blocked(Cause.TWIN) if ground.passive else None


def starting(ground: Ground, record: Record, now: float) -> Blocked | None:
    """Rule 8: a node that has just started listens first; its own claims it may resume sooner."""
    if not ground.starting:
        return None
    resume_at = ground.started_at + ground.timing.detection_s
    if record.resumable:
        return Blocked(Cause.STARTING, resume_at) if now < resume_at else None
    return Blocked(Cause.STARTING)


def draining(ground: Ground, _record: Record, _now: float) -> Blocked | None:
    """Take nothing on the way out."""
    return Blocked(Cause.DRAINED) if ground.draining_until is not None else None


def stale(ground: Ground, record: Record, now: float) -> Blocked | None:
    """Rule 10: a node with old knowledge leaves the address to a fresher one, if there is any."""
    if not ground.stale(now):
        return None
    fresher = any(ground.fresher(each) for each in candidates(ground, record, now))
    return Blocked(Cause.STALE) if fresher else None


def unknown(ground: Ground, _record: Record, now: float) -> Blocked | None:
    """Rule 4: a table that is not complete may hold a claim; unknown is not vacant.

    Not for ever: a node whose table never comes through must not keep an address from the rest.
    """
    until: float | None = None
    for neighbour in ground.two_way:
        if neighbour.incomplete_since is not None:
            give_up_at = neighbour.incomplete_since + ground.timing.start_limit_s
            if now < give_up_at:
                until = give_up_at if until is None else min(until, give_up_at)
    return None if until is None else Blocked(Cause.WAITING_FOR_TABLES, until)


def stranger_elsewhere(ground: Ground, record: Record, _now: float) -> Blocked | None:
    """Leave the probing to the neighbour that found a stranger: one a segment is enough."""
    for neighbour in ground.two_way:
        entry = neighbour.table.entries.get(record.address)
        if entry is not None and entry.held:
            return Blocked(Cause.CONFLICT)
    return None


def clash(ground: Ground, record: Record, now: float) -> Blocked | None:
    """Rule 6: the loser keeps off, unless the winner gave the address up or died."""
    if now >= record.hold_until:
        return None
    winner = ground.neighbours.by_node.get(record.lost_to or "")
    if winner is None or winner.standing is Standing.DEAD:
        return None
    claim = record.claims.get(winner.node)
    if winner.standing is Standing.TWO_WAY and (
        claim is None or ground.relieved(winner.node, claim)
    ):
        return None
    return Blocked(Cause.CLASH_LOST, record.hold_until)


def lifeless(ground: Ground, _record: Record, now: float) -> Blocked | None:
    """Rule 9: alone, and perhaps only because this node's own cable is cut."""
    if not ground.alone:
        return None
    if ground.alone_policy is AlonePolicy.YIELD:
        return Blocked(Cause.YIELDED)
    if now - ground.life_at <= ground.timing.life_s:
        return None
    return Blocked(Cause.WAITING_FOR_LIFE)


GUARDS: tuple[Guard, ...] = (
    claimed,
    relayed,
    refused,
    unplugged,
    twin,
    starting,
    draining,
    stale,
    unknown,
    stranger_elsewhere,
    clash,
    lifeless,
)


def first_block(ground: Ground, record: Record, now: float) -> Blocked | None:
    """Return what the first guard that objects says; None when all pass."""
    for guard in GUARDS:
        if (blocked := guard(ground, record, now)) is not None:
            return blocked
    return None
