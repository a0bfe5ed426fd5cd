"""Which ServiceL2Status is left over, and this node's to remove.

A node that is alive removes its own. What a dead one left, or MetalLB, is removed by the node
that answers for the Service now; where none does, by the first of the live nodes by name.
"""

from dataclasses import dataclass

from kube.snapshot import Kind
from kube.written import Written
from speaker.brain.statuses.names import label_value
from speaker.brain.statuses.steps import service_of
from speaker.brain.statuses.wanted import NODE, Segment, name_of
from speaker.policy.view import Self, View
from speaker.seam.messages import NeighbourReport
from speaker.seam.mirror import Mirror


@dataclass(frozen=True, slots=True)
class Standing:
    """What a node knows about the others when it looks."""

    view: View
    segment: Segment
    alive: frozenset[str]
    "Nodes heard on some NIC, and the own one."

    def left_over(self, written: Written) -> bool:
        """Tell whether the object is untrue, or MetalLB's, and this node's to remove."""
        service, node = service_of(written), written.status.get("node")
        own = self.view.own.node
        if service is None or not isinstance(node, str):
            return False
        theirs = name_of(Kind.SERVICE_L2_STATUS, Self(node, self.view.own.namespace), service)
        if node == own and written.name == theirs:
            return False
        known = self.view.snapshot.services.get(service)
        owners = self.segment.owners(known) if known is not None else set()
        if owners:
            return own in owners and (node not in owners or written.name != theirs)
        # MetalLB's speakers may run on nodes that have none of ours: their objects stay.
        return written.name == theirs and node not in self.alive and own == min(self.alive)


def standing(view: View, wire: Mirror) -> Standing:
    """Return what wire says of the others."""
    heard = {each.node for each in wire.of(NeighbourReport) if each.alive}
    return Standing(view, Segment(wire), frozenset(heard | {view.own.node}))


def selector(nodes: frozenset[str] | None) -> str:
    """Return the label selector of these nodes' objects; None: of all nodes."""
    if nodes is None:
        return ""
    return f"{NODE} in ({','.join(sorted(label_value(node) for node in nodes))})"
