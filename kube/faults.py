"""What is wrong with an object, as one value for Events, statuses, metrics, `explain` and tests."""

from dataclasses import dataclass
from enum import Enum

from kube.objects import ObjectName
from kube.snapshot import Kind


class Reason(Enum):
    """Closed set of what can be wrong; the value is a metric label and stays as it is."""

    UNREADABLE = "unreadable"
    "The object doesn't fit its own schema."
    WRONG_NAMESPACE = "wrong-namespace"
    BAD_RANGE = "bad-range"
    OVERLAP = "overlap"
    DUPLICATE = "duplicate"
    BAD_SELECTOR = "bad-selector"
    BAD_VALUE = "bad-value"
    EXCLUSIVE = "mutually-exclusive"
    AGGREGATION = "aggregation"
    CONFLICT = "conflict"
    UNKNOWN_REFERENCE = "unknown-reference"
    BAD_SECRET = "bad-secret"
    BAD_TIMER = "bad-timer"
    UNSUPPORTED = "unsupported"
    "MetalLB has the field, Herald refuses it."
    NO_EFFECT = "no-effect"
    "The field is accepted and ignored, as in MetalLB."


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one object."""

    kind: Kind
    name: ObjectName
    field: str
    "Path in the object, in the API's spelling, such as `spec.addresses`."
    text: str
    "What is wrong and what to do, without the object's name."
    reason: Reason
    refused: bool = True
    "False: the object is used, this is advice."

    def __str__(self) -> str:
        return f"{self.kind.value} {self.name}: {self.field}: {self.text}"
