"""What the brain does when something it needs is missing, gone or junk."""

from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from speaker.brain.lastgood import Said, from_lines, to_lines
from speaker.brain.process import Brain, Settings
from speaker.policy.view import Self
from speaker.seam.messages import AddressIntent, AddressRemoved, Drain, PeerIntent, RouteIntent
from tests.speaker.brain.cluster import (
    VIP,
    Cluster,
    Ear,
    brain,
    cluster,
    kubeconfig,
    running,
)
from tests.waiting import until

ADDRESS = ip_address(VIP)
PEER = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.168.4.1"}


def closed(parts: Brain, index: int) -> list[str] | None:
    shown = parts.status()["addresses"][index:]
    return [g["gate"] for g in shown[0]["closed"]] if shown else None


@pytest.fixture
async def first(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path) as made:
        await made.first()
        yield made


async def test_without_the_api_the_last_good_intent_is_said(first: Cluster, tmp_path: Path) -> None:
    await first.service()
    kept = tmp_path / "state"
    wire = Ear("wire")
    async with (
        running(wire.listener(first.folder)),
        brain(first.settings(state_dir=kept)),
    ):
        await until(lambda: [i.fit for i in wire.holds(AddressIntent)] == [True])
    assert (kept / "wire.intent").stat().st_mode & 0o777 == 0o600

    # Port 1 of loopback refuses.
    (tmp_path / "dead").write_text(kubeconfig("http://127.0.0.1:1"))
    settings = first.settings(state_dir=kept, kubeconfig=str(tmp_path / "dead"))
    restarted = Ear("wire")
    async with (
        running(restarted.listener(first.folder)),
        brain(settings, patience_s=0.01) as parts,
    ):
        await until(lambda: restarted.holds(AddressIntent))
        assert restarted.holds(AddressIntent) == wire.holds(AddressIntent)
        assert parts.status()["api"]["stale"]
        assert parts.status()["api"]["age_s"] >= 3600
        assert [each["address"] for each in parts.status()["addresses"]] == [VIP]


async def test_what_the_last_good_file_had_goes_when_the_api_is_back(
    first: Cluster, tmp_path: Path
) -> None:
    gone = AddressIntent(ip_address("192.168.4.20"), ("uid",), ip_address("192.168.4.20"))
    kept = tmp_path / "state"
    kept.mkdir()
    (kept / "wire.intent").write_bytes(to_lines(Said((gone,), frozenset())))
    await first.service()
    wire = Ear("wire")
    async with (
        running(wire.listener(first.folder)),
        brain(first.settings(state_dir=kept), patience_s=0.0),
    ):
        await until(lambda: [i.address for i in wire.holds(AddressIntent)] == [ADDRESS])


@pytest.mark.parametrize("cut", [0, 1, 20, -2, -30])
def test_a_file_that_was_cut_off_counts_for_nothing(cut: int) -> None:
    said = Said((Drain(False),), frozenset({"RouteIntent"}))
    text = to_lines(said)

    assert from_lines(text) == said
    assert from_lines(text[:cut]) is None


def test_a_brain_that_knows_little_keeps_what_its_predecessor_knew() -> None:
    mine = AddressIntent(ADDRESS, ("uid",), ADDRESS)
    before = Said((mine, Drain(True)), frozenset({"BfdIntent"}))
    now = Said((Drain(False),), frozenset({"AddressIntent", "BfdIntent"}))

    assert now.completed(before) == Said((Drain(False), mine), frozenset({"BfdIntent"}))


async def test_a_missing_kind_stops_only_its_own_feature(first: Cluster) -> None:
    await first.service()
    await first.delete("CustomResourceDefinition", "bgppeers.metallb.io", "")
    wire, bgp = Ear("wire"), Ear("bgp")
    listeners = (wire.listener(first.folder), bgp.listener(first.folder))
    async with running(*listeners), brain(first.settings()) as parts:
        await until(lambda: [i.fit for i in wire.holds(AddressIntent)] == [True])
        await until(lambda: "BGPPeer" in parts.status()["api"]["unavailable"])
        assert parts.not_ready() == ""
        assert parts.status()["api"]["missing"]["bgp"] == ["BGPPeer"]
        assert not bgp.heard


