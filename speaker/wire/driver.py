"""The wire process as a whole: the brain's intents reach the NICs and BFD, reports go back.

It remembers what it has said, so that a brain or a bgp that connects anew is told everything.
Before the brain's first `End` nothing is wanted, so nothing is answered. When the brain goes, its
last intent stays in force and only the age of its knowledge grows. Nothing here decides.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping

from speaker.seam.driver import Dialler, Listener, Process
from speaker.seam.messages import (
    AddressIntent,
    AddressRemoved,
    BfdForgotten,
    BfdIntent,
    BfdRemoved,
    BfdReport,
    CountersWanted,
    Drain,
    Expected,
    Freshness,
    Identity,
    Message,
    Withdrawn,
)
from speaker.seam.mirror import Mirror
from speaker.wire.bfd.driver import BfdDriver
from speaker.wire.counters import address_counters, in_parts, interface_counters, labelled
from speaker.wire.nics.driver import Nics, WireConfig

TICK_S = 1.0


class Wire:
    """The process. Construct inside the loop; `run` it in a task."""

    def __init__(self, config: WireConfig) -> None:
        self._loop = asyncio.get_running_loop()
        self._said = Mirror()
        self._process = Process(name="wire", whole=self._whole, hear=self._hear)
        self._brain = Listener(config.socket_dir / "wire.sock", self._process, ("brain",))
        self._bgp = Dialler(config.socket_dir / "bgp.sock", self._process, "bgp")
        self.bfd = BfdDriver(self._report)
        self.nics = Nics(config, self._report)
        self._leaving = False
        self._counters_wanted = asyncio.Event()
        self.withdrawn = asyncio.Event()
        "Set when bgp says that all its routes are withdrawn."
        self._intents: Mapping[type[object], Callable[..., None]] = {
            Identity: self.nics.set_identity,
            AddressIntent: self.nics.set_intent,
            AddressRemoved: lambda message: self.nics.remove_intent(message.address),
            Expected: self.nics.set_expected,
            Freshness: lambda message: self.nics.set_freshness(message.age_s),
            Drain: self._drain,
            BfdIntent: self.bfd.want,
            BfdRemoved: self._unwant_bfd,
            CountersWanted: lambda _: self._counters_wanted.set(),
        }

    async def run(self) -> None:
        """Serve until cancelled."""
        self.nics.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._brain.run())
                tasks.create_task(self._bgp.run())
                tasks.create_task(self._beat())
                tasks.create_task(self._tick())
                tasks.create_task(self._tell_counters())
        finally:
            self.nics.close()
            self.bfd.close()

    @property
    def ready(self) -> str:
        """What is missing, empty for nothing."""
        if not self._process.mirror("brain").complete:
            return "the brain has not said what this node may do"
        return "" if len(self.nics) else "no NIC takes part"

    def counters(self) -> Mapping[str, float]:
        """Return all counters by name."""
        return dict(self._counted())

    def _counted(self) -> Iterator[tuple[str, float]]:
        """Give all counters by name; what may change meanwhile is copied first."""
        yield from self._totals().items()
        yield from address_counters(segment.addresses for segment in self.nics)

    def _totals(self) -> Mapping[str, float]:
        """Return the counters but for those by address."""
        values: dict[str, float] = {"herald_wire_stalls": self.nics.pulse.stalls}
        for segment in self.nics:
            interface = segment.link.name
            values[f"herald_wire_hello_interval_seconds:interface={interface}"] = (
                segment.core.interval_s
            )
            values |= interface_counters(interface, segment.counted(), segment.drops)
        values |= labelled("failures", "what", self.nics.failures() + self.bfd.failures)
        drops = {reason.value: count for reason, count in self.bfd.table.drops.items()}
        values |= labelled("bfd_dropped", "reason", drops)
        faults = {fault.value: count for fault, count in self._process.faults.items()}
        values |= labelled("seam_faults", "reason", faults)
        return values

    def _whole(self, peer: str) -> Iterable[Message]:
        held = list(self._said.held.values())
        return held if peer == "brain" else [m for m in held if isinstance(m, BfdReport)]

    def _hear(self, peer: str, message: Message) -> None:
        if peer == "bgp":
            if isinstance(message, Withdrawn):
                self.withdrawn.set()
            return
        apply = self._intents.get(type(message))
        if apply is not None:
            apply(message)

    def leave(self, until: float) -> None:
        """Hand everything over until then, whatever the brain says from now on."""
        self._leaving = True
        self.nics.drain(until)

    def _drain(self, message: Drain) -> None:
        if not self._leaving:
            self.nics.drain(float("inf") if message.active else None)

    def _unwant_bfd(self, message: BfdRemoved) -> None:
        self.bfd.unwant(message.peer)
        self._report(BfdForgotten(message.peer))  # it has no state to tell any more

    def _report(self, message: Message) -> None:
        if not self._said.receive(message):
            return
        self._brain.send(message, to="brain")
        if isinstance(message, BfdReport | BfdForgotten):
            self._bgp.send(message)

    async def _beat(self) -> None:
        """Keep the pulse going while nothing happens."""
        while True:
            await asyncio.sleep(self.nics.pulse.limit_s / 4)
            self.nics.alive()

    async def _tell_counters(self) -> None:
        """Tell the brain what is counted, in a turn of the loop for each part."""
        while True:
            await self._counters_wanted.wait()
            self._counters_wanted.clear()
            for part in in_parts(self._counted()):
                self._brain.send(part, to="brain")
                await asyncio.sleep(0)

    async def _tick(self) -> None:
        before = self._loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            now = self._loop.time()
            self.nics.tick(now - before)
            before = now
