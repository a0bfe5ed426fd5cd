from ipaddress import ip_interface

from speaker.l2.links import Link
from speaker.seam.messages import (
    AddressForgotten,
    ConflictReport,
    InterfaceForgotten,
    InterfaceReport,
    NeighbourForgotten,
    NeighbourReport,
    OwnerReport,
    OwnerState,
)
from speaker.wire.reports import GONE_SHOWN, Said, interface_report
from tests.speaker.l2.vectors import NODE, VIP4

UP = 0x1 | 0x10000
OWNED = OwnerReport(VIP4, "lan0", OwnerState.OWNED, "node1")
HEARD = NeighbourReport("node2", "lan0", alive=True, two_way=True, interval_ms=100)
STRANGER = ConflictReport(VIP4, "lan0", str(NODE))
GONE = InterfaceReport("lan0", usable=False, reason="gone")


def test_a_nics_end_is_told_of_all_that_was_said_about_it() -> None:
    said = Said()
    for message in (OWNED, HEARD, STRANGER):
        said.hear(message)

    assert said.end("lan0") == [
        AddressForgotten(VIP4, "lan0", "link-down"),
        NeighbourReport("node2", "lan0", alive=False, two_way=False, interval_ms=100),
        NeighbourForgotten("node2", "lan0"),
        ConflictReport(VIP4, "lan0", None),
        GONE,
    ]
    assert said.end("lan0") == [GONE]


def test_what_was_said_about_other_nics_or_was_taken_back_is_left_alone() -> None:
    said = Said()
    said.hear(OWNED)
    said.hear(AddressForgotten(VIP4, "lan0"))
    said.hear(OwnerReport(VIP4, "mgmt0", OwnerState.OWNED, "node1"))

    assert said.end("lan0") == [GONE]
    assert len(said.end("mgmt0")) == 2


def test_a_nic_that_never_took_part_has_an_end_too() -> None:
    said = Said()
    said.hear(InterfaceReport("lan0", usable=False, reason="down"))
    said.hear(InterfaceReport("lan1", usable=True))

    assert said.vanished(["lan0", "lan1", "veth1"]) == []
    assert said.vanished(["lan1"]) == ["lan0"]
    assert said.end("lan0") == [GONE]
    assert said.vanished(["lan1"]) == []


def test_of_nics_that_went_only_the_last_ones_are_shown() -> None:
    said = Said()
    for number in range(GONE_SHOWN):
        assert len(said.end(f"tap{number}")) == 1
    said.hear(InterfaceReport("tap0", usable=True))
    assert said.end("lan0") == [GONE]
    assert said.end("tap0")[1:] == [InterfaceForgotten("tap1")]
    assert said.end("lan1")[1:] == [InterfaceForgotten("tap2")]


def test_a_nic_is_reported_with_its_addresses_and_why_it_takes_no_part() -> None:
    link = Link(2, "lan0", NODE, UP, addresses=(ip_interface("192.168.4.101/24"),))

    assert interface_report(link, wanted=True) == InterfaceReport(
        "lan0", usable=True, addresses=("192.168.4.101/24",)
    )
    assert interface_report(link, wanted=False).reason == "not-wanted"
    assert interface_report(Link(2, "lan0", NODE), wanted=True).reason == "down"
