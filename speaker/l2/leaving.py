"""Why an owner should hand an address over, and how long it goes on answering without a successor.

Rule 3 keeps an address where it is, so every reason here is about the owner itself: nothing that
another node gains ever moves an address.
"""

import math
from typing import NamedTuple

from speaker.hello.entry import Grade
from speaker.l2.cause import Cause
from speaker.l2.ground import AlonePolicy, Ground
from speaker.l2.record import Record
from speaker.l2.turn import candidates

AT_ONCE = (Cause.TWIN, Cause.YIELDED)
"""Not handed over: the other NIC or side is there already, or nobody is there to take it."""


class Leave(NamedTuple):
    """Why to leave, and when to stop answering if nobody takes over."""

    cause: Cause
    by: float


def why_leave(ground: Ground, record: Record, now: float) -> Leave | None:
    """Return why the owner of the address should hand it over; None to keep it."""
    if ground.passive:
        return Leave(Cause.TWIN, now)
    if ground.alone and ground.alone_policy is AlonePolicy.YIELD:
        return Leave(Cause.YIELDED, now)
    if record.grade is Grade.REFUSED:
        # Where nobody is fit, nobody should attract its traffic, but a neighbour whose gate opens
        # for the same reason as ours closes may be some ms behind.
        since = now if record.unfit_since is None else record.unfit_since
        return Leave(Cause.REFUSED, since + ground.timing.linger_s)
    if ground.draining_until is not None:
        return Leave(Cause.DRAINED, ground.draining_until)
    return _for_a_better_one(ground, record, now)


def _for_a_better_one(ground: Ground, record: Record, now: float) -> Leave | None:
    """Return the reasons that count only while a better node is there to take it."""
    lost_subnet = record.grade is Grade.OFF_SUBNET and record.took_as is Grade.ON_SUBNET
    last_resort = record.grade is Grade.LAST_RESORT
    stale = ground.stale(now)
    if not (lost_subnet or last_resort or stale):
        return None
    others = candidates(ground, record, now)
    grades = [each.table.entries[record.address].grade for each in others]
    if last_resort and any(grade > Grade.LAST_RESORT for grade in grades):
        return Leave(Cause.REFUSED, math.inf)
    if lost_subnet and Grade.ON_SUBNET in grades:
        return Leave(Cause.OFF_SUBNET, math.inf)
    if stale and any(ground.fresher(each) for each in others):
        return Leave(Cause.STALE, math.inf)
    return None
