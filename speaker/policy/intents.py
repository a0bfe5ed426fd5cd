"""From L2 decisions to what wire is told."""

from kube.configuration import L2Ad
from kube.objects import Node
from speaker.policy.decide import Decision
from speaker.policy.gates import Gate, Protocol
from speaker.policy.interfaces import wanted_interfaces
from speaker.policy.view import View
from speaker.seam.messages import AddressIntent, ExpectedNode, OnConflict


def address_intent(view: View, decision: Decision) -> AddressIntent | None:
    """Return what wire is told of one address; None when nobody wants it announced by L2."""
    if decision.protocol is not Protocol.LAYER2 or not decision.wanted:
        return None
    ads = [each for each in decision.advertisements if isinstance(each, L2Ad)]
    services = view.services(decision.address)
    # Wire sees its own NICs better, and at once.
    closed = [each for each in decision.closed if each.gate is not Gate.INTERFACE]
    return AddressIntent(
        address=decision.address,
        service_uids=tuple(sorted(service.uid for service in services)),
        rank_key=decision.rank_key,
        interfaces=wanted_interfaces(ads),
        fit=not closed,
        closed_gates=tuple(dict.fromkeys(each.gate.value for each in closed)),
        weight=sum(_preference(ad, view.node) for ad in ads),
        on_conflict=OnConflict.HOLD,
        may_begin=decision.may_begin,
        last_resort=decision.last_resort,
    )


def expected_nodes(view: View) -> tuple[ExpectedNode, ...]:
    """Return the other nodes with a speaker, by name."""
    nodes = view.snapshot.nodes
    return tuple(
        ExpectedNode(name, nodes[name].internal_ips)
        for name in sorted(view.speakers)
        if name != view.own.node and name in nodes
    )


def _preference(ad: L2Ad, node: Node | None) -> int:
    if node is None:
        return 0
    return sum(
        each.weight for each in ad.preferred_node_selectors if each.preference.matches(node.labels)
    )
