from datetime import UTC, datetime
from typing import Any

import pytest

from netns_lab.drill.insight import LOG_TIME, detected_s, session_down_s, taken_s

VIP = "192.168.4.10"


def page(node: str, *, contacts: Any = (), moves: Any = ()) -> dict[str, Any]:
    return {
        "node": node,
        "contacts": [{"node": n, "standing": s, "at_s": at} for n, s, at in contacts],
        "moves": [{"to": to, "address": address, "at_s": at} for to, address, at in moves],
    }


def test_a_fault_is_detected_when_the_first_other_node_finds_the_target_silent() -> None:
    pages = [
        page("node2", contacts=[("node1", "silent", 3.0), ("node1", "silent", 10.4)]),
        page("node3", contacts=[("node2", "silent", 10.1), ("node1", "silent", 10.3)]),
    ]
    assert detected_s(pages, "node1", 10.0) == 10.3


def test_leaving_is_noticed_too_and_coming_back_is_not() -> None:
    contacts = [("node1", "alive", 10.1), ("node1", "draining", 10.2)]
    assert detected_s([page("node2", contacts=contacts)], "node1", 10.0) == 10.2
    assert detected_s([page("node2", contacts=contacts[:1])], "node1", 10.0) is None


def test_an_address_is_taken_when_its_new_owner_says_so() -> None:
    pages = [
        page("node1", moves=[("node1", VIP, 10.2)]),
        page("node2", moves=[("node3", VIP, 10.25), ("node2", "192.168.4.11", 10.26)]),
        page("node3", moves=[("node3", VIP, 4.0), ("node3", VIP, 10.3)]),
    ]
    assert taken_s(pages, "node1", VIP, 10.0) == 10.3
    assert taken_s(pages[1:], "node3", VIP, 10.0) is None


@pytest.mark.parametrize(
    ("peer", "fault_s", "expected"),
    [
        pytest.param("192.168.4.2", 99.0, 99.25, id="first after the fault"),
        pytest.param("192.168.4.2", 100.0, 101.0, id="not what was before it"),
        pytest.param("192.168.4.3", 99.0, None, id="another peer's session"),
        pytest.param("192.168.4.20", 99.0, None, id="a peer whose address begins alike"),
    ],
)
def test_a_session_is_down_when_the_routers_log_says_so(
    peer: str, fault_s: float, expected: float | None
) -> None:
    wall_offset_s = 1_700_000_000.0

    def line(at: float, words: str) -> str:
        stamp = datetime.fromtimestamp(at + wall_offset_s, UTC).astimezone().strftime(LOG_TIME)[:-3]
        return f"{stamp} BGP: [M59KS-A3ZXZ] bgp_update: {words}\n"

    log = (
        line(98.0, "%ADJCHANGE: neighbor 192.168.4.2(node1) in vrf default Up")
        + line(99.25, "%ADJCHANGE: neighbor 192.168.4.2(node1) in vrf default Down BFD down")
        + "junk\n"
        + line(101.0, "%ADJCHANGE: neighbor 192.168.4.2(node1) in vrf default Down Peer closed")
    )
    found = session_down_s(log, peer, fault_s, wall_offset_s)
    assert found == (None if expected is None else pytest.approx(expected, abs=0.002))
