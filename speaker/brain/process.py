"""The brain's parts, joined: watches, probes, decisions, channels, Events and pages."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from kube.client import Client
from kube.driver import LOAD_BALANCERS, Selection, Watcher
from kube.objects import Address
from kube.pod import Pages, serving
from kube.snapshot import Kind
from speaker.brain.contacts import Contacts
from speaker.brain.counts.driver import Counts
from speaker.brain.driver import Channel, EventWriter, LastGood
from speaker.brain.events import against, on_conflict, on_move, on_unserved, unserved
from speaker.brain.home import Homes
from speaker.brain.identity import CLUSTER_NAMESPACE
from speaker.brain.metrics import Tallies, metrics
from speaker.brain.moves import Moves
from speaker.brain.prober import Prober
from speaker.brain.reconciler import BGP_KINDS, OWN_KINDS, WIRE_KINDS, Reconciler
from speaker.brain.silence import Silence
from speaker.brain.state import State
from speaker.brain.status import Reports, status
from speaker.brain.statuses.driver import COALESCE_S, StatusWriter
from speaker.brain.sweep.driver import Sweeper
from speaker.policy.decide import Decision
from speaker.policy.deciding import Decided, Deciding
from speaker.policy.gates import Protocol
from speaker.policy.health import Health
from speaker.policy.view import Self
from speaker.seam.messages import (
    AddressForgotten,
    ConflictReport,
    Counters,
    End,
    InterfaceReport,
    Message,
    NeighbourReport,
    OwnerReport,
    OwnerState,
    PeerIntent,
)

LOG = logging.getLogger("speaker.brain")

FRESHNESS_INTERVAL_S = 1.0
PATIENCE_S = 5.0
"After a start without the API server, until the last good intent counts."
STALE_AGE_S = 3600.0
"Age of the last good intent, at least: it must never look fresher than what anybody has read."
SCRAPE_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The flags."""

    own: Self
    kubeconfig: str | None
    socket_dir: Path
    state_dir: Path | None
    health_port: int
    metrics_port: int
    health_gates: bool


async def brain(settings: Settings, stop: asyncio.Event) -> None:
    """Run until `stop` is set; leave wire and bgp as they are."""
    async with Client.connect(settings.kubeconfig) as client:
        parts = Brain(settings, client)
        pages = Pages(ready=parts.not_ready, json={"/status": parts.page})
        registry = CollectorRegistry()
        registry.register(Scrape(parts, asyncio.get_running_loop()))
        async with serving(
            pages,
            registry,
            health_port=settings.health_port,
            metrics_port=settings.metrics_port,
        ):
            await parts.run(stop)


class Scrape(Collector):
    """Metrics, made in the loop for the thread that renders them."""

    def __init__(self, parts: "Brain", loop: asyncio.AbstractEventLoop) -> None:
        self._parts = parts
        self._loop = loop

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the registry need not know the names beforehand."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return all families; called in a thread of its own."""
        made = asyncio.run_coroutine_threadsafe(self._parts.metrics(), self._loop)
        return made.result(timeout=SCRAPE_LIMIT_S)


