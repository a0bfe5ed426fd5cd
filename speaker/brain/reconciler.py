"""From the watched cluster to what wire and bgp are told: decides what is dirty, in slices.

Every change of the snapshot, of a health verdict or of a report ends here. Decisions are taken in
slices of `SLICE_S`, so that probes, pages and watches go on beside a large change.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from kube.snapshot import Kind, Snapshot
from kube.store import Changes
from kube.validation import usable
from speaker.brain.driver import Channel
from speaker.brain.identity import identity
from speaker.brain.state import State
from speaker.policy.decide import Verdicts
from speaker.policy.deciding import Decided
from speaker.policy.eligibility import drained
from speaker.policy.gates import Protocol
from speaker.policy.health import NODE_PORT, Verdict
from speaker.policy.intents import address_intent, expected_nodes
from speaker.policy.interfaces import nics_of
from speaker.seam.messages import (
    AddressIntent,
    BfdIntent,
    Drain,
    Expected,
    Freshness,
    Identity,
    InterfaceReport,
    Message,
    PeerIntent,
    Prefix,
    RouteIntent,
)

LOG = logging.getLogger("speaker.brain")

SLICE_S = 0.005
OWN_KINDS = (
    Kind.SECRET,
    Kind.IP_ADDRESS_POOL,
    Kind.L2_ADVERTISEMENT,
    Kind.BGP_ADVERTISEMENT,
    Kind.BGP_PEER,
    Kind.BFD_PROFILE,
    Kind.COMMUNITY,
)
"What configures Herald, in its own namespace."
CONFIGURED_BY = frozenset({Kind.NODE, *OWN_KINDS})
WIRE_KINDS = (Identity, Expected, Drain, AddressIntent, BfdIntent)
"What the brain says to wire, and to bgp."
BGP_KINDS = (Drain, PeerIntent, RouteIntent)


class Reconciler:
    """Turns changes into decisions and decisions into intents."""

    def __init__(
        self,
        state: State,
        *,
        wire: Channel,
        bgp: Channel,
        wake_prober: Callable[[], None],
        on_decided: Callable[[Decided], None],
        on_settled: Callable[[], None],
    ) -> None:
        self.state = state
        self._wire = wire
        self._bgp = bgp
        self._wake_prober = wake_prober
        self._on_decided = on_decided
        self._on_settled = on_settled
        self._wake = asyncio.Event()
        self._verdicts: Verdicts = {}
        self._news: deque[tuple[Snapshot, Changes]] = deque()
        self._restored: set[Protocol] = set()
        "Protocols whose intent is the last good one, not yet one that was decided."

    @property
    def stale(self) -> bool:
        """Whether anything that is said comes from the last good file."""
        return bool(self._restored)

    def restored_messages(self) -> tuple[Message, ...]:
        """Return the intents that come from the last good file."""
        kinds = {
            Protocol.LAYER2: (self._wire, AddressIntent),
            Protocol.BGP: (self._bgp, RouteIntent),
        }
        return tuple(
            message
            for protocol in sorted(self._restored, key=lambda each: each.value)
            for message in kinds[protocol][0].told.whole()
            if isinstance(message, kinds[protocol][1])
        )

    def restored(self) -> None:
        """Take note that the channels say what was last good."""
        self._restored = {p for p in Protocol if not self.state.deciding.started(p)}
        if self.state.health_gates:
            self._want([NODE_PORT])
        self._retell_restored()

    def _retell_restored(self) -> None:
        """Let what was last good begin where the service proxy is well.

        A proxy that came up without the API server has programmed nothing, and says so. The
        Services' own ports are not known here.
        """
        well = self._verdicts.get(NODE_PORT, Verdict.UNPROVEN) is Verdict.OPEN
        may_begin = well or not self.state.health_gates
        for message in self.restored_messages():
            if isinstance(message, AddressIntent):
                self._wire.send(self._wire.told.set(replace(message, may_begin=may_begin)))
            elif isinstance(message, RouteIntent):
                self._bgp.send(self._bgp.told.set(replace(message, may_begin=may_begin)))

    def take_change(self, snapshot: Snapshot, changes: Changes) -> None:
        """Take what the API server says now."""
        # Looked at in `run`: an error in a callback of the loop would be logged and forgotten.
        self._news.append((snapshot, changes))
        self._wake.set()

    def take_verdicts(self, now: float) -> None:
        """Look at the health verdicts as they are now."""
        before, after = self._verdicts, self.state.health.verdicts(now)
        if before == after:
            return
        self._verdicts = after
        changed = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
        for port in changed & after.keys():
            fields = {"port": port, "verdict": after[port].value}
            LOG.info("health", extra={"fields": fields})
        if self.state.health_gates:
            self.state.deciding.mark_ports(changed)
            self._wake.set()
            self._retell_restored()

    def take_interfaces(self, reports: Iterable[InterfaceReport]) -> None:
        """Look at the NICs as wire reports them now."""
        if self.state.deciding.set_nics(nics_of(reports)):
            self._wake.set()

    def tell_freshness(self, age_s: float) -> None:
        """Say how old the knowledge of the API is."""
        for channel in (self._wire, self._bgp):
            channel.send([Freshness(round(age_s, 3))])

    async def run(self) -> None:
        """Decide until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._look()
            while self.state.deciding.dirty:
                self._decide(loop.time() + SLICE_S)
                await asyncio.sleep(0)
                self._look()
            self._settle()
            self._on_settled()

    def _look(self) -> None:
        """Take all changes that have come in."""
        state = self.state
        while self._news:
            snapshot, changes = self._news.popleft()
            if changes.kinds or not CONFIGURED_BY.isdisjoint(changes.names):
                state.configuration, state.faults = usable(snapshot, state.configuration)
            state.deciding.update(snapshot, state.configuration, changes.services)
            ports = state.deciding.ports_of(changes.services)
            state.health.touch(ports, asyncio.get_running_loop().time())

    def _decide(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        verdicts = self._verdicts if self.state.health_gates else None
        changed, prefixes = self.state.deciding.step(verdicts, lambda: loop.time() < until)
        for each in changed:
            _log(each)
            self._on_decided(each)
            if each.protocol is Protocol.LAYER2:
                self._wire.send(self._address(each))
        for prefix in prefixes:
            self._bgp.send(self._route(prefix))

    def _settle(self) -> None:
        """After a full pass: say the rest, and what is known now."""
        deciding, wire, bgp = self.state.deciding, self._wire, self._bgp
        listed = self.state.snapshot.listed
        self._want(deciding.wanted_ports() if self.state.health_gates else ())
        if {Kind.NAMESPACE, Kind.SECRET} <= listed:
            self._introduce()
        if {Kind.POD, Kind.NODE} <= listed:
            wire.send(wire.told.set(Expected(expected_nodes(deciding.view))))
            wire.know([Expected])
        if Kind.NODE in listed:
            drain = Drain(drained(deciding.view.node) is not None)
            for channel in (wire, bgp):
                channel.send(channel.told.set(drain))
        # Without the other speakers' names wire would believe that it is alone.
        neighbours = Kind.POD in listed or Kind.POD in self.state.snapshot.unavailable
        if deciding.started(Protocol.LAYER2) and neighbours:
            self._drop_restored(Protocol.LAYER2)
            wire.know([AddressIntent, Drain])
        # Without their Pods a MetalLB's speaker could not be seen.
        if deciding.started(Protocol.BGP) and neighbours:
            self._drop_restored(Protocol.BGP)
            sessions = deciding.sessions
            wire.send(wire.told.replace_all(BfdIntent, sessions.bfd))
            bgp.send(bgp.told.replace_all(PeerIntent, sessions.bgp))
            wire.know([BfdIntent])
            bgp.know(BGP_KINDS)

    def _drop_restored(self, protocol: Protocol) -> None:
        """Drop what came from the last good file and is no more, once the API has been read."""
        if protocol not in self._restored:
            return
        self._restored.discard(protocol)
        deciding, wire, bgp = self.state.deciding, self._wire, self._bgp
        if protocol is Protocol.LAYER2:
            made = (address_intent(deciding.view, each) for each in deciding.of(protocol))
            wire.send(wire.told.replace_all(AddressIntent, [each for each in made if each]))
        else:
            bgp.send(bgp.told.replace_all(RouteIntent, deciding.routes()))

    def _want(self, ports: Iterable[int]) -> None:
        self.state.health.want(ports, asyncio.get_running_loop().time())
        self._wake_prober()

    def _introduce(self) -> None:
        found = identity(self.state.own, self.state.snapshot)
        if isinstance(found, str):
            if self.state.identity_fault != found:
                LOG.warning("no identity", extra={"fields": {"fault": found}})
            self.state.identity_fault = found
            return
        self.state.identity_fault = ""
        self._wire.send(self._wire.told.set(found))
        self._wire.know([Identity])

    def _address(self, decided: Decided) -> list[Message]:
        after = decided.after
        intent = None if after is None else address_intent(self.state.deciding.view, after)
        if intent is None:
            return self._wire.told.drop((AddressIntent, decided.address))
        return self._wire.told.set(intent)

    def _route(self, prefix: Prefix) -> list[Message]:
        intent = self.state.deciding.route(prefix)
        if intent is None:
            return self._bgp.told.drop((RouteIntent, prefix))
        return self._bgp.told.set(intent)


def _log(decided: Decided) -> None:
    """Log what changed for an address, with the first gate that stands against it."""
    before, after = decided.before, decided.after
    if before is not None and after is not None and before.closed == after.closed:
        return
    fields = {"address": str(decided.address), "protocol": decided.protocol.value}
    if after is None:
        LOG.info("address gone", extra={"fields": fields})
    elif after.may:
        LOG.info("address may be announced", extra={"fields": fields})
    else:
        gate = after.closed[0]
        fields |= {"gate": gate.gate.value, "object": gate.object, "field": gate.field}
        LOG.info("address withheld", extra={"fields": fields | {"why": gate.sentence}})
