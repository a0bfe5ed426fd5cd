"""Keeps one `SegmentDriver` for each NIC that takes part, and tells all of them what they need.

NICs are judged by `speaker.l2.links`. One that lost its carrier stays; one that is gone, was
enslaved or got another MAC is closed, and opened anew when it qualifies again. What every core
must know (identity, expected nodes, freshness, drain, intents) is kept here and given to each new
one before its intents, as the core demands.
"""

import asyncio
import logging
import random
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from speaker.l2.ethernet import Mac
from speaker.l2.links import Link, Unusable
from speaker.l2.segment import AlonePolicy, Segment, Timing
from speaker.seam.messages import (
    Address,
    AddressIntent,
    Expected,
    Identity,
    Message,
    OwnerReport,
)
from speaker.wire.claims.driver import Claims, ClaimsFile
from speaker.wire.netlink import Monitor, gateways
from speaker.wire.pulse import Pulse
from speaker.wire.reports import Said, interface_report
from speaker.wire.segment.driver import SegmentDriver
from speaker.wire.segment.surroundings import Surroundings

LOG = logging.getLogger(__name__)

GATEWAYS_S = 30.0
"""A router's MAC seldom changes, and a change of NIC or address is followed at once."""
_LASTING = (None, Unusable.DOWN, Unusable.NO_CARRIER)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireConfig:
    """What the flags say."""

    node: str
    socket_dir: Path
    timing: Timing
    alone: AlonePolicy
    epoch_ms: int
    "Unix time in ms at loop time 0."


