"""Whether an object may be stored: `kube.validation`'s rules on the cluster as it would be then.

Refused is what makes the object itself unusable, or another one that was fine before. References
that lead nowhere are warnings only: objects may come in any order. Deletions are allowed, but of a
BFDProfile that a BGPPeer uses. What was stored bad before may still be changed in its metadata, or
nobody could take a finalizer from it.

A race of two requests can't be seen here, nor what came while no webhook was up: the controller
applies the same rules again to what is stored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from controller.admission.review import KINDS, Judgement, Operation, Request
from kube import crds
from kube.configuration import Configuration
from kube.crds import BGPPeer, Resource, SecretReference, parse_resource
from kube.faults import Fault, Reason
from kube.objects import Json, ObjectError, ObjectName
from kube.snapshot import Kind, Snapshot
from kube.store import SHELVES
from kube.validation import usable

MODELS: Mapping[Kind, type[Resource]] = MappingProxyType(
    {
        Kind.IP_ADDRESS_POOL: crds.IPAddressPool,
        Kind.L2_ADVERTISEMENT: crds.L2Advertisement,
        Kind.BGP_ADVERTISEMENT: crds.BGPAdvertisement,
        Kind.BGP_PEER: crds.BGPPeer,
        Kind.BFD_PROFILE: crds.BFDProfile,
        Kind.COMMUNITY: crds.Community,
    }
)
YOUNGEST = "9999-12-31T23:59:59Z"
"""Of two in conflict the older counts, so an object without a date must be the younger one."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The cluster as it is, and what is in force and wrong in it."""

    snapshot: Snapshot
    good: Configuration
    faults: frozenset[Fault]
    "Those that nobody's absence causes."
    advice: frozenset[Fault]
    "All, missing references among them."


def standing_of(snapshot: Snapshot, before: Standing | None = None) -> Standing:
    """Return the standing of a snapshot; what was in force `before` goes first in conflicts."""
    good, faults = usable(_detached(snapshot), before.good if before else None)
    _, advice = usable(snapshot, good)
    return Standing(snapshot, good, frozenset(faults), frozenset(advice))


def without(snapshot: Snapshot, deleted: Iterable[tuple[Kind, ObjectName]]) -> Snapshot:
    """Return the snapshot less the objects named."""
    maps: dict[str, dict[ObjectName, Any]] = {}
    faults = dict(snapshot.faults)
    for kind, name in deleted:
        field = SHELVES[kind].field
        maps.setdefault(field, dict(getattr(snapshot, field))).pop(name, None)
        faults.pop((kind, name), None)
    if not maps:
        return snapshot
    changed: dict[str, Any] = {field: MappingProxyType(objects) for field, objects in maps.items()}
    return replace(snapshot, faults=MappingProxyType(faults), **changed)


def judge(request: Request, standing: Standing, namespace: str) -> Judgement:
    """Return the answer to a request; Herald's objects must be in `namespace`."""
    if request.operation is Operation.DELETE:
        return _judge_deletion(request, standing.snapshot, namespace)
    if request.terminating:
        return Judgement()
    if request.name.namespace != namespace:
        return _misplaced(request, namespace)
    try:
        resource = parse_resource(MODELS[request.kind], _dated(request))
    except ObjectError as error:
        return Judgement((str(error),))
    return _judge_resource(request, resource, standing)


def _judge_resource(request: Request, resource: Resource, standing: Standing) -> Judgement:
    after = _with(standing.snapshot, request.kind, resource)
    _, found = usable(_detached(after), standing.good)
    about = (request.kind, resource.name)
    broken = {(fault.kind, fault.name) for fault in standing.faults if fault.refused}
    own, others = [], []
    for fault in found:
        if not fault.refused or fault.reason is Reason.UNKNOWN_REFERENCE:
            continue
        if (fault.kind, fault.name) != about:
            if (fault.kind, fault.name) not in broken:
                others.append(f"this would break {fault}")
        elif not (request.spec_unchanged and fault in standing.faults):
            own.append(f"{fault.field}: {fault.text}")
    return Judgement((*own, *others), tuple(_warnings(after, standing, about)))


def _judge_deletion(request: Request, snapshot: Snapshot, namespace: str) -> Judgement:
    if request.kind is not Kind.BFD_PROFILE or request.name.namespace != namespace:
        return Judgement()
    if Kind.BGP_PEER not in snapshot.listed:
        return Judgement(warnings=("whether a BGPPeer uses this BFDProfile is not known now",))
    users = sorted(
        peer.name.name
        for peer in snapshot.bgp_peers.values()
        if peer.spec.bfd_profile == request.name.name
    )
    if not users:
        return Judgement()
    named = ", ".join(f'"{user}"' for user in users)
    text = (
        f"failed to delete BFDProfile {request.name.name}: used by BGPPeer {named}: "
        "take spec.bfdProfile out of it first"
    )
    return Judgement((text,))


def _misplaced(request: Request, namespace: str) -> Judgement:
    if request.operation is Operation.CREATE:
        return Judgement((f"resource must be created in {namespace} namespace",))
    return Judgement(warnings=(f"nobody reads this object: only those in {namespace} count",))


def _warnings(after: Snapshot, standing: Standing, about: tuple[Kind, ObjectName]) -> Iterable[str]:
    """Yield advice on the object, and what it and others refer to that is not there."""
    if not set(KINDS.values()) <= after.listed:
        return
    _, found = usable(after, standing.good)
    for fault in sorted(set(found) - standing.advice, key=str):
        if (fault.kind, fault.name) == about:
            if not fault.refused or fault.reason is Reason.UNKNOWN_REFERENCE:
                yield f"{fault.field}: {fault.text}"
        elif fault.reason is Reason.UNKNOWN_REFERENCE:
            yield str(fault)


def _dated(request: Request) -> Json:
    meta = request.obj["metadata"]
    given = {"name": request.name.name, "namespace": request.name.namespace}
    created = meta.get("creationTimestamp") or YOUNGEST
    return {**request.obj, "metadata": {**meta, **given, "creationTimestamp": created}}


def _with(snapshot: Snapshot, kind: Kind, resource: Resource) -> Snapshot:
    """Return the snapshot with the object in it, in place of what had its name."""
    field = SHELVES[kind].field
    objects = {**getattr(snapshot, field), resource.name: resource}
    faults = {of: text for of, text in snapshot.faults.items() if of != (kind, resource.name)}
    changed: dict[str, Any] = {field: MappingProxyType(objects)}
    return replace(snapshot, faults=MappingProxyType(faults), **changed)


def _detached(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with peers that refer to nothing.

    A peer without its profile or Secret is left out, and with it its conflicts; here neither needs
    to be there yet.
    """
    peers = {name: _alone(peer) for name, peer in snapshot.bgp_peers.items()}
    return replace(snapshot, bgp_peers=MappingProxyType(peers))


def _alone(peer: BGPPeer) -> BGPPeer:
    cut: dict[str, object] = {"bfd_profile": ""}
    if not peer.spec.password:
        cut["password_secret"] = SecretReference()
    return peer.model_copy(update={"spec": peer.spec.model_copy(update=cut)})
