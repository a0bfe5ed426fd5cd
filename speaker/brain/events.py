"""Events on Services: one for each move of an address, one for each stranger on it."""

from dataclasses import dataclass
from typing import Any

from kube.objects import ObjectName, Service
from speaker.brain.moves import Move
from speaker.policy.decide import Decision
from speaker.policy.gates import EVERYWHERE, Gate, Protocol
from speaker.seam.messages import ConflictReport

COMPONENT = "herald-speaker"
NODE_ASSIGNED = "nodeAssigned"
"MetalLB's word, so that what greps for it goes on working."
ANNOUNCE_FAILED = "announceFailed"


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """An Event to write; `key` is what a newer one of the same matter replaces."""

    service: ObjectName
    uid: str
    reason: str
    message: str
    warning: bool = False

    @property
    def key(self) -> tuple[ObjectName, str]:
        """Return what this Event is about."""
        return self.service, self.reason


def on_move(move: Move, service: Service, protocol: Protocol) -> ServiceEvent:
    """Return the Event for an address that has come to the node `move.after`."""
    text = f'announcing from node "{move.after}" with protocol "{protocol.value}": {move.address}'
    text += f" on {move.interface}"
    if move.before:
        text += f', before on node "{move.before}"'
    return ServiceEvent(
        service.name, service.uid, NODE_ASSIGNED, f"{text} ({move.cause or 'no cause known'})"
    )


def on_conflict(conflict: ConflictReport, service: Service, node: str) -> ServiceEvent:
    """Return the Event for a stranger who answers for one of the Service's addresses."""
    return ServiceEvent(
        service.name,
        service.uid,
        ANNOUNCE_FAILED,
        f"{conflict.mac} answers for {conflict.address} on {conflict.interface} of node {node} and "
        "is no speaker: take the address from that host, or from the pool",
        warning=True,
    )


def unserved(decision: Decision) -> list[ObjectName]:
    """Return the sharers that another node could serve, while this one has their address.

    A Service that no node could serve, having no endpoint, is nobody's conflict.
    """
    hopeless = EVERYWHERE | {Gate.ENDPOINT}
    return [
        each.service
        for each in decision.services
        if decision.may and each.closed and not any(gate.gate in hopeless for gate in each.closed)
    ]


def on_unserved(decision: Decision, name: ObjectName, service: Service, node: str) -> ServiceEvent:
    """Return the Event for a Service whose address is announced for others that share it."""
    gates = [gate for each in decision.services if each.service == name for gate in each.closed]
    served = ", ".join(str(e.service) for e in decision.services if e.service != name)
    why = f" ({gates[0].object}: {gates[0].sentence})" if gates else ""
    return ServiceEvent(
        name,
        service.uid,
        ANNOUNCE_FAILED,
        f"{decision.address} is shared with {served}; no node can serve all of them, and node "
        f"{node} has it without serving this Service{why}",
        warning=True,
    )


def against(decision: Decision | None) -> str:
    """Return what stands against an address on this node, in the first closed gate's words."""
    if decision is None:
        return "no Service has the address any more"
    closed = decision.closed or ((decision.drained,) if decision.drained is not None else ())
    return f"{closed[0].object}: {closed[0].sentence}" if closed else ""


def body(event: ServiceEvent, *, name: str, node: str, timestamp: str) -> dict[str, Any]:
    """Return the Event as the API wants it."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": event.service.namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Service",
            "namespace": event.service.namespace,
            "name": event.service.name,
            "uid": event.uid,
        },
        "reason": event.reason,
        "message": event.message[:1024],
        "type": "Warning" if event.warning else "Normal",
        "source": {"component": COMPONENT, "host": node},
        "reportingComponent": COMPONENT,
        "reportingInstance": node,
        "firstTimestamp": timestamp,
        "lastTimestamp": timestamp,
        "count": 1,
    }
