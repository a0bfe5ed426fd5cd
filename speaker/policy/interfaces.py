"""Which of this node's NICs an address is wanted on, and the gate that closes when none is usable.

What wire reports of its NICs is a fact like the cluster's; before it has said so nothing is known
and nothing is closed. The gate is for people: wire itself sees a NIC come and go at once, and what
it does about that (`speaker.l2.ownership`) must not wait for a decision made here.
"""

from collections.abc import Iterable

from kube.configuration import BGPAd, L2Ad
from speaker.policy.gates import Gate, Withheld
from speaker.policy.view import Nic, View
from speaker.seam.messages import GONE, NOT_WANTED, InterfaceReport


def wanted_interfaces(advertisements: Iterable[L2Ad | BGPAd]) -> tuple[str, ...]:
    """Return the NICs of all advertisements together; one that names none means all: empty."""
    every = [each for each in advertisements if isinstance(each, L2Ad)]
    if any(not each.interfaces for each in every):
        return ()
    return tuple(sorted({name for each in every for name in each.interfaces}))


def nics_of(reports: Iterable[InterfaceReport]) -> tuple[Nic, ...]:
    """Return the NICs that there are, by name."""
    found = (
        Nic(each.interface, "" if each.reason == NOT_WANTED else each.reason)
        for each in reports
        if each.reason != GONE  # not wanted by the present intents: it would be, by others
    )
    return tuple(sorted(found, key=lambda nic: nic.name))


def interface_gate(view: View, advertisements: tuple[L2Ad | BGPAd, ...]) -> Withheld | None:
    """Return the gate that is closed because no NIC that the advertisements want is usable."""
    if view.nics is None or not advertisements:
        return None
    wanted = wanted_interfaces(advertisements)
    if any(nic.usable and (not wanted or nic.name in wanted) for nic in view.nics):
        return None
    there = ", ".join(f"{nic.name} ({nic.reason or 'usable'})" for nic in view.nics)
    node, has = f"node {view.own.node}", f"it has {there or 'none'}"
    if not wanted:
        return Withheld(
            Gate.INTERFACE,
            f"Node {view.own.node}",
            "status.addresses",
            f"no NIC of {node} is usable: {has}",
        )
    names = ", ".join(sorted(each.name for each in advertisements))
    return Withheld(
        Gate.INTERFACE,
        f"L2Advertisement {names}",
        "spec.interfaces",
        f"{node} has no usable NIC {' or '.join(wanted)}: {has}",
    )
