"""The config file: a pure text of the peers, and the peers that it can't have."""

import base64
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest

from speaker.bgp.config import (
    MAX_PEERS,
    Neighbour,
    Path,
    PeerFault,
    neighbour_for,
    neighbours_of,
    render,
    router_id,
    usable_next_hop,
)
from speaker.bgp.routes import NextHops
from tests.speaker.bgp.samples import LOCAL, LOCAL6, PATH, neighbour, peer


def test_a_peer_is_rendered_with_its_timers_and_families() -> None:
    text = render([neighbour(hold_time_s=9, keepalive_s=2, port=1790)])
    for words in (
        "neighbor 10.9.0.2 {", "local-address 10.9.0.1;", "local-as 64512;", "peer-as 64513;",
        "hold-time 9;", 'description "keepalive 2";', "connect 1790;", "router-id 10.9.0.1;",
        "family { ipv4 unicast; ipv6 unicast; }", "manual-eor true;", "outgoing-ttl 1;",
    ):  # fmt: skip
        assert words in text
    assert "md5" not in text
    assert "graceful-restart" not in text


def test_a_password_cannot_end_a_string() -> None:
    evil = 'x"; } neighbor 6.6.6.6 {'
    text = render([neighbour(password=evil)])
    assert evil not in text
    assert base64.b64encode(evil.encode()).decode() in text
    assert evil not in repr(neighbour(password=evil))


def test_graceful_restart_is_asked_for_only_when_wanted() -> None:
    assert "graceful-restart 20;" in render([neighbour(graceful_restart=True)])


@pytest.mark.parametrize("changes", [{"multihop": True}, {"peer_asn": 64512}])
def test_internal_and_multihop_peers_keep_the_systems_ttl(changes: dict[str, Any]) -> None:
    assert "outgoing-ttl" not in render([neighbour(**changes)])


@pytest.mark.parametrize(
    ("changes", "path", "fault"),
    [
        pytest.param({}, PeerFault.NO_PATH, PeerFault.NO_PATH, id="unreachable"),
        pytest.param({}, replace(PATH, on_link=False), PeerFault.NOT_ON_LINK, id="behind a router"),
        pytest.param({}, replace(PATH, local=LOCAL6), PeerFault.SOURCE_FAMILY, id="families"),
        pytest.param({"address": LOCAL}, PATH, PeerFault.OWN_ADDRESS, id="itself"),
        pytest.param({"password": "ä" * 41}, PATH, PeerFault.PASSWORD_TOO_LONG, id="password"),
    ],
)
def test_a_peer_that_cannot_be_has_its_reason(
    changes: dict[str, Any], path: Path | PeerFault, fault: PeerFault
) -> None:
    assert neighbour_for(peer(**changes), path, "node1") is fault


@pytest.mark.parametrize("changes", [{"multihop": True}, {"peer_asn": 64512}])
def test_internal_and_multihop_peers_may_be_behind_a_router(changes: dict[str, Any]) -> None:
    got = neighbour_for(peer(**changes), replace(PATH, on_link=False), "node1")
    assert isinstance(got, Neighbour)


def test_of_two_peers_with_one_session_the_first_by_name_has_it() -> None:
    peers = [peer("b"), peer("a"), peer("c", router_id=IPv4Address("9.9.9.9"))]
    found, faults = neighbours_of(peers, {"a": PATH, "b": PATH, "c": PATH}, "node1")

    assert sorted(found) == ["a", "c"]
    assert faults == {"b": PeerFault.SAME_SESSION}


def test_there_is_a_cap_on_peers() -> None:
    peers = [peer(f"p{i:03}", address=ip_address("10.9.1.0") + i) for i in range(MAX_PEERS + 2)]
    found, faults = neighbours_of(peers, {p.name: PATH for p in peers}, "node1")

    assert len(found) == MAX_PEERS
    assert set(faults.values()) == {PeerFault.TOO_MANY}


def test_the_text_does_not_depend_on_the_peers_order() -> None:
    peers = [peer(n, address=ip_address(f"10.9.0.{i}")) for i, n in enumerate("cab", 10)]
    paths = dict.fromkeys("abc", PATH)
    one, _ = neighbours_of(peers, paths, "node1")
    other, _ = neighbours_of(reversed(peers), paths, "node1")

    assert render(one.values()) == render(other.values())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param(PATH, "10.9.0.1", id="the session's address"),
        pytest.param(Path(LOCAL6, True, NextHops(LOCAL, LOCAL6)), "10.9.0.1", id="the NIC's"),
        pytest.param(Path(LOCAL6, True, NextHops(None, LOCAL6)), "20.125.166.10", id="a hash"),
    ],
)
def test_a_router_id_is_chosen(path: Path, expected: str) -> None:
    got = router_id(path, "node1")
    if path.next_hops.ipv4 is None:
        assert got == router_id(path, "node1") != router_id(path, "node2")
    else:
        assert str(got) == expected


@pytest.mark.parametrize(
    ("address", "usable"),
    [("10.0.0.1", True), ("fd00::1", True), ("2001:db8::1", True), ("fe80::1", False),
     ("127.0.0.1", False), ("::1", False), ("::ffff:10.0.0.1", False), ("ff02::1", False)],
)  # fmt: skip
def test_a_next_hop_must_be_reachable_by_others(address: str, usable: bool) -> None:
    assert usable_next_hop(ip_address(address)) is usable
