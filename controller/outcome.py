"""What the planner says about a Service, as values: it has addresses, or why it has none.

Event, condition, metric label, `herald explain` and tests read these same values. A `Pending`
always names the object and the field that would have to change, and the remedy in words. Two
`Pending` with the same reason, object and field are the same news: the sentence may count other
Services in it, and a count that moved is no reason for another Event.
"""

import dataclasses
from dataclasses import dataclass
from enum import Enum

from kube.objects import Address, ObjectName


class Reason(Enum):
    """Why a Service has no address, or not the one it asks for; a bounded set: metric labels."""

    NO_POOLS = "NoPools"
    NO_POOL_ADMITS = "NoPoolAdmits"
    NO_AUTO_ASSIGN = "NoAutoAssign"
    POOL_FULL = "PoolFull"
    POOL_UNKNOWN = "PoolUnknown"
    POOL_REFUSED = "PoolRefused"
    POOL_NOT_FOR_SERVICE = "PoolNotForService"
    FAMILY_NOT_IN_POOL = "FamilyNotInPool"
    FAMILY_MISMATCH = "FamilyMismatch"
    NOT_DUAL_STACK = "NotDualStack"
    NO_CLUSTER_IP = "NoClusterIP"
    REQUEST_MALFORMED = "RequestMalformed"
    REQUEST_TWICE = "RequestTwice"
    ADDRESS_IN_NO_POOL = "AddressInNoPool"
    ADDRESS_NOT_IN_POOL = "AddressNotInPool"
    ADDRESS_AVOIDED = "AddressAvoided"
    ADDRESSES_IN_TWO_POOLS = "AddressesInTwoPools"
    ADDRESS_TAKEN = "AddressTaken"
    SHARING_KEY_DIFFERS = "SharingKeyDiffers"
    BACKENDS_DIFFER = "BackendsDiffer"
    PORTS_CLASH = "PortsClash"
    NAMESPACES_APART = "NamespacesApart"
    QUOTA_REACHED = "QuotaReached"
    QUOTA_MALFORMED = "QuotaMalformed"
    METALLB_RUNS = "MetalLBRuns"
    NOT_WRITTEN = "NotWritten"
    "It was given an address; the API server has not taken its status yet."
    STATUS_REFUSED = "StatusRefused"
    "The API server calls a status with its address invalid."
    SECOND_FAMILY = "SecondFamilyMissing"
    "It prefers two families and has one; the sentence says why."
    MOVES_SOON = "MovesSoon"
    "It has an address that it must leave, and waits for its turn."


class Cause(Enum):
    """Why a Service's addresses changed or were taken away."""

    NEW = "New"
    REQUESTED = "Requested"
    "It asked for another pool or address."
    COMPLETED = "Completed"
    "Its second family was added."
    FAMILIES_CHANGED = "FamiliesChanged"
    POOL_GONE = "PoolGone"
    NOT_ADMITTED = "NotAdmitted"
    HELD_BY_OLDER = "HeldByOlder"
    SHARING_BROKEN = "SharingBroken"


@dataclass(frozen=True, slots=True)
class Pending:
    """Why a Service has no address, or must do without the one it asks for."""

    reason: Reason
    object: str
    "Kind and name of the object that would open it, such as `IPAddressPool first-pool`."
    field: str
    "Path of the field in that object."
    sentence: str = dataclasses.field(compare=False)
    remedy: str = dataclasses.field(compare=False)

    def __str__(self) -> str:
        return f"{self.sentence}: {self.remedy}"


@dataclass(frozen=True, slots=True)
class Assigned:
    """The addresses a Service shall have, in the order they are written."""

    addresses: tuple[Address, ...]
    pool: str
    "Written into the annotation; the pool of the first address when there are two."
    note: Pending | None = None
    "A wish that is not met: the addresses stay until it can be."
    warning: str = ""
    "Something the owner should know that changes nothing."


@dataclass(frozen=True, slots=True)
class NotOurs:
    """Not a Service we balance: another type, class or none at all."""

    sentence: str = dataclasses.field(default="", compare=False)


Outcome = Assigned | Pending | NotOurs


@dataclass(frozen=True, slots=True)
class Change:
    """What one pass changed for a Service: what it shall have now, and why that is news."""

    service: ObjectName
    outcome: Outcome
    before: tuple[Address, ...] = ()
    cause: Cause | None = None
    "None when the addresses stay as they are."
    detail: str = ""
    "Words for the Event when addresses were taken away."
