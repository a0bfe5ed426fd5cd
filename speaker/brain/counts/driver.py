"""Asks wire and bgp for their counters: they are sent on demand only."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

from speaker.brain.driver import Channel
from speaker.seam.messages import Counters, CountersWanted

LIMIT_S = 0.2


class Counts:
    """The counters of this node's processes, as they were last told."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = channels
        self._awaited: set[str] = set()
        self._told = asyncio.Event()
        self._values: dict[str, Mapping[str, float]] = {}
        self._begun: dict[str, tuple[dict[str, float], int]] = {}
        "Of whom not all parts are here yet: the values so far, and how many parts those are."

    async def refresh(self) -> None:
        """Have all that are there count anew, as far as they answer quickly."""
        there = [each for each in self._channels if each.connected]
        self._awaited = {each.peer for each in there}
        self._told.clear()
        for each in there:
            each.send([CountersWanted()])
        if there:
            with suppress(TimeoutError):
                async with asyncio.timeout(LIMIT_S):
                    await self._told.wait()

    def take(self, peer: str, message: Counters) -> None:
        """Keep what a process counted, once all its parts are here.

        A connection may end between two of them, so those that follow on nothing are dropped.
        """
        values, parts = self._begun.pop(peer, ({}, 0)) if message.part else ({}, 0)
        if message.part != parts:
            return
        values |= message.values
        if message.more:
            self._begun[peer] = values, parts + 1
            return
        self._values[peer] = values
        self._awaited.discard(peer)
        if not self._awaited:
            self._told.set()

    def seam_faults(self) -> dict[str, int]:
        """Return what was wrong with lines that the brain heard."""
        first, *rest = (each.process.faults for each in self._channels)
        return {fault.value: count for fault, count in sum(rest, first).items()}

    def of(self, peer: str) -> Mapping[str, float]:
        """Return the counters of a process by name, none while it has told none."""
        return self._values.get(peer, {})
