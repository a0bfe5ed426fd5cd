"""Joins the cores of one NIC to the loop: ownership, who is answered, what is announced.

After every input the core's actions are performed, frames due are sent and one timer is re-armed.
A process that stood still for longer than the detection time has queues full of the *oldest*
frames and neighbours that believe it dead, so whatever wakes first drops all that and starts anew
(`speaker.wire.pulse`).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address

from speaker.hello.packet import DropReason
from speaker.l2 import actions
from speaker.l2.arp import parse_arp
from speaker.l2.enquiry import question
from speaker.l2.ethernet import FrameDrop, Mac
from speaker.l2.gratuitous import Gratuitous
from speaker.l2.links import Link
from speaker.l2.ndp import Advertisement, parse_ndp
from speaker.l2.refresh import Refresh
from speaker.l2.responder import Responder
from speaker.l2.segment import Segment
from speaker.l2.udp import hello_frame, parse_hello_frame
from speaker.seam.messages import AddressIntent
from speaker.wire.counters import AddressCounts, asked_address, told_address
from speaker.wire.life.driver import LifeListener
from speaker.wire.segment.schedule import FilterSchedule
from speaker.wire.segment.sockets import SegmentSockets
from speaker.wire.segment.surroundings import Surroundings
from speaker.wire.sockets import FrameSocket

Address = IPv4Address | IPv6Address
Dropped = FrameDrop | DropReason

BATCH = 64
"""Frames read before other sockets and timers have their turn: under 1 ms."""
LIFE_SPACING_S = 0.1
PROBE_S = 1.0
"""How long answers to a probe for an unwanted address are let in."""
HOSTS_ASKED = 8
_NOBODY = IPv4Address(0)


class SegmentDriver:
    """One NIC that takes part. Construct inside the loop; `close` when it no longer does."""

    def __init__(self, core: Segment, link: Link, surroundings: Surroundings) -> None:
        if link.mac is None:
            raise ValueError(f"{link.name} has no MAC address")
        self._loop = asyncio.get_running_loop()
        self._core = core
        self._outside = surroundings
        self._link = link
        self._mac = link.mac
        self._sockets = SegmentSockets(link)
        self._responder = Responder(link.mac)
        self._gratuitous = Gratuitous(link.mac, self._loop.time())
        self._wanted: dict[Address, AddressIntent] = {}
        self._probed: dict[Address, float] = {}
        self._hosts: Mapping[Address, Mac | None] = {}
        self._refresh = Refresh()
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._watched: frozenset[Address] = frozenset()
        self._filters = FilterSchedule()
        self._heard_life = 0.0
        self._life = LifeListener(
            found=self._found_life, alive=surroundings.alive, own_macs=surroundings.own_macs
        )
        self.counts: Counter[str] = Counter()
        self.addresses = AddressCounts()
        self.drops: Counter[Dropped] = Counter()
        self._perform: Mapping[type[object], Callable[..., None]] = {
            actions.SendHello: self._send_hello,
            actions.Answer: self._answer,
            actions.Silence: self._silence,
            actions.Announce: self._announce,
            actions.Witness: self._witness,
            actions.ProbeStranger: self._probe,
            actions.SeekLife: self._seek_life,
            actions.Report: lambda action: self._outside.report(action.message),
        }
        opened = self._sockets
        self._loop.add_reader(opened.requests, self._read_requests)
        self._loop.add_reader(opened.sightings, self._read, opened.sightings, self._take_arp)
        self._loop.add_reader(opened.ndp, self._read, opened.ndp, self._take_ndp)
        self._loop.add_reader(opened.hellos, self._read, opened.hellos, self._take_hello)
        self.set_link(link)

    @property
    def core(self) -> Segment:
        """The ownership of this NIC; call `settle_soon` after changing it."""
        return self._core

    @property
    def link(self) -> Link:
        """The NIC as last told."""
        return self._link

    def counted(self) -> Mapping[str, int]:
        """Return counters and gauges by name."""
        failures = sum(sum(each.failures.values()) for each in self._sockets)
        gauges = {"addresses_answered": len(self._responder), "socket_failures": failures}
        return {**self.counts, **gauges}

    # -- what the process tells

    def set_link(self, link: Link) -> None:
        """Take in the NIC's state and addresses; its index and MAC are those of the start."""
        self._link = link
        up = link.unusable is None
        told = actions.Link(up=up, mac=actions.Mac(self._mac.octets), prefixes=link.addresses)
        self._core.set_link(told, self._loop.time())
        self.settle_soon()

    def set_hosts(
        self, gateways: Mapping[Address, Mac], hosts: Mapping[Address, Mac | None]
    ) -> None:
        """Take in who carries others' traffic, and who would answer if the segment is alive."""
        self._gratuitous.set_gateways(gateways)
        if hosts.keys() != self._hosts.keys():
            self._filters.changed(len(self._wanted))
        self._hosts = hosts
        self.settle_soon()

    def want(self, intent: AddressIntent) -> None:
        """Pass an intent to the core."""
        if intent.address not in self._wanted:
            self._filters.changed(len(self._wanted))
        self._wanted[intent.address] = intent
        self._core.set_intent(intent, self._loop.time())
        self.settle_soon()

    def unwant(self, address: Address) -> None:
        """Withdraw an address; nothing when it isn't wanted."""
        if self._wanted.pop(address, None) is None:
            return
        self._filters.changed(len(self._wanted))
        self.addresses.forget(address)
        self._core.remove_intent(address, self._loop.time())
        self.settle_soon()

    def start_anew(self) -> None:
        """Drop what the sockets hold: the process stood still."""
        self.counts["stale_frames_dropped"] += self._sockets.drain()
        self._core.stalled(self._loop.time())
        self.settle_soon()

    def tick(self, passed_s: float) -> None:
        """Spread the refresh of owned addresses over a minute; call about once a second."""
        for each in self._sockets:
            self.counts["frames_dropped_by_kernel"] += each.dropped_by_kernel()
        if self._core.watched_addresses != self._watched:
            self._filters.changed(len(self._wanted))
        for address in self._refresh.due(passed_s):
            if self._core.refresh_allowed:
                self._gratuitous.refresh(address, self._loop.time())
        self.settle_soon()

    def close(self) -> None:
        """Fall silent at once and leave the NIC."""
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        self._life.close()
        for each in self._sockets:
            self._loop.remove_reader(each)
        self._sockets.close()

    # -- what the segment says

    def _read_requests(self) -> None:
        """Answer who asks. The hot path: no parsing, no core."""
        if not self._outside.alive():
            return
        requests, responder = self._sockets.requests, self._responder
        for _ in range(BATCH):
            frame = requests.read()
            if frame is None:
                return
            reply = responder.reply_to_arp(frame)
            if isinstance(reply, bytes):
                self._count_answer(frame, left=requests.send(reply))
            else:
                self.drops[reply] += 1

    def _read(self, source: FrameSocket, take: Callable[[bytes], Dropped | None]) -> None:
        if not self._outside.alive():
            return
        for _ in range(BATCH):
            frame = source.read()
            if frame is None:
                break
            dropped = take(frame)
            if dropped is not None:
                self.drops[dropped] += 1
        self.settle()

    def _take_arp(self, frame: bytes) -> FrameDrop | None:
        packet = parse_arp(frame)
        if isinstance(packet, FrameDrop):
            return packet
        if packet.sender_mac.octets in self._outside.own_macs():
            return FrameDrop.OWN
        self._sighted(packet.sender, packet.sender_mac)
        return None

    def _take_ndp(self, frame: bytes) -> FrameDrop | None:
        packet = parse_ndp(frame)
        if isinstance(packet, FrameDrop):
            return packet
        if packet.source.octets in self._outside.own_macs():
            return FrameDrop.OWN
        if isinstance(packet, Advertisement):
            self._sighted(packet.target, packet.mac)
            return None
        reply = self._responder.reply_to_solicitation(packet)
        if isinstance(reply, FrameDrop):
            return reply
        self._count_answer(frame, left=self._sockets.ndp.send(reply))
        return None

    def _count_answer(self, asked: bytes, *, left: bool) -> None:
        address = asked_address(asked)
        self.addresses.requests[address] += 1
        self.addresses.answers[address] += left

    def _take_hello(self, frame: bytes) -> Dropped | None:
        datagram = parse_hello_frame(frame)
        if isinstance(datagram, FrameDrop):
            return datagram
        if datagram.source == self._mac:
            return FrameDrop.OWN
        self.counts["hellos_received"] += 1
        source = actions.Mac(datagram.source.octets)
        dropped = self._core.receive_hello(datagram.payload, source, self._loop.time())
        if dropped is None:
            self._lives()
        return dropped

    def _sighted(self, address: Address, mac: Mac) -> None:
        if address in self._hosts:
            self._lives()
        if address in self._wanted or address in self._probed:
            self._core.receive_sighting(address, actions.Mac(mac.octets), self._loop.time())

    def _found_life(self) -> None:
        self._lives()
        self.settle()

    def _lives(self) -> None:
        now = self._loop.time()
        if now - self._heard_life >= LIFE_SPACING_S:
            self._heard_life = now
            self._core.receive_life(now)

    # -- the loop

    def settle_soon(self) -> None:
        """Settle once in this turn of the loop, however many changes it brings."""
        if self._soon is None:
            self._soon = self._loop.call_soon(self.settle)

    def settle(self) -> None:
        """Perform what the cores ask for and set the timer for what they want next."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        now = self._loop.time()
        if self._filters.at is not None and now >= self._filters.at:
            self._refilter(now)
        while (action := self._core.next_action()) is not None:
            self._perform[type(action)](action)
        for frame in self._gratuitous.frames_to_send(now):
            self.addresses.gratuitous[told_address(frame)] += self._sockets.send(frame)
        self._arm(now)

    def _arm(self, now: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wanted = (self._core.next_deadline(), self._gratuitous.next_deadline(), self._filters.at)
        at = min((each for each in wanted if each is not None), default=None)
        if at is not None:
            self._timer = self._loop.call_at(max(at, now), self._on_time, at)

    def _on_time(self, at: float) -> None:
        self._timer = None
        if not self._outside.alive():
            return
        now = max(at, self._loop.time())  # timers may fire a hair early; a core would spin then
        deadline = self._core.next_deadline()
        if deadline is not None and deadline <= now:
            self._core.handle_deadline(now)
        self.settle()

    def _refilter(self, now: float) -> None:
        self._probed = {a: until for a, until in self._probed.items() if until > now}
        self._watched = self._core.watched_addresses
        watched = {*self._watched, *self._probed, *self._hosts}
        self._sockets.refilter(self._wanted, watched, exact=self._filters.exact)
        self._filters.made(now, self._loop.time())

    # -- what the core asks for

    def _send_hello(self, action: actions.SendHello) -> None:
        own = self._link.address(4)
        sender = own if isinstance(own, IPv4Address) else _NOBODY
        frame = hello_frame(action.payload, mac=self._mac, sender=sender)
        self.counts["hellos_sent"] += self._sockets.send(frame)

    def _answer(self, action: actions.Answer) -> None:
        self._refresh.add(action.address)
        self._responder.answer(action.address)

    def _silence(self, action: actions.Silence) -> None:
        self._responder.silence(action.address)
        self._gratuitous.silence(action.address)
        self._refresh.remove(action.address)

    def _announce(self, action: actions.Announce) -> None:
        self._gratuitous.announce(action.address, self._loop.time())

    def _witness(self, action: actions.Witness) -> None:
        self._ask(action.address, Mac(action.mac))

    def _probe(self, action: actions.ProbeStranger) -> None:
        now = self._loop.time()
        self._probed[action.address] = now + PROBE_S
        if action.address not in self._wanted:
            self._filters.changed(len(self._wanted))
            self._refilter(now)  # before asking, or the answer would be dropped
        self._ask(action.address, None)

    def _seek_life(self, _: actions.SeekLife) -> None:
        self._life.listen(self._link)
        for address, mac in list(self._hosts.items())[:HOSTS_ASKED]:
            self._ask(address, mac)

    def _ask(self, address: Address, to: Mac | None) -> None:
        frame = question(address, self._link, to)
        if frame is not None:
            self.counts["questions_sent"] += self._sockets.send(frame)
