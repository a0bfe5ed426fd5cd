"""The L2 core of one NIC: the façade its driver talks to. It knows no socket and no clock.

The driver's loop, after *every* call of a method that takes `now`:

    while (action := segment.next_action()) is not None: perform(action)
    re-arm one timer for segment.next_deadline(), and call handle_deadline(now) when it is due

- All times are loop seconds. A deadline in the past means: as soon as the loop has read what lies
  in the sockets (the core slices long work, and unread hellos are evidence that must count first).
- `boot_id` is random, 64 bits, one for each start of the wire process, the same for all its NICs;
  `opening` counts how often the process has made a core for this NIC before.
- Nothing is sent before `set_identity` and a `set_link` with `up`. Intents may come at any time;
  a wire that (re)starts passes them on at the seam's `End`, when they are in force, and calls
  `set_expected` before them.
- `receive_hello` gets the UDP payload; IP and UDP headers, TTL 255 and the source MAC are the
  driver's. Frames that the NIC itself sent must not be given back. It returns the reason when the
  datagram was not used, for the driver's counters.
- `receive_sighting` is for every ARP sender address / NA target that is in `watched_addresses` (or
  was asked for by `ProbeStranger` within the last second), with the MAC it came from, own excepted.
- `receive_life` is for any frame from another host: at once for an answer to `SeekLife`, otherwise
  every 100 ms is enough.
- `set_freshness` once a second; no call lets the age grow by itself.
- `drain(until)` starts the hand-over of everything; at `until` (grace period's last second; inf
  for a drain without an end) what found no successor is given up. `drain(None)` takes part again.
  `drained` says when nothing is answered for any more.
- `stalled` when the process stood still longer than `detection_s`: drop what the sockets have
  queued, then call it; the core falls silent and starts anew.
- `refresh_allowed`: whether the minutely refresh of gratuitous frames may go out at all.
- `resumable_claims` are to be stored by the driver (a file that does not outlive the kernel boot)
  and given as `claims` to the next process on the same kernel boot.
"""

from collections import deque
from collections.abc import Callable, Iterable

from speaker.hello.neighbours import Neighbours
from speaker.hello.packet import DropReason, parse_hello
from speaker.hello.sender import Sender
from speaker.l2.actions import (
    Action,
    Announce,
    Answer,
    Link,
    Mac,
    ProbeStranger,
    Report,
    SeekLife,
    SendHello,
    Silence,
    Witness,
)
from speaker.l2.cause import Cause
from speaker.l2.electorate import Electorate
from speaker.l2.ground import AlonePolicy, Ground
from speaker.l2.identity import Identities, incarnation_of
from speaker.l2.ownership import Ownership
from speaker.l2.timing import FAST, STANDARD, Timing
from speaker.seam.messages import Address, AddressIntent, ExpectedNode, Identity

__all__ = [
    "FAST",
    "STANDARD",
    "Action",
    "AlonePolicy",
    "Announce",
    "Answer",
    "Link",
    "Mac",
    "ProbeStranger",
    "Report",
    "SeekLife",
    "Segment",
    "SendHello",
    "Silence",
    "Timing",
    "Witness",
]


LATE_S = 0.01
"""A deadline handled so much later means that hellos may lie unread."""
AT_ONCE = 8
"""Marked records judged with the input that marked them. More wait for `handle_deadline`, since a
driver reads a batch of hellos in a row and each could bring dozens."""
RESUME_S = 10.0
"""How long after its start a wire may resume claims of the process before it."""


