"""Which NICs an address needs on this node, and what is said when none of them is usable."""

from ipaddress import ip_address
from typing import Any

import pytest

from kube.validation import usable
from speaker.policy.deciding import Deciding
from speaker.policy.gates import Gate, Protocol
from speaker.policy.intents import address_intent
from speaker.policy.interfaces import nics_of
from speaker.policy.view import Nic
from speaker.seam.messages import InterfaceReport
from tests.builders import endpoints, l2_advertisement, node, pool, service
from tests.speaker.policy.clusters import ME, VIP, decide_on, gates, snapshot, view

LAN, MGMT, UNPLUGGED = Nic("lan0"), Nic("mgmt0"), Nic("lan0", "no-carrier")


def state(*interfaces: str, **more: Any) -> list[Any]:
    return [
        node("node1"),
        pool("first", "192.168.4.10-192.168.4.20"),
        l2_advertisement(interfaces=list(interfaces)),
        service("web", ingress=[VIP], **more),
        endpoints("web", "node1"),
    ]


@pytest.mark.parametrize(
    ("wanted", "nics", "is_open"),
    [
        pytest.param((), None, True, id="nothing is known of the NICs yet"),
        pytest.param(("eth77",), None, True, id="nor of the one that is named"),
        pytest.param((), (LAN, MGMT), True, id="any will do"),
        pytest.param(("lan0", "eth77"), (LAN, MGMT), True, id="one of those named is there"),
        pytest.param(("eth77",), (LAN, MGMT), False, id="the one named is not there"),
        pytest.param(("lan0",), (UNPLUGGED, MGMT), False, id="the one named has no carrier"),
        pytest.param((), (UNPLUGGED,), False, id="none has carrier"),
        pytest.param((), (), False, id="there is none at all"),
    ],
)
def test_an_address_needs_a_usable_nic(
    wanted: tuple[str, ...], nics: tuple[Nic, ...] | None, is_open: bool
) -> None:
    assert gates(decide_on(view(*state(*wanted), nics=nics))) == [Gate.INTERFACE] * (not is_open)
    assert gates(decide_on(view(*state(*wanted), nics=nics), Protocol.BGP)) == [Gate.ADVERTISEMENT]


def test_the_gate_names_the_advertisement_the_nic_and_what_there_is() -> None:
    [gate] = decide_on(view(*state("eth77", "eth78"), nics=(UNPLUGGED, MGMT))).closed
    assert (gate.object, gate.field) == ("L2Advertisement l2", "spec.interfaces")
    assert gate.sentence == (
        "node node1 has no usable NIC eth77 or eth78: it has lan0 (no-carrier), mgmt0 (usable)"
    )


def test_where_no_nic_is_usable_the_node_is_named() -> None:
    [gate] = decide_on(view(*state(), nics=(UNPLUGGED,))).closed
    assert gate.object == "Node node1"
    assert gate.sentence == "no NIC of node node1 is usable: it has lan0 (no-carrier)"


def test_it_is_said_beside_other_closed_gates() -> None:
    made = view(*state("eth77")[:-1], nics=(LAN,))
    assert gates(decide_on(made)) == [Gate.ENDPOINT, Gate.INTERFACE]


def test_wire_is_told_the_same_as_it_knows_its_nics_better_and_sooner() -> None:
    open_view, closed_view = view(*state("lan0")), view(*state("lan0"), nics=(UNPLUGGED,))
    closed = decide_on(closed_view)
    assert not closed.may
    intent = address_intent(closed_view, closed)
    assert intent == address_intent(open_view, decide_on(open_view))
    assert intent is not None
    assert (intent.fit, intent.interfaces, intent.closed_gates) == (True, ("lan0",), ())


def test_nics_that_other_addresses_do_not_want_are_usable_and_those_that_went_are_not_there() -> (
    None
):
    reports = [
        InterfaceReport("mgmt0", usable=False, reason="not-wanted"),
        InterfaceReport("lan0", usable=True),
        InterfaceReport("old0", usable=False, reason="gone"),
        InterfaceReport("down0", usable=False, reason="down"),
    ]
    assert nics_of(reports) == (Nic("down0", "down"), LAN, MGMT)


def test_a_nic_that_comes_or_goes_decides_anew() -> None:
    deciding, made = Deciding(ME), snapshot(*state())
    deciding.update(made, usable(made)[0], made.services)
    deciding.step(None, lambda: True)
    for nics, closed in [((UNPLUGGED,), [Gate.INTERFACE]), ((LAN,), [])]:
        assert deciding.set_nics(nics)
        assert not deciding.set_nics(nics)
        deciding.step(None, lambda: True)
        decision = deciding.decisions[Protocol.LAYER2, ip_address(VIP)]
        assert gates(decision) == closed
    deciding.update(made, usable(made)[0], made.services)
    assert deciding.view.nics == (LAN,)