class Nics:
    """All NICs that take part. Construct inside the loop, then `open`."""

    def __init__(self, config: WireConfig, report: Callable[[Message], None]) -> None:
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._report_on = report
        self._boot_id = secrets.randbits(64)
        self._openings: Counter[str] = Counter()
        self.pulse = Pulse(config.timing.detection_s, self._loop.time())
        self._segments: dict[str, SegmentDriver] = {}
        self._said = Said()
        self._intents: dict[Address, AddressIntent] = {}
        self._named: Counter[tuple[str, ...]] = Counter()
        self._identity: Identity | None = None
        self._expected = Expected(())
        self._fresh_at = self._loop.time()
        self._drain_until: float | None = None
        self._relink: asyncio.Handle | None = None
        self._macs: frozenset[bytes] = frozenset()
        self._unopened = False
        "A NIC that should take part could not be opened: tried again with the next tick."
        self._gateways_at = 0.0
        self._gateways: dict[str, Mapping[Address, Mac]] = {}
        self._failures: Counter[str] = Counter()
        self._file = ClaimsFile(config.socket_dir / "wire-claims.json", self._claims)
        self._inherited = dict(self._file.read())
        self._monitor = Monitor()

    def __iter__(self) -> Iterator[SegmentDriver]:
        return iter(self._segments.values())

    def __len__(self) -> int:
        return len(self._segments)

    def open(self) -> None:
        """Take part on every NIC that qualifies, now and later."""
        self._loop.add_reader(self._monitor, self._read_links)
        self._follow_links()

    def close(self) -> None:
        """Fall silent."""
        if self._relink is not None:
            self._relink.cancel()
        self._file.close()
        self._loop.remove_reader(self._monitor)
        self._monitor.close()
        for segment in self:
            segment.close()
        self._segments.clear()

    def failures(self) -> Counter[str]:
        """Return how often what failed."""
        return self._failures + self._file.failures

    # -- what all cores must know

    @property
    def drained(self) -> bool:
        """Whether no NIC answers for an address."""
        return all(segment.core.drained for segment in self)

    def set_identity(self, identity: Identity) -> None:
        """Take in who this speaker is."""
        self._identity = identity
        for segment in self:
            segment.core.set_identity(identity, self._loop.time())
            segment.settle_soon()

    def set_expected(self, expected: Expected) -> None:
        """Take in the other nodes with a speaker."""
        self._expected = expected
        for segment in self:
            segment.core.set_expected(expected.nodes, self._loop.time())
            segment.set_hosts(*self._hosts_of(segment.link))

    def set_freshness(self, age_s: float) -> None:
        """Take in how old the brain's knowledge is; it grows by itself from now."""
        self._fresh_at = self._loop.time() - age_s
        self._tell_freshness()

    def set_intent(self, intent: AddressIntent) -> None:
        """Pass an intent to the NICs it names."""
        before = self._intents.get(intent.address)
        self._intents[intent.address] = intent
        self._count_named(before, intent)
        for segment in self:
            _apply(segment, intent)

    def remove_intent(self, address: Address) -> None:
        """Withdraw an address everywhere."""
        self._count_named(self._intents.pop(address, None), None)
        for segment in self:
            segment.unwant(address)

    def drain(self, until: float | None) -> None:
        """Hand everything over until then; None: take part again."""
        self._drain_until = until
        for segment in self:
            segment.core.drain(until, self._loop.time())
            segment.settle_soon()

    # -- time

    def tick(self, passed_s: float) -> None:
        """Do what is done about once a second."""
        if self._unopened:
            self._follow_links_soon()
        for segment in self:
            segment.tick(passed_s)
        self._tell_freshness()
        if self._loop.time() >= self._gateways_at:
            self._follow_gateways()

    def alive(self) -> bool:
        """Tell whether the loop turned in time; if it stood still, start all NICs anew."""
        if not self.pulse.beat(self._loop.time()):
            return True
        LOG.warning("stalled", extra={"fields": {"limit_s": self.pulse.limit_s}})
        for segment in self:
            segment.start_anew()
        self.pulse.last = self._loop.time()  # with thousands of addresses this takes its time too
        return False

    def _tell_freshness(self) -> None:
        now = self._loop.time()
        for segment in self:
            segment.core.set_freshness(max(now - self._fresh_at, 0.0), now)
            segment.settle_soon()

    # -- NICs come and go

    def _read_links(self) -> None:
        if self._monitor.read():
            self._follow_links()

    def _follow_links_soon(self) -> None:
        if self._relink is None:
            self._relink = self._loop.call_soon(self._follow_links)

    def _follow_links(self) -> None:
        self._relink, self._unopened = None, False
        links = self._monitor.table.by_name()
        self._macs = frozenset(link.mac.octets for link in links.values() if link.mac is not None)
        changed = False
        for name, segment in list(self._segments.items()):
            now, before = links.get(name), segment.link
            if now is None or (now.index, now.mac) != (before.index, before.mac):
                self._close_segment(name)
                changed = True
            elif now.unusable not in _LASTING:
                self._close_segment(name)
            elif now != before:
                segment.set_link(now)
                changed = True
        for name, link in links.items():
            wanted = self._is_wanted(name)
            if link.unusable is None and wanted and name not in self._segments:
                self._open_segment(link)
                changed = True
            if link.unusable is not Unusable.NAME:
                self._report(interface_report(link, wanted=wanted))
        for name in self._said.vanished(links):  # those that never took part
            self._end(name)
        if changed:
            self._follow_gateways()

    def _is_wanted(self, name: str) -> bool:
        """Tell whether an intent names the NIC, or none excludes it.

        Without any intent every NIC takes part, so that the first Service finds neighbours known.
        """
        return not self._named or any(not names or name in names for names in self._named)

    def _count_named(self, before: AddressIntent | None, now: AddressIntent | None) -> None:
        kinds = self._named.keys() | set()
        if now is not None:
            self._named[now.interfaces] += 1
        if before is not None:
            self._named[before.interfaces] -= 1
            if not self._named[before.interfaces]:
                del self._named[before.interfaces]
        if self._named.keys() != kinds:
            self._follow_links_soon()

    def _open_segment(self, link: Link) -> None:
        now = self._loop.time()
        core = Segment(
            interface=link.name,
            node=self._config.node,
            boot_id=self._boot_id,
            opening=self._openings[link.name],
            timing=self._config.timing,
            epoch_ms=self._config.epoch_ms,
            jitter=random.random,
            now=now,
            claims=self._inherited.pop(link.name, ()),
            alone=self._config.alone,
        )
        surroundings = Surroundings(
            report=self._report, alive=self.alive, own_macs=lambda: self._macs
        )
        try:
            segment = SegmentDriver(core, link, surroundings)
        except OSError as error:  # the NIC went in between, which netlink will tell, or no NET_RAW
            self._failures["open"] += 1
            self._unopened = True
            fields = {"interface": link.name, "why": str(error)}
            LOG.warning("interface-not-opened", extra={"fields": fields})
            return
        LOG.info("interface-takes-part", extra={"fields": {"interface": link.name}})
        self._openings[link.name] += 1
        self._segments[link.name] = segment
        if self._identity is not None:
            core.set_identity(self._identity, now)
        core.set_expected(self._expected.nodes, now)
        core.set_freshness(max(now - self._fresh_at, 0.0), now)
        if self._drain_until is not None:
            core.drain(self._drain_until, now)
        for intent in self._intents.values():
            _apply(segment, intent)

    def _close_segment(self, name: str) -> None:
        LOG.info("interface-takes-no-part", extra={"fields": {"interface": name}})
        self._segments.pop(name).close()
        self._end(name)

    def _end(self, name: str) -> None:
        for message in self._said.end(name):
            self._report_on(message)

    # -- routers and other hosts

    def _follow_gateways(self) -> None:
        self._gateways_at = self._loop.time() + GATEWAYS_S
        for segment in self:
            try:
                self._gateways[segment.link.name] = gateways(segment.link.index)
            except OSError as error:
                self._failures["gateways"] += 1
                LOG.debug("gateways-not-read", extra={"fields": {"why": str(error)}})
                continue
            segment.set_hosts(*self._hosts_of(segment.link))

    def _hosts_of(self, link: Link) -> tuple[Mapping[Address, Mac], Mapping[Address, Mac | None]]:
        """Return the routers, and all who should answer: those and the nodes in its prefixes."""
        routers = self._gateways.get(link.name, {})
        hosts: dict[Address, Mac | None] = dict(routers)
        networks = [each.network for each in link.addresses]
        for node in self._expected.nodes:
            for address in node.internal_ips:
                if any(address in network for network in networks):
                    hosts.setdefault(address, None)
        return routers, hosts

    # -- what the cores say

    def _report(self, message: Message) -> None:
        self._said.hear(message)
        if isinstance(message, OwnerReport):
            self._file.changed()
        self._report_on(message)

    def _claims(self) -> Claims:
        return {name: each.core.resumable_claims for name, each in self._segments.items()}


def _apply(segment: SegmentDriver, intent: AddressIntent) -> None:
    if not intent.interfaces or segment.link.name in intent.interfaces:
        segment.want(intent)
    else:
        segment.unwant(intent.address)
