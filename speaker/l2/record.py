"""What this node knows of one address on one segment."""

import math
from dataclasses import dataclass, field
from enum import Enum

from speaker.hello.entry import Claim, Entry, Grade, plain
from speaker.l2.actions import Mac
from speaker.l2.cause import Cause
from speaker.seam.messages import Address, AddressIntent, OwnerReport


class Role(Enum):
    """What this node does for an address."""

    IDLE = "idle"
    "Doesn't answer: somebody else does, or its turn has not come."
    OWNER = "owner"
    "Answers."
    LEAVING = "leaving"
    "Answers, and asks to be relieved."
    HELD = "held"
    "Keeps off because a stranger answers."
    SUSPENDED = "suspended"
    "Owner on a NIC without carrier."


# Tuples: members are found by identity, without hashing an Enum for each judgement.
ANSWERING = (Role.OWNER, Role.LEAVING)
CLAIMING = (Role.OWNER, Role.LEAVING, Role.SUSPENDED)


@dataclass(slots=True)
class Record:
    """One wanted address. Claims are those that neighbours' tables hold, obeyed or not."""

    address: Address
    intent: AddressIntent
    uid_hash: int
    key: str
    "Text that the rank is hashed over."
    wanted_at: float
    grade: Grade = Grade.REFUSED
    role: Role = Role.IDLE
    cause: Cause = Cause.NONE
    generation: int = 0
    provisional: bool = False
    took_as: Grade = Grade.REFUSED
    "The grade it was taken with."
    claims: dict[str, Claim] = field(default_factory=dict)
    highest: int = 0
    "Highest generation heard of it."
    used: bool = False
    "Some speaker has claimed it before, so a stranger no longer blocks it."
    vacated: Cause = Cause.NONE
    "How the last claim by another ended."
    clear_since: float | None = None
    "Since when nothing but the turns of others keeps this node from taking it."
    timer: float | None = None
    announce_at: float | None = None
    "When a successor announces, unless it hears the release before."
    leave_by: float | None = None
    "When a holder without a successor falls silent."
    unfit_since: float | None = None
    taken_at: float = -math.inf
    resumable: bool = False
    "Owned by this node before its wire restarted, stood still or lost its carrier."
    clashes: int = 0
    hold_until: float = -math.inf
    lost_to: str | None = None
    lost: Cause | None = None
    "Why it was given up, until that is reported."
    double_since: float | None = None
    "Since when two neighbours claim it."
    relayed_by: str = ""
    relayed_until: float = -math.inf
    "Until when a claim counts that only the neighbour `relayed_by` hears."
    rival: bool = False
    "A worse claim was heard while owning it: announce again when that ends."
    probes_left: int = 0
    probe_at: float | None = None
    stranger: Mac | None = None
    stranger_at: float = -math.inf
    met_at: float = -math.inf
    "When the stranger was first seen; `stranger_at` is when it was last seen."
    checks: int = 0
    "Probes since it is held."
    checked_at: float = -math.inf
    "When it was last probed while held."
    defended_at: float = -math.inf
    reported: OwnerReport | None = None

    @property
    def claim(self) -> Claim | None:
        """What this node claims in its table."""
        if self.role not in CLAIMING:
            return None
        leaving = self.role is Role.LEAVING
        return Claim(self.generation, self.provisional, leaving, self.uid_hash)

    @property
    def entry(self) -> Entry:
        """What this node says of the address in its table."""
        claim = self.claim
        if claim is None:
            return plain(self.grade, self.intent.weight, self.role is Role.HELD)
        return Entry(self.grade, self.intent.weight, claim)
