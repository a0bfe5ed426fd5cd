"""Others on the segment who are no neighbours: strangers, other clusters, wrong keys."""

import asyncio
from dataclasses import replace

import pytest

from speaker.seam.messages import ConflictReport, HelloKey, Identity, OnConflict, OwnerState
from tests.lab.attempts import once_more_when_starved
from tests.lab.wire_lab import VIP, WireProcess, identity, intent, run, until, wire_lab

pytestmark = pytest.mark.netns


def stranger(namespace: str, what: str) -> None:
    """Give the watcher's kernel the address, or take it back."""
    run("ip", "-n", namespace, "addr", what, f"{VIP}/32", "dev", "lan0")


def state(node: WireProcess) -> OwnerState | None:
    report = node.owner()
    return report.state if report is not None else None


def met(node: WireProcess) -> ConflictReport | None:
    """Return the conflict as long as it lasts: a late answer ends it until the next question."""
    report: ConflictReport | None = node.held(ConflictReport, (VIP, "lan0"))
    return report if report is not None and report.mac is not None else None


async def test_a_stranger_holds_the_first_use_of_an_address_until_it_is_gone() -> None:
    async with wire_lab(1, intent(VIP), start=False) as lab:
        (node,) = lab.nodes
        stranger(lab.watch.namespace, "add")
        node.start()
        node.dial()

        await until(lambda: state(node) is OwnerState.HELD, "the stranger is found")
        conflict = await until(lambda: met(node), "it is reported")
        assert (conflict.mac, conflict.proxy) == (str(lab.watch.mac), False)
        stranger(lab.watch.namespace, "del")

        await until(node.owns, "the address is free")
        await until(lambda: not met(node), "and is told so")


async def test_a_stranger_is_only_reported_where_the_pool_says_so() -> None:
    ignoring = intent(VIP, on_conflict=OnConflict.IGNORE)
    async with wire_lab(1, ignoring, start=False) as lab:
        (node,) = lab.nodes
        stranger(lab.watch.namespace, "add")
        node.start()
        node.dial()

        await until(node.owns, "it answers all the same")
        told = await until(lambda: met(node), "it is reported")
        assert told.mac == str(lab.watch.mac)


@once_more_when_starved
@pytest.mark.parametrize(
    ("other", "reason"),
    [
        pytest.param(Identity("node2", "uid-of-kube-system", (HelloKey(1, "a5" * 32),)), "bad-hmac",
                     id="another-key"),
        pytest.param(replace(identity("node2"), cluster_id="another"), "other-cluster",
                     id="another-cluster"),
    ],
)  # fmt: skip
async def test_hellos_of_others_are_counted_and_not_believed(other: Identity, reason: str) -> None:
    async with wire_lab(2, intent(VIP), start=False) as lab:
        first, second = lab.nodes
        first.start()
        first.dial()
        await until(first.owns, "the first node owns the address")
        second.intents[0] = other
        second.start()
        second.dial()

        def counted() -> bool:
            name = f'herald_wire_dropped{{interface="lan0",part="hello",reason="{reason}"}}'
            return first.metrics().get(name, 0) > 0

        await until(counted, f"hellos dropped as {reason}")
        await until(lambda: state(second) is OwnerState.HELD, "it sees a stranger in the first")
        await asyncio.sleep(1)
        assert first.owns()
        assert await lab.watch.answers() == {lab.mac(first)}
