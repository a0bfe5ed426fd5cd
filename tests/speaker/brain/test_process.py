"""A real brain between the embedded API server and processes that listen on the seam."""

from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from speaker.seam.messages import (
    AddressIntent,
    AddressRemoved,
    Drain,
    Expected,
    Identity,
    PeerIntent,
    RouteIntent,
)
from tests.speaker.brain.cluster import VIP, Cluster, Ear, brain, cluster, running, until

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
        await until(lambda: wire.holds(Identity))
        assert wire.holds(Identity)[0].node == "node1"
        assert wire.holds(Expected)
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
