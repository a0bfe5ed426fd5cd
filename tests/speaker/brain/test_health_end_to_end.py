"""The health gate of a Local Service, from a real health port to the intents."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from speaker.seam.messages import AddressIntent, RouteIntent
from tests.speaker.brain.cluster import Cluster, Ear, brain, cluster, running
from tests.speaker.brain.test_prober import Proxy
from tests.waiting import until

PEER = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.168.4.1"}


@pytest.fixture
async def first(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        await made.first()
        await made.create("BGPPeer", "router", spec=PEER)
        await made.create("BGPAdvertisement", "bgp", spec={})
        yield made


def free_node_port() -> socket.socket:
    """A listening socket in the range that the API server takes for node ports."""
    for port in range(32767, 30000, -1):
        bound = socket.socket()
        try:
            bound.bind(("127.0.0.1", port))
        except OSError:
            bound.close()
        else:
            return bound
    raise AssertionError("no port is free")


async def test_a_health_port_decides_what_wire_and_bgp_may(first: Cluster) -> None:
    proxy, wire, bgp = Proxy(), Ear("wire"), Ear("bgp")
    bound = free_node_port()
    port = bound.getsockname()[1]
    server = await asyncio.start_server(proxy, sock=bound)
    await first.service(externalTrafficPolicy="Local", healthCheckNodePort=port)
    listeners = (wire.listener(first.folder), bgp.listener(first.folder))
    async with server, running(*listeners), brain(first.settings(health_gates=True)) as parts:

        def l2() -> list[tuple[bool, bool, bool]]:
            held = wire.holds(AddressIntent)
            return [(i.fit, i.may_begin, i.last_resort) for i in held]

        await until(lambda: l2() == [(True, True, False)], l2)
        await until(lambda: [r.may_begin for r in bgp.holds(RouteIntent)] == [True])

        proxy.answer = b"HTTP/1.1 503 Service Unavailable\r\n\r\n"
        await until(lambda: l2() == [(False, True, True)], l2)
        await until(lambda: [r.de_preferred for r in bgp.holds(RouteIntent)] == [True])
        assert parts.status()["health"][str(port)] == "failed"

        await first.endpoint("web", "node2")
        await until(lambda: not bgp.holds(RouteIntent))

        proxy.answer = b"HTTP/1.1 200 OK\r\n\r\n"
        await until(lambda: l2() == [(True, True, False)], l2)
        await until(lambda: [r.de_preferred for r in bgp.holds(RouteIntent)] == [False])


async def test_a_port_that_never_answered_lets_nothing_begin(first: Cluster) -> None:
    await first.service(externalTrafficPolicy="Local", healthCheckNodePort=30000)
    wire, bgp = Ear("wire"), Ear("bgp")
    listeners = (wire.listener(first.folder), bgp.listener(first.folder))
    async with running(*listeners), brain(first.settings(health_gates=True)) as parts:
        await until(lambda: wire.holds(AddressIntent) and bgp.holds(RouteIntent))
        await until(lambda: "30000" in parts.status()["health"])
        assert not wire.holds(AddressIntent)[0].may_begin
        assert not bgp.holds(RouteIntent)[0].may_begin
        assert [gate["gate"] for gate in parts.status()["addresses"][0]["closed"]] == [
            "health-check"
        ]


async def test_metrics_tell_what_is_withheld_by_which_gate(first: Cluster) -> None:
    await first.service(externalTrafficPolicy="Local")
    await first.delete("EndpointSlice", "web-node1", "default")
    wire = Ear("wire")
    async with running(wire.listener(first.folder)), brain(first.settings()) as parts:
        await until(lambda: parts.status()["processes"]["wire"])
        await until(lambda: len(parts.status()["addresses"]) == 2)
        found = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in await parts.metrics()
            for sample in family.samples
        }
        assert found["herald_withheld", "endpoint", "layer2"] == 1
        assert found["herald_withheld", "bgp", "local-endpoint"] == 1
        assert found["herald_seam_connected", "wire"] == 1
        assert found["metallb_k8s_client_config_loaded_bool",] == 1
