"""Random faults and changes; in the end a real FRR has exactly what is wanted."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address, ip_network

import pytest

from speaker.seam.messages import (
    BfdReport,
    BfdState,
    PeerIntent,
    PeerRemoved,
    Prefix,
    RouteIntent,
    RouteRemoved,
)
from tests.lab.bgp_lab import (
    ROUTER,
    ROUTER6,
    SPEAKER,
    SPEAKER6,
    BgpLab,
    bgp_lab,
    children,
    frr_config,
    needs_lab,
    peer,
    route,
    until,
)

pytestmark = needs_lab
SECONDS = 6.0
LIMIT_S = 180.0
"""What ExaBGP has is read back each minute, and put right; a busy machine starts it slowly."""
SECOND_PEER = (
    "router bgp 64513", f"neighbor {SPEAKER6} remote-as 64512",
    "address-family ipv6 unicast", f"neighbor {SPEAKER6} activate", "exit-address-family",
    "address-family ipv4 unicast", f"neighbor {SPEAKER6} activate",
)  # fmt: skip
SEEN_AS = {"router": SPEAKER, "six": SPEAKER6}


class Chaos:
    """What is wanted now, and the hands that change it."""

    def __init__(self, lab: BgpLab, dice: random.Random) -> None:
        self.lab = lab
        self.dice = dice
        self.peers: dict[str, PeerIntent] = {"router": peer(bfd=True), "six": peer("six", ROUTER6)}
        self.routes: dict[Prefix, RouteIntent] = {}
        self.path_failed = False
        self.tell_brain_of_all()

    def tell_brain_of_all(self) -> None:
        """Have the next connection say what is wanted now."""
        self.lab.brain.intents = [*self.peers.values(), *self.routes.values()]
        self.lab.wire.intents = [self.bfd()]

    def bfd(self) -> BfdReport:
        """Wire's word."""
        if self.path_failed:
            text = "control-detection-time-expired"
            return BfdReport(ip_address(ROUTER), BfdState.DOWN, text)
        return BfdReport(ip_address(ROUTER), BfdState.UP)

    def change_routes(self) -> None:
        """Add, change and remove some."""
        for _ in range(self.dice.randrange(1, 60)):
            number = self.dice.randrange(300)
            text = f"10.64.0.{number}/32" if number < 256 else f"fd00:64::{number:x}/128"
            prefix = ip_network(text)
            if prefix in self.routes and self.dice.random() < 0.4:
                del self.routes[prefix]
                self.lab.brain.tell(RouteRemoved(prefix))
                continue
            names = self.dice.sample(sorted(SEEN_AS), self.dice.randrange(1, 3))
            self.routes[prefix] = route(text, *names, communities=(f"1:{number}",))
            self.lab.brain.tell(self.routes[prefix])

    def flip_bfd(self) -> None:
        """The path fails, or is back."""
        self.path_failed = not self.path_failed
        self.lab.wire.tell(self.bfd())

    def change_timers(self) -> None:
        """One of them ExaBGP refuses."""
        self.peers["six"] = peer("six", ROUTER6, hold_time_s=self.dice.choice([9, 30, 2]))
        self.lab.brain.tell(self.peers["six"])

    def remove_peer(self) -> None:
        """The second peer goes."""
        if self.peers.pop("six", None):
            self.lab.brain.tell(PeerRemoved("six"))

    def kill(self) -> None:
        """ExaBGP dies."""
        if exabgp := self.lab.speaker.exabgp:
            os.kill(exabgp, signal.SIGKILL)

    def kill_helper(self) -> None:
        """Its API process dies."""
        for child in children(self.lab.speaker.exabgp):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def clear(self) -> None:
        """The router drops all sessions."""
        self.lab.frr.ask("clear bgp *")

    async def restart_brain(self) -> None:
        """The brain dies and comes back."""
        await self.lab.brain.stop()
        self.tell_brain_of_all()
        self.lab.brain.start()

    async def run(self) -> None:
        """Do all that for a while, then want something that can be had."""
        hands: list[Callable[[], None]] = [
            *[self.change_routes] * 6, self.flip_bfd, self.change_timers, self.remove_peer,
            self.kill, self.kill_helper, self.clear,
        ]  # fmt: skip
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            self.dice.choice(hands)()
            if self.dice.random() < 0.1:
                await self.restart_brain()
            await asyncio.sleep(self.dice.random() * 0.3)
        self.path_failed = False
        self.lab.wire.tell(self.bfd())
        self.peers["six"] = peer("six", ROUTER6)
        await self.restart_brain()

    def wanted(self) -> dict[str, set[str]]:
        """The routers' sight of what is wanted."""
        return {str(p): {SEEN_AS[name] for name in r.peers} for p, r in self.routes.items()}

    def differences(self) -> dict[str, tuple[set[str], set[str]]]:
        """What is wanted and what FRR has, where that differs."""
        wanted, seen = self.wanted(), self.seen()
        return {
            prefix: (wanted.get(prefix, set()), seen.get(prefix, set()))
            for prefix in wanted.keys() | seen.keys()
            if wanted.get(prefix) != seen.get(prefix)
        }

    def seen(self) -> dict[str, set[str]]:
        """What FRR has, from whom."""
        found = {}
        for family in ("ipv4", "ipv6"):
            table = self.lab.frr.json(f"show bgp {family} unicast").get("routes", {})
            found.update({p: {path["peerId"] for path in paths} for p, paths in table.items()})
        return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_the_router_gets_what_is_wanted(seed: int) -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.frr.configure(*SECOND_PEER)
        chaos = Chaos(lab, random.Random(seed))
        lab.brain.start()
        lab.wire.start()
        await chaos.run()

        try:
            await until(lambda: not chaos.differences(), "what is wanted", limit_s=LIMIT_S)
        except AssertionError as error:
            error.add_note(f"wanted, seen: {chaos.differences()}")
            raise
