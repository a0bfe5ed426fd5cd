"""Names of status objects, and which of other nodes' are left over."""

import re
from ipaddress import ip_address

import pytest

from kube.configuration import Configuration
from kube.objects import ObjectName
from kube.snapshot import Kind, Snapshot
from kube.written import Written, canonical
from speaker.brain.statuses.leftovers import selector, standing
from speaker.brain.statuses.names import label_value, state_name, status_name
from speaker.brain.statuses.wanted import name_of
from speaker.policy.view import Self, View
from speaker.seam.messages import InterfaceReport, NeighbourReport, OwnerReport, OwnerState
from speaker.seam.mirror import Mirror
from tests.builders import service

WEB = service(ingress=["192.168.4.10"])
ADDRESS = ip_address("192.168.4.10")
GONE = ObjectName("default", "gone")
LONG_NODE = ".".join(["n" * 50] * 5)[:253]


@pytest.mark.parametrize(
    "name", ["node1", "n" * 63, "n" * 64, LONG_NODE, "a" * 46 + "." + "b" * 30]
)
def test_a_label_is_valid_however_long_the_name(name: str) -> None:
    value = label_value(name)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9_.]{0,61}[a-z0-9])?", value)
    assert (value == name) is (len(name) <= 63)


def test_long_names_that_begin_alike_have_labels_of_their_own() -> None:
    assert label_value("x" * 64) != label_value("x" * 65)


def test_names_fit_and_differ_by_service_and_node() -> None:
    assert len(state_name(LONG_NODE)) <= 253
    names = {
        status_name("l2", ObjectName(namespace, name), node)
        for namespace, name, node in [
            ("a", "b", "c"),
            ("a", "bc", ""),
            ("ab", "", "c"),
            ("a", "b", "d"),
        ]
    }
    assert len(names) == 4


def written(node: str, about: ObjectName, *, metallb: bool = False) -> Written:
    own = name_of(Kind.SERVICE_L2_STATUS, Self(node), about)
    said = {"node": node, "serviceName": about.name, "serviceNamespace": about.namespace}
    name = ObjectName("metallb-system", "l2-x7xw2") if metallb else own
    return Written(name, said=canonical(said))


def left_over(obj: Written, *, owner: str = "", alive: tuple[str, ...] = ()) -> bool:
    """What node1 says of it, who hears that `owner` has the address and these nodes live."""
    wire = Mirror()
    wire.receive(InterfaceReport("lan0", usable=True, addresses=("192.168.4.101/24",)))
    state = OwnerState.VACANT if not owner else OwnerState.OTHER
    wire.receive(
        OwnerReport(ADDRESS, "lan0", OwnerState.OWNED if owner == "node1" else state, owner)
    )
    for node in alive:
        wire.receive(NeighbourReport(node, "lan0", alive=True, two_way=True, interval_ms=100))
    snapshot = Snapshot(services={WEB.name: WEB})
    view = View(Self("node1"), snapshot, Configuration(), {}, frozenset())
    return standing(view, wire).left_over(obj)


@pytest.mark.parametrize("metallb", [False, True])
def test_who_answers_now_removes_what_the_one_before_left(metallb: bool) -> None:
    of_before = written("node2", WEB.name, metallb=metallb)
    assert left_over(of_before, owner="node1")
    assert not left_over(of_before, owner="node3")
    assert not left_over(of_before, owner="node2")


def test_own_objects_are_no_leftovers_but_what_metallb_wrote_here_is() -> None:
    assert not left_over(written("node1", GONE))
    assert not left_over(written("node1", WEB.name), owner="node1")
    assert left_over(written("node1", WEB.name, metallb=True), owner="node1")
    assert not left_over(written("node1", WEB.name, metallb=True), owner="node2")


def test_where_nobody_answers_the_first_live_node_removes_what_a_dead_one_left() -> None:
    for about in (WEB.name, GONE):
        of_dead = written("node2", about)
        assert left_over(of_dead, alive=("node3",))
        assert not left_over(of_dead, alive=("node2",))
        assert not left_over(of_dead, alive=("node0",))


def test_metallb_keeps_its_objects_while_it_may_be_the_one_that_answers() -> None:
    assert not left_over(written("node2", WEB.name, metallb=True))


def test_selectors_name_the_nodes_that_lost_an_address() -> None:
    assert selector(frozenset({"node3", "node2"})) == "metallb.io/node in (node2,node3)"
    assert selector(None) == ""
