"""Configs whose load is answered late or not at all: real steps, and a stand-in for ExaBGP."""

import asyncio
from typing import cast

from speaker.bgp import commands
from speaker.bgp.commands import Reloaded, Session
from speaker.bgp.plan import Plan, Planner, World
from speaker.bgp.process import ExaBgp, PipeError
from speaker.bgp.reconciler import FLUSH_LIMIT_S, Reconciler
from speaker.seam.messages import PeerIntent
from tests.speaker.bgp.samples import PATH, ROUTER, peer

ONE, TWO = peer("one"), peer("two", address=ROUTER + 1)


def plan_of(*peers: PeerIntent) -> Plan:
    world = World("node1", {p.name: p for p in peers}, (), {p.name: PATH for p in peers})
    return Planner().plan(world)


BOTH, ALONE = plan_of(ONE, TWO), plan_of(ONE)
SELECTORS = {plan.config: set(plan.selectors) for plan in (BOTH, ALONE)}


class ExaBgpStandIn:
    """Takes configs as ExaBGP does: a neighbour that leaves is dropped some turns later."""

    def __init__(self) -> None:
        self.attached = self.alive = False
        self.neighbours: set[str] = set()
        self.leaving: set[str] = set()
        "Not dropped yet; what a config says of them is lost."
        self.drops_late = False
        self.dies_while_loading = False
        self.waiting = 0
        "Updates that have not left, as it said last."
        self.sent_at = 0.0

    async def start(self, config: str) -> None:
        self.attached = self.alive = True
        self.neighbours = SELECTORS[config]

    async def attach(self) -> None:
        self.attached = True

    async def reload(self, config: str) -> Reloaded:
        wanted, leaving = SELECTORS[config], self.leaving
        self.leaving = self.neighbours - wanted if self.drops_late else set()
        self.neighbours = wanted - leaving
        if self.dies_while_loading:
            self.attached = self.dies_while_loading = False
            raise PipeError("the API process has ended")
        return Reloaded(ok=True, error="")

    async def ask(self, command: str) -> tuple[bool, list[str]]:
        if command != commands.SHOW_PENDING:
            return True, []
        self.waiting = int(asyncio.get_running_loop().time() < self.sent_at)
        there = self.neighbours | self.leaving
        return True, [f"pending {self.waiting} {name} family-allowed in-open" for name in there]


async def follow(reconciler: Reconciler, plan: Plan) -> None:
    """Take steps until there is nothing to do now."""
    reconciler.plan = plan
    while await reconciler.step():
        pass


async def test_a_config_that_may_have_been_loaded_is_loaded_again() -> None:
    exabgp = ExaBgpStandIn()
    reconciler = Reconciler(cast(ExaBgp, exabgp))
    await follow(reconciler, BOTH)
    exabgp.dies_while_loading = True
    await follow(reconciler, ALONE)
    await follow(reconciler, BOTH)

    assert exabgp.neighbours == SELECTORS[BOTH.config]


async def test_a_neighbour_that_comes_back_before_it_was_dropped_is_there_in_the_end() -> None:
    exabgp = ExaBgpStandIn()
    reconciler = Reconciler(cast(ExaBgp, exabgp))
    await follow(reconciler, BOTH)
    exabgp.drops_late = True
    await follow(reconciler, ALONE)
    while exabgp.neighbours != SELECTORS[BOTH.config]:
        await follow(reconciler, BOTH)


async def test_what_a_slow_exabgp_has_not_sent_is_waited_for_at_the_end() -> None:
    exabgp = ExaBgpStandIn()
    reconciler = Reconciler(cast(ExaBgp, exabgp))
    await follow(reconciler, ALONE)
    [selector] = ALONE.selectors
    reconciler.hear(Session(selector, "up"))
    exabgp.sent_at = asyncio.get_running_loop().time() + 1.3 * FLUSH_LIMIT_S

    assert await reconciler.is_empty()
    assert exabgp.waiting == 0
