"""What the status objects of this node should say, from decisions and from wire's reports.

ServiceL2Status tells what is true: on which NICs this node answers for the Service, as wire
reports it. ServiceBGPStatus tells what is intended, as in MetalLB: the peers that get a route.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kube.faults import Fault
from kube.objects import Address, Json, ObjectName, Service
from kube.snapshot import Kind, Snapshot
from kube.verdicts import (
    COMPONENT_LABEL,
    CONFIGURATION_VALID,
    NODE_LABEL,
    Verdict,
    lines_of,
    notes_of,
)
from speaker.brain.home import Homes
from speaker.brain.statuses.names import label_value, state_name, status_name
from speaker.policy.deciding import Deciding
from speaker.policy.gates import Protocol
from speaker.policy.view import Self, is_speaker
from speaker.seam.messages import InterfaceReport, OwnerReport, OwnerState
from speaker.seam.mirror import Mirror

NODE = "metallb.io/node"
SERVICE_NAME = "metallb.io/service-name"
SERVICE_NAMESPACE = "metallb.io/service-namespace"
PREFIXES = {Kind.SERVICE_L2_STATUS: "l2", Kind.SERVICE_BGP_STATUS: "bgp"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object as it should be; `status` is empty for one that says something with a time."""

    kind: Kind
    name: ObjectName
    labels: Mapping[str, str]
    status: Json


@dataclass(frozen=True, slots=True)
class Owner:
    """This speaker's Pod: its status objects go when it goes."""

    name: str
    uid: str

    @property
    def reference(self) -> Json:
        """The entry of `metadata.ownerReferences`."""
        return {"apiVersion": "v1", "kind": "Pod", "name": self.name, "uid": self.uid}


def name_of(kind: Kind, own: Self, service: ObjectName) -> ObjectName:
    """Return the name of this node's object about the Service."""
    return ObjectName(own.namespace, status_name(PREFIXES[kind], service, own.node))


class Segment:
    """Who answers for a Service's addresses, as wire reports it at one moment."""

    def __init__(self, wire: Mirror) -> None:
        self._wire = wire
        reports = list(wire.of(InterfaceReport))
        self._nics = sorted(each.interface for each in reports)
        self._homes = Homes(reports)

    def interfaces(self, service: Service) -> list[str]:
        """Return the NICs on which this node answers for the Service, sorted."""
        return sorted(
            {
                report.interface
                for report in self._reports(service)
                if report.state is OwnerState.OWNED
            }
        )

    def owners(self, service: Service) -> set[str]:
        """Return the nodes that answer for any of its addresses."""
        return {
            report.owner
            for report in self._reports(service)
            if report.owner and report.state in (OwnerState.OWNED, OwnerState.OTHER)
        }

    def _reports(self, service: Service) -> Iterable[OwnerReport]:
        for address in service.ingress:
            for nic in self._nics:
                report = self._wire.get(OwnerReport, (address, nic))
                if report is not None and self._homes.counts(address, nic):
                    yield report


def wanted_l2(deciding: Deciding, segment: Segment, name: ObjectName) -> Wanted | None:
    """Return the Service's ServiceL2Status, None when this node doesn't answer for it."""
    service = deciding.view.snapshot.services.get(name)
    if service is None or not _announced(deciding, Protocol.LAYER2, service):
        return None
    nics = segment.interfaces(service)
    if not nics:
        return None
    return _of(
        Kind.SERVICE_L2_STATUS, deciding.view.own, name, {"interfaces": [{"name": n} for n in nics]}
    )


def wanted_bgp(deciding: Deciding, name: ObjectName) -> Wanted | None:
    """Return the Service's ServiceBGPStatus, None when this node announces no route for it."""
    service = deciding.view.snapshot.services.get(name)
    if service is None:
        return None
    addresses = _announced(deciding, Protocol.BGP, service)
    peers = {path.peer for address in addresses for path in deciding.paths_of(address)}
    if not peers:
        return None
    return _of(Kind.SERVICE_BGP_STATUS, deciding.view.own, name, {"peers": sorted(peers)})


def wanted_state(own: Self) -> Wanted:
    """Return the speaker's ConfigurationState; what it says is a `Verdict`."""
    labels = {COMPONENT_LABEL: "speaker", NODE_LABEL: label_value(own.node)}
    name = ObjectName(own.namespace, state_name(own.node))
    return Wanted(Kind.CONFIGURATION_STATE, name, labels, {})


def verdict(snapshot: Snapshot, faults: Iterable[Fault], configured_by: frozenset[Kind]) -> Verdict:
    """Return what is wrong with the configuration, kinds that cannot be read included."""
    found = tuple(faults)
    unread = (f"{k.value}: {w}" for k, w in snapshot.unavailable.items() if k in configured_by)
    return Verdict((*lines_of(found), *sorted(unread)), CONFIGURATION_VALID, notes_of(found))


def owner_of(snapshot: Snapshot, own: Self) -> Owner | None:
    """Return this speaker's Pod; None where there is none, or it is going."""
    found = sorted(
        (pod.name.name, pod.uid)
        for pod in snapshot.pods.values()
        if pod.node_name == own.node and pod.uid and not pod.terminating and is_speaker(pod)
    )
    return Owner(*found[0]) if found else None


def _announced(deciding: Deciding, protocol: Protocol, service: Service) -> list[Address]:
    """Return its addresses that count as this Service's, not only as a sharer's."""
    found = []
    for address in service.ingress:
        decision = deciding.decisions.get((protocol, address))
        if decision is not None and service.name not in decision.uncounted:
            found.append(address)
    return found


def _of(kind: Kind, own: Self, service: ObjectName, what: Json) -> Wanted:
    labels = {
        NODE: label_value(own.node),
        SERVICE_NAME: label_value(service.name),
        SERVICE_NAMESPACE: label_value(service.namespace),
    }
    names = {
        "node": own.node,
        "serviceName": service.name,
        "serviceNamespace": service.namespace,
    }
    return Wanted(kind, name_of(kind, own, service), labels, names | what)