class Segment:
    """Ownership of addresses on one NIC."""

    def __init__(  # noqa: PLR0913 - all keyword-only, each a fact of its own
        self,
        *,
        interface: str,
        node: str,
        boot_id: int,
        opening: int = 0,
        timing: Timing,
        epoch_ms: int,
        jitter: Callable[[], float],
        now: float,
        claims: Iterable[Address] = (),
        alone: AlonePolicy = AlonePolicy.KEEP,
    ) -> None:
        """`epoch_ms` is unix time in ms at now = 0; `jitter` gives a float in [0, 1)."""
        incarnation = incarnation_of(boot_id, interface, opening)
        self._actions: deque[Action] = deque()
        self._ground = Ground(
            interface=interface,
            node=node,
            boot_id=incarnation,
            timing=timing,
            epoch_ms=epoch_ms,
            neighbours=Neighbours(boot_id=incarnation, multiplier=timing.multiplier),
            alone_policy=alone,
        )
        self._sender = Sender(
            node=node,
            boot_id=incarnation,
            owner_interval_s=timing.owner_interval_s,
            idle_interval_s=timing.idle_interval_s,
            jitter=jitter,
            now=now,
        )
        self._ownership = Ownership(
            ground=self._ground, table=self._sender.table, act=self._actions.append
        )
        self._electorate = Electorate(
            ground=self._ground,
            ownership=self._ownership,
            sender=self._sender,
            act=self._actions.append,
        )
        self._identities = Identities(self._ground)
        self._resumable = set(claims)
        self._was_stalled = False
        self._told = (0, 0)

    # What the driver tells

    def set_identity(self, identity: Identity, now: float) -> None:
        """Take the cluster's id and keys; the key with the highest id signs, all are accepted."""
        begin = self._identities.ring is None
        self._identities.take(identity)
        if begin and self._ground.link.up:
            self._begin(now)
        self._turn(now)

    def set_link(self, link: Link, now: float) -> None:
        """Take the NIC's carrier, MAC and prefixes."""
        before, self._ground.link = self._ground.link, link
        self._electorate.presence.expect(None, link)
        if before.up and not link.up:
            self._ownership.lose_carrier()
            self._ground.carrier_lost_at = now
        elif link.up and not before.up:
            self._carrier_back(now)
        self._ownership.records.mark_all()
        self._turn(now)

    def _carrier_back(self, now: float) -> None:
        timing = self._ground.timing
        if now - self._ground.carrier_lost_at < timing.detection_s - timing.owner_interval_s:
            self._ground.neighbours.forgive(now + timing.detection_s)
            self._ownership.regain_carrier()
            self._sender.nudge(now)
            return
        self._ownership.start_anew(Cause.LINK_DOWN)
        self._begin(now)

    def _begin(self, now: float) -> None:
        """Listen first: rule 8."""
        self._electorate.presence.started_at = self._ground.started_at = now
        self._ground.starting = True
        self._ground.neighbours.forget_liveness()
        self._sender.nudge(now)

    def set_intent(self, intent: AddressIntent, now: float) -> None:
        """Want this address here; replaces the earlier intent for it.

        `intent.interfaces` is the driver's business: it calls this only for a NIC that is meant,
        and `remove_intent` when it no longer is.
        """
        resumable = intent.address in self._resumable
        self._resumable.discard(intent.address)
        if now - self._ground.started_at > RESUME_S:
            resumable = False
        self._ownership.records.want(intent, now, resumable=resumable)
        self._turn(now)

    def remove_intent(self, address: Address, now: float) -> None:
        """Want the address no more: silent at once, no hand-over."""
        self._ownership.unwant(address, now)
        self._turn(now)

    def set_expected(self, nodes: tuple[ExpectedNode, ...], now: float) -> None:
        """Know the other nodes with a speaker; those with an IP in the NIC's prefixes count."""
        self._electorate.presence.expect(nodes, self._ground.link)
        self._turn(now)

    def set_freshness(self, age_s: float, now: float) -> None:
        """Know how old the brain's view of the API is."""
        self._ground.known_at = now - age_s
        self._turn(now)

    def drain(self, until: float | None, now: float) -> None:
        """Hand everything over; see the module's docstring."""
        self._ground.draining_until = until
        self._ownership.records.mark_all()
        self._sender.nudge(now)
        self._turn(now)

    def stalled(self, now: float) -> None:
        """Start anew after the process stood still."""
        self._was_stalled = True
        self._ownership.start_anew(Cause.STALLED)
        if self._ground.link.up:
            self._begin(now)
        self._turn(now)

    # What the driver hears

    def receive_hello(self, payload: bytes, source: Mac, now: float) -> DropReason | None:
        """Take a hello's UDP payload; return why it was dropped, None when it was used."""
        ring = self._identities.ring
        if ring is None:
            return DropReason.NO_IDENTITY
        if not self._ground.link.up:
            return DropReason.LINK_DOWN
        hello = parse_hello(payload, ring)
        if isinstance(hello, DropReason):
            return hello
        fault = self._identities.own(hello, now)
        if fault is None:
            fault = self._electorate.receive(hello, source, now)
        self._turn(now)
        return fault

    def receive_sighting(self, address: Address, mac: Mac, now: float) -> None:
        """Know that `mac` says it has the address."""
        neighbour = self._electorate.neighbour_with(mac)
        self._ground.life_at = now
        if neighbour is not None and self._ownership.expects(neighbour, address):
            return  # its gratuitous frames, by the thousand
        if neighbour is not None:
            self._ownership.neighbour_sighting(neighbour, address, mac, now)
        elif mac != self._ground.link.mac:
            self._ownership.sighting(address, mac, now)
        self._turn(now)

    def receive_life(self, now: float) -> None:
        """Know that another host on the segment sent a frame."""
        self._ground.life_at = now
        if self._ground.alone:
            self._ownership.records.mark_unsettled()
        self._turn(now)

    # What is due

    def handle_deadline(self, now: float) -> None:
        """Do what is due; long work is done in slices of a few ms."""
        late_s = now - self._clocked_deadline()
        if self._speaking and late_s > LATE_S:
            self._ground.neighbours.forgive(now + min(late_s, self._ground.timing.detection_s))
        self._ownership.witnesses.handle_deadline(now)
        self._ownership.settle(now)
        self._turn(now)

    def next_deadline(self) -> float | None:
        """Return when `handle_deadline` wants to be called; None is never."""
        at = self._ownership.records.next_deadline()
        if not self._speaking:
            return at
        due = self._clocked_deadline()
        return due if at is None else min(at, due)

    def _clocked_deadline(self) -> float:
        """Return the next deadline but for the records': theirs is often `at once`."""
        return min(
            self._sender.next_deadline(),
            self._electorate.next_deadline(),
            self._identities.next_deadline(),
            self._ownership.witnesses.next_deadline(),
        )

    def next_action(self) -> Action | None:
        """Return the next thing to do, once; None when there is no more."""
        return self._actions.popleft() if self._actions else None

    @property
    def _speaking(self) -> bool:
        return self._identities.ring is not None and self._ground.link.up

    def _turn(self, now: float) -> None:
        """Bring neighbours, records and hellos up to date, in this order."""
        if self._speaking:
            self._identities.expire(now)
            self._electorate.refresh(now)
            self._was_stalled = self._was_stalled and self._ground.starting
        if self._ownership.records.marked <= AT_ONCE:
            self._ownership.settle(now)
        if not self._speaking:
            return
        self._electorate.pace(now)
        said = (self._sender.table.version, self._ownership.doubles.version)
        if said != self._told:
            self._told = said
            self._sender.nudge(now)
        if self._sender.due(now):
            self._speak(now)

    def _speak(self, now: float) -> None:
        ring = self._identities.ring
        if ring is None:
            return
        said = self._electorate.said(ring, stalled=self._was_stalled, now=now)
        self._actions.extend(SendHello(each) for each in self._sender.datagrams(said, now))

    # What the driver may ask

    @property
    def drained(self) -> bool:
        """Whether it answers for no address and has told so."""
        return not self._sender.table.claims and not self._sender.table.untold

    @property
    def refresh_allowed(self) -> bool:
        """Whether gratuitous refreshes may be sent: with a fresh echo or as sole candidate."""
        return bool(self._ground.two_way) or self._electorate.hears_and_expects_nobody

    @property
    def watched_addresses(self) -> frozenset[Address]:
        """Addresses whose sightings matter."""
        return frozenset(self._ownership.records.by_address)

    @property
    def resumable_claims(self) -> tuple[Address, ...]:
        """Addresses owned, for the next process on the same kernel boot."""
        entries = self._sender.table.entries
        return tuple(each for each, entry in entries.items() if entry.claim is not None)

    @property
    def interval_s(self) -> float:
        """The hello interval in use, after the segment's cap."""
        return self._sender.interval_s
