"""What is written to a Service: one patch of its status subresource for all that must differ.

A strategic merge patch, since only that leaves other people's conditions alone. It carries the
pool's annotation along (the API server keeps metadata in a write to the subresource), `ipMode`
(or the server would fill it in and every comparison would differ for ever), and the resource
version it was made for as a precondition.
"""

from dataclasses import fields
from operator import attrgetter

from controller.outcome import Assigned, NotOurs, Outcome, Pending, Reason
from kube.objects import Address, Condition, Json, Service

POOL_ANNOTATION = "metallb.io/ip-allocated-from-pool"
CONDITION = "herald.io/AddressAssigned"
MAX_MESSAGE = 1024
"""A condition takes 32 kB; Events cut at 1 kB, and one text serves both."""

WRITTEN = frozenset({"ingress", "ingress_complete", "conditions", "annotations"})
_others = attrgetter(*(f.name for f in fields(Service) if f.compare and f.name not in WRITTEN))


def patch_for(service: Service, outcome: Outcome, when: str, *, fresh: bool = True) -> Json | None:
    """Return what must be written so that the Service shows the outcome, None when it does.

    `when` is the RFC 3339 time for a condition. Without `fresh` a condition of the right reason
    is good enough: its words may count other Services.
    """
    if isinstance(outcome, NotOurs) and service.type == "LoadBalancer":
        # Another class of the same type: its status is somebody else's.
        return None
    status: Json = {}
    wanted = outcome.addresses if isinstance(outcome, Assigned) else ()
    if service.ingress != wanted or not service.ingress_complete:
        status["loadBalancer"] = {"ingress": _ingress(wanted)} if wanted else None
    condition = _condition_patch(service, outcome, when, fresh)
    if condition is not None:
        status["conditions"] = [condition]
    annotations = _annotation_patch(service, outcome)
    if not status and not annotations:
        return None
    metadata: Json = {"resourceVersion": service.resource_version}
    if annotations:
        metadata["annotations"] = annotations
    return {"metadata": metadata, "status": status} if status else {"metadata": metadata}


def only_ours(before: Service, after: Service) -> bool:
    """Tell whether two states of a Service differ in nothing but what a patch of ours writes."""
    if _others(before) != _others(after):
        return False
    one, other = before.annotations, after.annotations
    keys = (one.keys() | other.keys()) - {POOL_ANNOTATION}
    return all(one.get(key) == other.get(key) for key in keys)


def _ingress(addresses: tuple[Address, ...]) -> list[Json]:
    return [{"ip": str(address), "ipMode": "VIP"} for address in addresses]


def _annotation_patch(service: Service, outcome: Outcome) -> Json | None:
    shown = service.annotations.get(POOL_ANNOTATION)
    if isinstance(outcome, Assigned) and outcome.pool:
        return {POOL_ANNOTATION: outcome.pool} if shown != outcome.pool else None
    if isinstance(outcome, Assigned) or shown is None:
        return None
    return {POOL_ANNOTATION: None}


def _condition_patch(service: Service, outcome: Outcome, when: str, fresh: bool) -> Json | None:
    shown = next((each for each in service.conditions if each.type == CONDITION), None)
    wanted = condition_of(outcome)
    if wanted is None:
        return None if shown is None else {"$patch": "delete", "type": CONDITION}
    alike = shown is not None and (shown.status, shown.reason) == (wanted.status, wanted.reason)
    if shown is not None and alike and (not fresh or shown.message == wanted.message):
        return None
    return {
        "type": wanted.type,
        "status": wanted.status,
        "reason": wanted.reason,
        "message": wanted.message,
        "lastTransitionTime": when,
    }


def condition_of(outcome: Outcome) -> Condition | None:
    """Return the condition that says why something is missing, None when nothing is."""
    if isinstance(outcome, Pending):
        return _condition("False", outcome)
    if not isinstance(outcome, Assigned) or outcome.note is None:
        return None
    # It moves within seconds: not worth a write of its own.
    if outcome.note.reason is Reason.MOVES_SOON:
        return None
    return _condition("True", outcome.note)


def _condition(status: str, why: Pending) -> Condition:
    return Condition(CONDITION, status, why.reason.value, str(why)[:MAX_MESSAGE])
