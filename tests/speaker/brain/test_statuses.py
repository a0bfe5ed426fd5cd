"""Status objects: what they say, when they are written, and when not."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from kube.api import collection_path
from speaker.policy.view import SPEAKER_LABELS
from speaker.seam.messages import InterfaceReport, Message, OwnerReport, OwnerState
from tests.speaker.brain.cluster import HERALD, VIP, Cluster, Ear, brain, cluster, running

ADDRESS = ip_address(VIP)
LAN = InterfaceReport("lan0", usable=True, addresses=("192.168.4.101/24",))
OWNED = OwnerReport(ADDRESS, "lan0", OwnerState.OWNED, "node1", "first-use", 1)
OTHER = OwnerReport(ADDRESS, "lan0", OwnerState.OTHER, "node2", "claimed", 2)
Say = Callable[[Message], None]


@pytest.fixture
async def first(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        await made.first()
        yield made


@asynccontextmanager
async def speaker(cluster: Cluster, *says: Message, node: str = "node1") -> AsyncIterator[Say]:
    """A brain beside a wire that says this, and then what it is told to."""
    wire = Ear("wire", says=list(says))
    folder = cluster.folder / node
    folder.mkdir(exist_ok=True)
    listener = wire.listener(folder)
    settings = cluster.settings(node, socket_dir=folder)
    async with running(listener), brain(settings, coalesce_s=0.01):

        def say(message: Message) -> None:
            wire.says.append(message)
            listener.send(message, to="brain")

        yield say


async def objects(cluster: Cluster, kind: str) -> list[dict[str, Any]]:
    pages = cluster.client.list_pages(collection_path(kind, HERALD))
    return [obj async for page in pages for obj in page.items]


async def said(cluster: Cluster, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """Wait for so many objects that say something."""
    found: list[dict[str, Any]] = []

    async def all_say_something() -> bool:
        found[:] = await objects(cluster, kind)
        return len(found) == count and all(each.get("status") for each in found)

    await cluster.until(all_say_something)
    return found


async def test_the_owner_says_which_node_answers_and_takes_it_back(first: Cluster) -> None:
    await first.service()
    async with speaker(first, LAN, OWNED) as say:
        [status] = await said(first, "ServiceL2Status")
        assert status["status"] == {
            "node": "node1",
            "serviceName": "web",
            "serviceNamespace": "default",
            "interfaces": [{"name": "lan0"}],
        }
        assert status["metadata"]["labels"] == {
            "metallb.io/node": "node1",
            "metallb.io/service-name": "web",
            "metallb.io/service-namespace": "default",
        }
        say(OTHER)
        await said(first, "ServiceL2Status", 0)


async def test_nothing_is_written_while_nothing_changes_or_when_the_brain_restarts(
    first: Cluster,
) -> None:
    await first.service()
    async with speaker(first, LAN, OWNED):
        [status] = await said(first, "ServiceL2Status")
        [state] = await said(first, "ConfigurationState")
    async with speaker(first, LAN, OWNED) as say:
        say(OwnerReport(ADDRESS, "lan0", OwnerState.OWNED, "node1", "first-use", 2))
        await first.service("last", "192.168.4.11")
        say(OwnerReport(ip_address("192.168.4.11"), "lan0", OwnerState.OWNED, "node1"))
        every = await said(first, "ServiceL2Status", 2)
        assert status in every
        assert await objects(first, "ConfigurationState") == [state]


async def test_two_nodes_that_both_answer_write_two_objects_and_leave_them(first: Cluster) -> None:
    await first.service()
    there = OwnerReport(ADDRESS, "lan0", OwnerState.OWNED, "node2", "first-use", 1)
    async with speaker(first, LAN, OWNED) as say, speaker(first, LAN, there, node="node2"):
        both = await said(first, "ServiceL2Status", 2)
        say(OTHER)
        assert await said(first, "ServiceL2Status", 1) == [
            each for each in both if each["status"]["node"] == "node2"
        ]


async def test_an_object_that_says_something_else_is_put_right(first: Cluster) -> None:
    await first.service()
    async with speaker(first, LAN, OWNED):
        [status] = await said(first, "ServiceL2Status")
        name = status["metadata"]["name"]
        wrong = {"metadata": {"labels": {"metallb.io/service-name": "x"}, "ownerReferences": []}}
        await first.patch("ServiceL2Status", name, wrong)
        await first.until(lambda: is_labelled(first, "metallb.io/service-name", "web"))
        # Without this label it is out of our sight, as if it were gone.
        await first.patch(
            "ServiceL2Status", name, {"metadata": {"labels": {"metallb.io/node": "x"}}}
        )
        await first.until(lambda: is_labelled(first, "metallb.io/node", "node1"))


async def is_labelled(cluster: Cluster, label: str, value: str) -> bool:
    [status] = await objects(cluster, "ServiceL2Status")
    return bool(status["metadata"]["labels"].get(label) == value)


async def test_peers_of_a_route_are_named_and_the_object_goes_with_the_last(
    first: Cluster,
) -> None:
    await first.service()
    for name in ("b", "a"):
        spec = {"myASN": 64512, "peerASN": 64513, "peerAddress": f"192.168.4.{ord(name)}"}
        await first.create("BGPPeer", name, spec=spec)
    await first.create("BGPAdvertisement", "bgp", spec={})
    async with speaker(first, LAN):
        [status] = await said(first, "ServiceBGPStatus")
        assert status["status"] == {
            "node": "node1",
            "serviceName": "web",
            "serviceNamespace": "default",
            "peers": ["a", "b"],
        }
        await first.patch("BGPAdvertisement", "bgp", {"spec": {"peers": ["b"]}})
        await first.until(lambda: peers_are(first, ["b"]))
        await first.delete("Service", "web", "default")
        await said(first, "ServiceBGPStatus", 0)


async def peers_are(cluster: Cluster, peers: list[str]) -> bool:
    [status] = await objects(cluster, "ServiceBGPStatus")
    return bool(status["status"]["peers"] == peers)


async def test_the_speakers_state_names_what_is_wrong_with_the_configuration(
    first: Cluster,
) -> None:
    spec = {"nodeName": "node1", "containers": [{"name": "brain", "image": "herald"}]}
    own_pod = {"labels": dict(SPEAKER_LABELS)}
    await first.create("Pod", "speaker-x", spec=spec, metadata=own_pod)
    async with speaker(first):
        [state] = await said(first, "ConfigurationState")
        assert state["metadata"]["name"] == "speaker-node1"
        assert state["metadata"]["labels"] == {
            "metallb.io/component-type": "speaker",
            "metallb.io/node-name": "node1",
        }
        [owner] = state["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("Pod", "speaker-x")
        assert state["status"]["result"] == "Valid"
        await first.create("IPAddressPool", "bad", spec={"addresses": ["192.168.4.20-192.168.4.9"]})
        await first.until(lambda: state_has(first, "Invalid", "IPAddressPool metallb-system/bad"))
        await first.delete("IPAddressPool", "bad")
        await first.until(lambda: state_has(first, "Valid", ""))


async def test_a_pool_and_a_peer_that_are_not_there_are_advice_in_the_speakers_state(
    first: Cluster,
) -> None:
    spec = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.168.4.1"}
    await first.create("BGPPeer", "router", spec=spec)
    names = {"peers": ["router", "roter"], "ipAddressPools": ["first", "frist"]}
    await first.create("BGPAdvertisement", "bgp", spec=names)
    async with speaker(first):
        await said(first, "ConfigurationState")
        await first.until(lambda: advises(first, 'unknown peer "roter"', 'unknown pool "frist"'))
        await first.patch("BGPAdvertisement", "bgp", {"spec": {"ipAddressPools": ["first"]}})
        await first.until(lambda: advises(first, 'unknown peer "roter"'))
        await first.delete("BGPAdvertisement", "bgp")
        await first.until(lambda: advises(first))


async def advises(cluster: Cluster, *texts: str) -> bool:
    """Tell whether the state is Valid and has exactly this advice."""
    [state] = await objects(cluster, "ConfigurationState")
    [condition] = state["status"]["conditions"]
    assert (state["status"]["result"], state["status"]["errorSummary"]) == ("Valid", "")
    lines = condition["message"].splitlines()
    return len(lines) == len(texts) and all(t in condition["message"] for t in texts)


async def state_has(cluster: Cluster, result: str, text: str) -> bool:
    [state] = await objects(cluster, "ConfigurationState")
    status = state["status"]
    [condition] = status["conditions"]
    assert condition["type"] == "configReconcilerValid"
    return bool(status["result"] == result and text in status["errorSummary"])
