"""A real brain between the embedded API server and processes that listen on the seam."""

from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from speaker.brain.process import Brain
from speaker.seam.messages import (
    AddressIntent,
    AddressRemoved,
    BfdForgotten,
    BfdReport,
    BfdState,
    BgpFault,
    Drain,
    Expected,
    Identity,
    InterfaceReport,
    PeerIntent,
    RouteIntent,
    SessionForgotten,
    SessionReport,
    SessionState,
)
from tests.speaker.brain.cluster import VIP, Cluster, Ear, brain, cluster, running
from tests.waiting import until

ADDRESS = ip_address(VIP)


@pytest.fixture
async def first(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        await made.first()
        yield made


async def test_a_service_with_an_address_becomes_an_intent(first: Cluster) -> None:
    await first.service()
    wire = Ear("wire")
    async with running(wire.listener(first.folder)), brain(first.settings()):
        await until(lambda: wire.holds(AddressIntent), lambda: wire.heard)
        intent = wire.holds(AddressIntent)[0]
        assert (intent.address, intent.rank_key, intent.fit) == (ADDRESS, ADDRESS, True)
        await until(lambda: wire.holds(Identity) and wire.holds(Expected) and wire.holds(Drain))
        assert wire.holds(Identity)[0].node == "node1"
        assert wire.holds(Drain) == [Drain(False)]

        await first.delete("Service", "web", "default")
        await until(lambda: not wire.holds(AddressIntent))


async def test_a_local_endpoint_that_goes_closes_the_gate(first: Cluster) -> None:
    await first.service(externalTrafficPolicy="Local")
    wire = Ear("wire")
    async with running(wire.listener(first.folder)), brain(first.settings()) as parts:
        await until(lambda: [i.fit for i in wire.holds(AddressIntent)] == [True])
        await first.delete("EndpointSlice", "web-node1", "default")
        await until(lambda: [i.fit for i in wire.holds(AddressIntent)] == [False])
        assert wire.holds(AddressIntent)[0].closed_gates == ("endpoint", "local-endpoint")
        shown = parts.status()["addresses"][0]
        closed = [gate["gate"] for gate in shown["closed"]]
        assert closed == ["endpoint", "local-endpoint"]


async def test_an_address_without_a_usable_nic_is_withheld_and_wire_is_told_nothing_new(
    first: Cluster,
) -> None:
    await first.patch("L2Advertisement", "l2", {"spec": {"interfaces": ["eth77"]}})
    await first.service()
    wire = Ear("wire")
    listener = wire.listener(first.folder)
    async with brain(first.settings()) as parts:
        await until(lambda: parts.status()["addresses"])
        assert parts.status()["addresses"][0]["closed"] == [], "nothing is known of the NICs"
        async with running(listener):
            await until(lambda: parts.status()["addresses"][0]["closed"])
            [closed] = parts.status()["addresses"][0]["closed"]
            assert (closed["gate"], closed["object"]) == ("interface", "L2Advertisement l2")
            assert ("layer2", "interface") in await withheld(parts)

            listener.send(InterfaceReport("eth77", usable=True), to="brain")
            await until(lambda: not parts.status()["addresses"][0]["closed"])
            assert ("layer2", "interface") not in await withheld(parts)
            intent = AddressIntent(ADDRESS, (), ADDRESS, interfaces=("eth77",))
            [said] = [m for m in wire.heard if isinstance(m, AddressIntent)]
            assert replace(said, service_uids=()) == intent


async def withheld(parts: Brain) -> set[tuple[str, str]]:
    """Return protocol and gate of each reason that is counted."""
    [family] = [each for each in await parts.metrics() if each.name == "herald_withheld"]
    return {(each.labels["protocol"], each.labels["gate"]) for each in family.samples}


async def test_a_peer_and_an_advertisement_become_a_session_and_a_route(first: Cluster) -> None:
    await first.service()
    await first.create(
        "BGPPeer", "router", spec={"myASN": 64512, "peerASN": 64513, "peerAddress": "192.168.4.1"}
    )
    await first.create("BGPAdvertisement", "bgp", spec={"communities": ["64512:7"]})
    wire, bgp = Ear("wire"), Ear("bgp")
    listeners = (wire.listener(first.folder), bgp.listener(first.folder))
    async with running(*listeners), brain(first.settings()):
        await until(lambda: bgp.holds(RouteIntent) and bgp.holds(PeerIntent))
        assert bgp.holds(RouteIntent) == [
            RouteIntent(ip_network(f"{VIP}/32"), ("router",), ("64512:7",))
        ]
        assert bgp.holds(PeerIntent)[0].address == ip_address("192.168.4.1")


async def test_a_deleted_peer_leaves_neither_a_row_nor_a_series(first: Cluster) -> None:
    for number in (1, 2):
        spec = {"myASN": 64512, "peerASN": 64513, "peerAddress": f"192.168.4.{number}"}
        await first.create("BGPPeer", f"router{number}", spec=spec)
    gateway = ip_address("192.168.4.1")
    wire = Ear("wire", says=[BfdReport(gateway, BfdState.DOWN)])
    bgp = Ear(
        "bgp",
        says=[
            SessionReport("router1", SessionState.CONNECTING, "no answer"),
            SessionReport("router2", SessionState.UP),
            BgpFault("router1", "BGPPeer router1: no route to its address"),
        ],
    )
    ears = (wire.listener(first.folder), bgp.listener(first.folder))
    async with running(*ears), brain(first.settings()) as parts:
        await until(lambda: len(parts.status()["sessions"]) == 2)
        await until(lambda: parts.status()["bfd"])
        assert await peers(parts) == {"192.168.4.1", "192.168.4.1:179", "192.168.4.2:179"}
        await first.delete("BGPPeer", "router1")
        await until(lambda: len(bgp.holds(PeerIntent)) == 1)
        assert await peers(parts) == {"192.168.4.1", "192.168.4.2:179"}
        ears[0].send(BfdForgotten(gateway), to="brain")
        ears[1].send(SessionForgotten("router1"), to="brain")

        await until(lambda: not parts.status()["bfd"])
        await until(lambda: [s["peer"] for s in parts.status()["sessions"]] == ["router2"])
        assert parts.status()["bgp_faults"] == []
        assert await peers(parts) == {"192.168.4.2:179"}


async def test_a_process_that_is_gone_has_no_session_that_is_up(first: Cluster) -> None:
    spec = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.168.4.1"}
    await first.create("BGPPeer", "router", spec=spec)
    wire = Ear("wire", says=[BfdReport(ip_address("192.168.4.1"), BfdState.UP)])
    bgp = Ear("bgp", says=[SessionReport("router", SessionState.UP)])
    async with brain(first.settings()) as parts:

        def states() -> list[tuple[str, str]]:
            page = parts.status()
            return [(s["state"], b["state"]) for s in page["sessions"] for b in page["bfd"]]

        async with running(wire.listener(first.folder), bgp.listener(first.folder)):
            await until(lambda: states() == [("up", "up")], states)
            assert await sessions_up(parts) == [1, 1]
        await until(lambda: states() == [("down", "down")], states)
        assert await sessions_up(parts) == [0, 0]
        assert parts.status()["sessions"][0]["reason"] == "the bgp process is not there"


async def sessions_up(parts: Brain) -> list[float]:
    """Return what the metrics of BGP and BFD say, of one peer."""
    names = ("metallb_bgp_session_up", "metallb_bfd_session_up")
    families = {each.name: each for each in await parts.metrics()}
    return [sample.value for name in names for sample in families[name].samples]


async def peers(parts: Brain) -> set[str]:
    """Return the peers that BGP's and BFD's metrics speak of."""
    families = [each for each in await parts.metrics() if each.name.startswith("metallb_b")]
    return {sample.labels["peer"] for each in families for sample in each.samples}


async def test_a_restarted_brain_changes_nothing(first: Cluster) -> None:
    await first.service()
    wire = Ear("wire")
    async with running(wire.listener(first.folder)):
        async with brain(first.settings()):
            await until(lambda: wire.holds(AddressIntent) and wire.holds(Identity))
        async with brain(first.settings()):
            await first.service("new", "192.168.4.11")
            await until(lambda: len(wire.holds(AddressIntent)) == 2)
        said = [m.address for m in wire.heard if isinstance(m, AddressIntent)]
        assert said.count(ADDRESS) == 1
        assert not any(isinstance(m, AddressRemoved) for m in wire.heard)
