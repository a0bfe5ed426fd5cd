"""Which Events a change is worth: one for each change, with MetalLB's reasons where it has one.

Only changes are told. What a restart finds as it left it is no news.
"""

from dataclasses import dataclass
from enum import Enum

from controller.ask import DEPRECATED_PREFIX, deprecated_annotations
from controller.outcome import Assigned, Cause, Change, Pending, Reason
from controller.patches import MAX_MESSAGE
from kube.objects import Address, Json, ObjectName, Service

COMPONENT = "herald-controller"
MAX_STEM = 200
"""A pool's name may be as long as an Event's, 253 characters, and what makes it unique follows."""

MALFORMED = frozenset({Reason.REQUEST_MALFORMED, Reason.REQUEST_TWICE, Reason.FAMILY_MISMATCH})


class EventReason(Enum):
    """Reasons of our Events; all but the last three are MetalLB's names."""

    IP_ALLOCATED = "IPAllocated"
    CLEAR_ASSIGNMENT = "ClearAssignment"
    ADDITIONAL_ASSIGN_FAILED = "AdditionalAssignFailed"
    ALLOCATION_FAILED = "AllocationFailed"
    LOAD_BALANCER_FAILED = "LoadBalancerFailed"
    DEPRECATED_ANNOTATION = "deprecatedAnnotation"
    ADDRESS_OF_NODE = "AddressOfNode"
    STATUS_OVERWRITTEN = "StatusOverwritten"
    CONFIGURATION_ERROR = "ConfigurationError"


@dataclass(frozen=True, slots=True)
class News:
    """An Event to be, on a Service unless it says otherwise."""

    object: ObjectName
    uid: str
    reason: EventReason
    message: str
    warning: bool = False
    kind: str = "Service"
    api_version: str = "v1"


def news_of(service: Service, change: Change) -> tuple[News, ...]:
    """Return the Events that tell of the change."""
    found = [each for each in (_main(change), _missing(change), _node(change)) if each is not None]
    old = deprecated_annotations(service)
    if old and change.cause is not None:
        text = (
            f"{', '.join(sorted(old))}: the prefix {DEPRECATED_PREFIX} is deprecated, "
            f"write metallb.io/ instead"
        )
        found.append((EventReason.DEPRECATED_ANNOTATION, text, True))
    return tuple(
        News(service.name, service.uid, reason, message[:MAX_MESSAGE], warning)
        for reason, message, warning in found
    )


def news_of_rejection(service: Service, why: Pending) -> News:
    """Return the Event that the API server does not take what was decided."""
    text = f"No address: {why}"[:MAX_MESSAGE]
    return News(service.name, service.uid, EventReason.ALLOCATION_FAILED, text, warning=True)


def news_of_quarrel(service: Service) -> News:
    """Return the Event that somebody else writes the Service's status again and again."""
    text = (
        f"Somebody else writes status.loadBalancer of Service {service.name} too, or takes away "
        f"what Herald adds; it shows {_words(service.ingress) or 'no address'} now: "
        "metadata.managedFields names who; switch that off, or let the two serve Services of "
        "different loadBalancerClass"
    )
    return News(service.name, service.uid, EventReason.STATUS_OVERWRITTEN, text, warning=True)


_Telling = tuple[EventReason, str, bool]


def _main(change: Change) -> _Telling | None:
    outcome = change.outcome
    if isinstance(outcome, Pending):
        lost = f"{_words(change.before)} given up ({change.detail}). " if change.before else ""
        return EventReason.ALLOCATION_FAILED, f"{lost}No address: {outcome}", True
    if not isinstance(outcome, Assigned):
        return None
    if change.cause is None:
        return _note(outcome)
    now = f'Assigned IP {_words(outcome.addresses)} from pool "{outcome.pool}"'
    if change.cause in {Cause.NEW, Cause.COMPLETED, Cause.REQUESTED}:
        return EventReason.IP_ALLOCATED, now, False
    gone = tuple(address for address in change.before if address not in outcome.addresses)
    if set(outcome.addresses) <= set(change.before):
        now = f"Keeps {_words(outcome.addresses)}"
    return EventReason.CLEAR_ASSIGNMENT, f"{_words(gone)} given up: {change.detail}. {now}", False


def _missing(change: Change) -> _Telling | None:
    """Return what is still missing beside the address that was just given."""
    if change.cause is None or not isinstance(change.outcome, Assigned):
        return None
    return _note(change.outcome)


def _note(outcome: Assigned) -> _Telling | None:
    note = outcome.note
    if note is None or note.reason is Reason.MOVES_SOON:
        return None
    text = f"Keeps {_words(outcome.addresses)}: {note}"
    if note.reason is Reason.SECOND_FAMILY:
        return EventReason.ADDITIONAL_ASSIGN_FAILED, text, False
    if note.reason in MALFORMED:
        return EventReason.LOAD_BALANCER_FAILED, text, True
    return EventReason.ALLOCATION_FAILED, text, True


def _node(change: Change) -> _Telling | None:
    outcome = change.outcome
    if not isinstance(outcome, Assigned) or not outcome.warning:
        return None
    return EventReason.ADDRESS_OF_NODE, outcome.warning, True


def event_body(news: News, when: str, unique: str) -> Json:
    """Return the Event object; `when` is RFC 3339, `unique` makes its name."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{news.object.name[:MAX_STEM].rstrip('-.')}.{unique}",
            "namespace": news.object.namespace,
        },
        "involvedObject": {
            "apiVersion": news.api_version,
            "kind": news.kind,
            "namespace": news.object.namespace,
            "name": news.object.name,
            "uid": news.uid,
        },
        "reason": news.reason.value,
        "message": news.message,
        "type": "Warning" if news.warning else "Normal",
        "source": {"component": COMPONENT},
        "firstTimestamp": when,
        "lastTimestamp": when,
        "count": 1,
    }


def _words(addresses: tuple[Address, ...]) -> str:
    return ", ".join(f'"{address}"' for address in addresses)