async def test_all_pools_deleted_at_once_withdraw_nothing(first: Cluster) -> None:
    await first.service()
    await first.patch(
        "Service",
        "web",
        {"metadata": {"annotations": {"metallb.io/ip-allocated-from-pool": "first"}}},
        "default",
    )
    wire = Ear("wire")
    async with running(wire.listener(first.folder)), brain(first.settings()) as parts:
        await until(lambda: [i.fit for i in wire.holds(AddressIntent)] == [True])
        await first.delete("IPAddressPool", "first")
        await first.service("unpooled", "192.168.4.11")
        await until(lambda: closed(parts, 1) == ["pool"])
        assert closed(parts, 0) == []
        await until(lambda: [i.fit for i in wire.holds(AddressIntent)] == [True])
        assert AddressRemoved(ADDRESS) not in wire.heard


async def test_a_peer_whose_secret_is_missing_leaves_the_other_peer_alone(first: Cluster) -> None:
    await first.service()
    await first.create("BGPPeer", "good", spec=PEER)
    locked = PEER | {"peerAddress": "192.168.4.2", "passwordSecret": {"name": "nowhere"}}
    await first.create("BGPPeer", "locked", spec=locked)
    await first.create("BGPAdvertisement", "bgp", spec={})
    bgp = Ear("bgp")
    async with running(bgp.listener(first.folder)), brain(first.settings()) as parts:
        await until(lambda: [p.name for p in bgp.holds(PeerIntent)] == ["good"])
        await until(lambda: bgp.holds(RouteIntent))
        fault = parts.status()["faults"][0]
        assert fault["object"] == "BGPPeer metallb-system/locked"
        assert fault["field"].startswith("spec.passwordSecret")
        assert any(
            sample.value == 1
            for family in await parts.metrics()
            if family.name == "herald_configuration_faults"
            for sample in family.samples
        )


async def test_contradicting_advertisements_leave_the_first_one_in_force(first: Cluster) -> None:
    await first.service()
    await first.create("BGPPeer", "router", spec=PEER)
    await first.create("BGPAdvertisement", "a", spec={"localPref": 100})
    bgp = Ear("bgp")
    async with running(bgp.listener(first.folder)), brain(first.settings()) as parts:
        await until(lambda: [r.local_pref for r in bgp.holds(RouteIntent)] == [100])
        await first.create("BGPAdvertisement", "b", spec={"localPref": 200})
        await until(lambda: parts.status()["faults"])
        assert [r.local_pref for r in bgp.holds(RouteIntent)] == [100]
        assert "localPref" in parts.status()["faults"][0]["field"]


async def test_losing_the_api_withdraws_nothing(first: Cluster) -> None:
    await first.service()
    wire = Ear("wire")
    async with running(wire.listener(first.folder)), brain(first.settings()) as parts:
        await until(lambda: [i.fit for i in wire.holds(AddressIntent)] == [True])
        await first.server.stop()
        await until(lambda: parts.status()["api"]["age_s"] > 0)
        assert [i.fit for i in wire.holds(AddressIntent)] == [True]


@pytest.mark.parametrize("gates", [True, False], ids=["gates on", "gates off"])
async def test_what_was_last_good_begins_only_where_the_service_proxy_is_well(
    tmp_path: Path, gates: bool
) -> None:
    """What the file says of that is of another time; no proxy answers here."""
    kept = tmp_path / "state"
    kept.mkdir()
    saved = AddressIntent(ADDRESS, ("uid",), ADDRESS, may_begin=gates)
    (kept / "wire.intent").write_bytes(to_lines(Said((saved,), frozenset())))
    (tmp_path / "dead").write_text(kubeconfig("http://127.0.0.1:1"))
    settings = Settings(
        own=Self("node1"),
        kubeconfig=str(tmp_path / "dead"),
        socket_dir=tmp_path,
        state_dir=kept,
        health_port=0,
        metrics_port=0,
        health_gates=gates,
    )
    wire = Ear("wire")
    async with running(wire.listener(tmp_path)), brain(settings, patience_s=0.01):
        await until(lambda: [i.may_begin for i in wire.holds(AddressIntent)] == [not gates])