class Brain:
    """One brain; `run` lasts until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        *,
        patience_s: float = PATIENCE_S,
        coalesce_s: float = COALESCE_S,
    ) -> None:
        loop = asyncio.get_running_loop()
        own, folder = settings.own, settings.socket_dir
        self._state = State(Deciding(own), Health(loop.time()), settings.health_gates)
        self._client = client
        self._patience_s = patience_s
        self._moves = Moves(own.node)
        self._contacts = Contacts()
        self._silence = Silence()
        self._greeted: set[str] = set()
        self._held: set[Address] = set()
        "Addresses that a stranger had."
        self._wire = Channel(folder / "wire.sock", "wire", WIRE_KINDS, self._hear, self._lose)
        self._bgp = Channel(folder / "bgp.sock", "bgp", BGP_KINDS, self._hear, self._lose)
        self._counts = Counts((self._wire, self._bgp))
        self._prober = Prober(self._state.health, self._node_addresses, self._on_verdicts)
        self._last_good = LastGood(settings.state_dir, (self._wire, self._bgp))
        self._reconciler = Reconciler(
            self._state,
            wire=self._wire,
            bgp=self._bgp,
            wake_prober=self._prober.wake,
            on_decided=self._on_decided,
            on_settled=self._on_settled,
        )
        self._statuses = StatusWriter(client, self._state, self._wire.mirror, coalesce_s=coalesce_s)
        self._sweeper = Sweeper(client, self._state, self._wire.mirror)
        self._events = EventWriter(client, own.node)
        self._watcher = Watcher(client, selections(own.namespace), self._reconciler.take_change)

    async def run(self, stop: asyncio.Event) -> None:
        """Run all parts until `stop` is set."""
        async with asyncio.TaskGroup() as tasks:
            parts = (self._watcher, self._reconciler, self._prober, self._wire, self._bgp)
            others = (self._events, self._last_good, self._statuses, self._sweeper)
            running = [tasks.create_task(part.run()) for part in (*parts, *others)]
            running += [tasks.create_task(each()) for each in (self._stay_fresh, self._fall_back)]
            await stop.wait()
            await self._last_good.flush()
            for task in running:
                task.cancel()

    def not_ready(self) -> str:
        """Return what is missing before this node's intent is known."""
        missing = [
            f"{protocol.value} waits for {', '.join(kind.value for kind in kinds)}"
            for protocol in Protocol
            if (kinds := self._state.deciding.missing(protocol))
        ]
        return "" if len(missing) < len(Protocol) else "; ".join(missing)

    async def page(self) -> Any:
        """Return what `/status` shows, with the counters of wire and bgp as they are now."""
        await self._counts.refresh()
        return self.status()

    def status(self) -> Any:
        """Return what is known now."""
        return status(self._state, self._reports(), asyncio.get_running_loop().time())

    async def metrics(self) -> list[Metric]:
        """Return the metrics, with wire's counters as they are now if it answers quickly."""
        await self._counts.refresh()
        tallies = Tallies(
            events=self._events.counts,
            requests=self._client.requests,
            statuses=self._statuses.counts,
            seam_faults=self._counts.seam_faults(),
            watch_breaks=self._watch_breaks(),
            wire=self._counts.of("wire"),
        )
        now = asyncio.get_running_loop().time()
        return list(metrics(self._state, self._reports(), tallies, now))

    def _reports(self) -> Reports:
        return Reports(
            api_age_s=self._age_s(),
            stale=self._reconciler.stale,
            restored=self._reconciler.restored_messages(),
            connected={each.peer: each.connected for each in (self._wire, self._bgp)},
            wire=self._wire.mirror,
            bgp=self._bgp.mirror,
            moves=self._moves,
            contacts=self._contacts,
            silent_s=self._silence.hanging(asyncio.get_running_loop().time()),
            peers={
                each.name: f"{each.address}:{each.port}" for each in self._bgp.told.of(PeerIntent)
            },
            counted={
                **{peer: self._counts.of(peer) for peer in ("wire", "bgp")},
                "brain": {
                    f"herald_watch_breaks:reason={kind}": count
                    for kind, count in self._watch_breaks().items()
                },
            },
        )

    def _watch_breaks(self) -> dict[str, int]:
        return {kind.value: count for kind, count in self._watcher.breaks.items()}

    def _node_addresses(self) -> Iterable[Address]:
        node = self._state.deciding.view.node
        return node.internal_ips if node is not None else ()

    def _on_verdicts(self) -> None:
        self._reconciler.take_verdicts(asyncio.get_running_loop().time())

    def _hear(self, peer: str, message: Message) -> None:
        self._silence.heard(peer)
        match message:
            case End():
                self._greeted.add(peer)
                self._statuses.mark_all()
                if peer == "wire":
                    self._take_interfaces()
                    self._sweeper.everything()
            case Counters():
                self._counts.take(peer, message)
            case OwnerReport():
                self._hear_owner(message, greeting=peer not in self._greeted)
                self._statuses.mark(self._state.deciding.holders(message.address))
            case AddressForgotten():
                now = asyncio.get_running_loop().time()
                self._moves.forget(message, greeting=peer not in self._greeted, now=now)
                self._held.discard(message.address)
                self._statuses.mark(self._state.deciding.holders(message.address))
            case InterfaceReport():
                self._take_interfaces()
                self._statuses.mark_all()
            case NeighbourReport():
                self._contacts.take(message, asyncio.get_running_loop().time())
            case ConflictReport() if message.mac is not None and not message.proxy:
                for service in self._state.deciding.view.services(message.address):
                    self._events.add(on_conflict(message, service, self._state.own.node))

    def _take_interfaces(self) -> None:
        if "wire" in self._greeted:
            self._reconciler.take_interfaces(self._wire.mirror.of(InterfaceReport))

    def _hear_owner(self, report: OwnerReport, *, greeting: bool) -> None:
        own = self._state.own.node
        if report.state is OwnerState.HELD:
            self._held.add(report.address)
        now = asyncio.get_running_loop().time()
        why = against(self._state.deciding.decisions.get((Protocol.LAYER2, report.address)))
        move = self._moves.take(report, greeting=greeting, now=now, why=why)
        if move is None:
            return
        home = Homes(self._wire.mirror.of(InterfaceReport)).counts(move.address, move.interface)
        fields = {"address": str(move.address), "interface": move.interface, "to": move.after}
        fields |= {"from": move.before, "cause": move.cause}
        LOG.log(logging.INFO if home else logging.DEBUG, "moved", extra={"fields": fields})
        if home and move.before not in ("", own) and move.after in ("", own):
            self._sweeper.after(move.before)
        if move.after == own and move.address in self._held:
            # A stranger is gone. It may have been MetalLB, which has objects of the same kind.
            self._held.discard(move.address)
            self._sweeper.everything()
        if home and report.state is OwnerState.OWNED and not greeting:
            for service in self._state.deciding.view.services(move.address):
                self._events.add(on_move(move, service, Protocol.LAYER2))

            self._tell_unserved(self._state.deciding.decisions.get((Protocol.LAYER2, move.address)))

    def _on_settled(self) -> None:
        self._last_good.changed()
        self._statuses.settled()

    def _on_decided(self, decided: Decided) -> None:
        before, after = decided.before, decided.after
        for each in (before, after):
            self._statuses.mark(s.service for s in (each.services if each is not None else ()))
        if after is None or decided.protocol is Protocol.BGP or not unserved(after):
            return
        if before is not None and unserved(before) == unserved(after):
            return
        owners = self._wire.mirror.of(OwnerReport)
        if any(o.address == after.address and o.state is OwnerState.OWNED for o in owners):
            self._tell_unserved(after)

    def _tell_unserved(self, decision: Decision | None) -> None:
        """Write Events for Services whose address is here for the sake of others alone."""
        if decision is None:
            return
        for name in unserved(decision):
            service = self._state.snapshot.services.get(name)
            if service is not None:
                self._events.add(on_unserved(decision, name, service, self._state.own.node))

    def _lose(self, peer: str) -> None:
        self._greeted.discard(peer)
        LOG.warning("connection lost", extra={"fields": {"peer": peer}})

    async def _stay_fresh(self) -> None:
        while True:
            now = asyncio.get_running_loop().time()
            for each in (self._wire, self._bgp):
                self._silence.look(each.peer, unread=each.unread, now=now)
            self._reconciler.tell_freshness(self._age_s())
            await asyncio.sleep(FRESHNESS_INTERVAL_S)

    async def _fall_back(self) -> None:
        """Say what was last good when the API server cannot be reached after a start."""
        await asyncio.sleep(self._patience_s)
        if not self._state.snapshot.listed and self._last_good.load():
            LOG.warning("API server not reached: going by the last good intent")
            self._reconciler.restored()

    def _age_s(self) -> float:
        return self._watcher.age_s() + (STALE_AGE_S if self._reconciler.stale else 0)


def selections(namespace: str) -> tuple[Selection, ...]:
    """Return what a speaker watches."""
    return (
        Selection(Kind.SERVICE, field_selector=LOAD_BALANCERS, reread_deleted=True),
        Selection(Kind.ENDPOINT_SLICE),
        Selection(Kind.NODE),
        Selection(Kind.NAMESPACE, field_selector=f"metadata.name={CLUSTER_NAMESPACE}"),
        Selection(Kind.POD, namespace),
        *(Selection(kind, namespace) for kind in OWN_KINDS),
    )
