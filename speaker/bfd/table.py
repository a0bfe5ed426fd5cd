"""All BFD sessions of the node: which packet is for which session, and what the brain is told.

A session exists because a `BfdIntent` wants it; nothing that arrives can make one, so hostile
packets cost a counter. The driver owns the sockets: it says where a datagram came from (`Arrival`),
and sends each `Datagram` from the session's own source port.

What a reader of `BfdReport` may conclude: state DOWN or INIT *with* a diagnostic is a session that
was Up and failed; without one it never was Up, or the neighbour left it on purpose, which says
nothing about the path. ADMIN_DOWN is one side's own wish (the diagnostic says whose), and RFC 5882
3.2 forbids to take that for a failure.

RFC 5880 6.8.6 (selection), RFC 5881 (single hop: port 3784, TTL 255), RFC 5883 (multihop: 4784).
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from speaker.bfd.packet import (
    ControlPacket,
    Diagnostic,
    DropReason,
    State,
    encode_packet,
    parse_packet,
)
from speaker.bfd.session import Session, SessionConfig
from speaker.seam.messages import Address, BfdIntent, BfdReport, BfdState

SINGLE_HOP_PORT = 3784
MULTIHOP_PORT = 4784
SOURCE_PORTS = range(49152, 65536)
"RFC 5881 4: a session sends from one port of these, its own."

SENT_TTL = 255
SINGLE_HOP_MINIMUM_TTL = 255
"RFC 5881 5: what was forwarded can't be from the neighbour."

MAX_SESSIONS = 128
"Ours: a node has a handful of peers; FRR's scripts break at a few hundred."

_MAX_DISCRIMINATOR_TRIES = 64

REPORTED: dict[State, BfdState] = {
    State.ADMIN_DOWN: BfdState.ADMIN_DOWN,
    State.DOWN: BfdState.DOWN,
    State.INIT: BfdState.INIT,
    State.UP: BfdState.UP,
}


class IntentFault(Enum):
    """Why a session can't be had."""

    TOO_MANY = "too-many-bfd-sessions"
    FAMILIES_DIFFER = "local-address-of-another-family"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a datagram came from. `ttl` is its TTL or hop limit as received."""

    source: Address
    ttl: int
    multihop: bool = False
    "It came in on port 4784."


@dataclass(frozen=True, slots=True)
class Datagram:
    """A payload for the peer's BFD port (4784 if `multihop`), with TTL 255."""

    peer: Address
    local: Address | None
    multihop: bool
    payload: bytes


@dataclass(slots=True)
class _Entry:
    intent: BfdIntent
    session: Session
    reported: BfdReport | None = None
    leaves_at: float | None = None


class SessionTable:
    """The sessions by peer. `jitter` gives 0 to 1; `random_32` any 32-bit number, at each call."""

    def __init__(self, *, jitter: Callable[[], float], random_32: Callable[[], int]) -> None:
        self._jitter = jitter
        self._random_32 = random_32
        self._entries: dict[Address, _Entry] = {}
        self._by_discriminator: dict[int, Address] = {}
        self._events: deque[BfdReport] = deque()
        self._drops: Counter[DropReason] = Counter()

    @property
    def drops(self) -> Mapping[DropReason, int]:
        """How many packets were discarded, by reason."""
        return self._drops

    @property
    def intents(self) -> Mapping[Address, BfdIntent]:
        """What is wanted now, by peer; the driver holds its sockets against it."""
        return {p: e.intent for p, e in self._entries.items() if e.leaves_at is None}

    def session(self, peer: Address) -> Session | None:
        """Return the session with the peer, for status pages and tests."""
        entry = self._entries.get(peer)
        return None if entry is None else entry.session

    # -- what the brain wants

    def want(self, intent: BfdIntent, now: float) -> IntentFault | None:
        """Begin the session, or change its values; return why that can't be."""
        if intent.local is not None and intent.local.version != intent.peer.version:
            return IntentFault.FAMILIES_DIFFER
        entry = self._entries.get(intent.peer)
        if entry is not None and _same_path(entry.intent, intent):
            entry.intent, entry.leaves_at = intent, None
            entry.session.enable(now)
            entry.session.configure(_config(intent), now)
        elif entry is None and len(self._entries) >= MAX_SESSIONS:
            return IntentFault.TOO_MANY
        else:
            self._drop_entry(intent.peer)
            self._begin(intent, now)
        self._report(intent.peer)
        return None

    def unwant(self, peer: Address, now: float) -> None:
        """End the session: AdminDown is sent for one detection time, then it is forgotten."""
        entry = self._entries.get(peer)
        if entry is None or entry.leaves_at is not None:
            return
        interval_s = entry.session.transmit_interval_us * 1e-6
        entry.session.disable(now)
        self._report(peer)
        entry.leaves_at = now + entry.intent.multiplier * interval_s  # RFC 5880 6.8.16

    def disable_all(self, now: float) -> None:
        """Enter AdminDown with every peer, since this node leaves."""
        for peer, entry in self._entries.items():
            entry.session.disable(now)
            self._report(peer)

    # -- the verbs

    def receive_datagram(self, payload: bytes, arrival: Arrival, now: float) -> DropReason | None:
        """Give the payload to its session; return why it was discarded, if it was."""
        dropped = self._receive(payload, arrival, now)
        if dropped is not None:
            self._drops[dropped] += 1
        return dropped

    def datagrams_to_send(self, now: float) -> list[Datagram]:
        """Return what is due, each once."""
        return [
            Datagram(peer, entry.intent.local, entry.intent.multihop, encode_packet(packet))
            for peer, entry in self._entries.items()
            for packet in entry.session.packets_to_send(now)
        ]

    def next_deadline(self) -> float | None:
        """Return when `handle_deadline` wants to be called; None: never."""
        deadlines = [e.session.next_deadline() for e in self._entries.values()]
        deadlines += [e.leaves_at for e in self._entries.values()]
        return min((at for at in deadlines if at is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Declare silent neighbours down, packets due, and forget sessions that have ended."""
        for peer, entry in list(self._entries.items()):
            if entry.leaves_at is not None and now >= entry.leaves_at:
                self._drop_entry(peer)
                continue
            entry.session.handle_deadline(now)
            self._report(peer)

    def next_event(self) -> BfdReport | None:
        """Return the next change of a session; None: no more."""
        return self._events.popleft() if self._events else None

    # -- inside

    def _receive(self, payload: bytes, arrival: Arrival, now: float) -> DropReason | None:
        packet = parse_packet(payload)
        if isinstance(packet, DropReason):
            return packet
        entry = self._select(packet, arrival)
        if isinstance(entry, DropReason):
            return entry
        if arrival.multihop != entry.intent.multihop:
            return DropReason.WRONG_PEER
        # RFC 5881 5, RFC 5883 5
        least = entry.intent.minimum_ttl if arrival.multihop else SINGLE_HOP_MINIMUM_TTL
        if arrival.ttl < least:
            return DropReason.LOW_TTL
        dropped = entry.session.receive(packet, now)
        self._report(entry.intent.peer)
        return dropped

    def _select(self, packet: ControlPacket, arrival: Arrival) -> _Entry | DropReason:
        # RFC 5880 6.8.6: by Your Discriminator, else by the source address
        if packet.your_discriminator:
            peer = self._by_discriminator.get(packet.your_discriminator)
            if peer is None:
                return DropReason.UNKNOWN_DISCRIMINATOR
            # ours: a guessed discriminator must not be enough
            return self._entries[peer] if peer == arrival.source else DropReason.WRONG_PEER
        if packet.state not in (State.DOWN, State.ADMIN_DOWN):
            return DropReason.NO_DISCRIMINATOR_IN_STATE
        return self._entries.get(arrival.source, DropReason.UNKNOWN_PEER)

    def _begin(self, intent: BfdIntent, now: float) -> None:
        discriminator = self._new_discriminator()
        session = Session(
            discriminator=discriminator, config=_config(intent), jitter=self._jitter, now=now
        )
        self._entries[intent.peer] = _Entry(intent, session)
        self._by_discriminator[discriminator] = intent.peer

    def _new_discriminator(self) -> int:
        for _ in range(_MAX_DISCRIMINATOR_TRIES):
            number = self._random_32() & 0xFFFFFFFF
            if number and number not in self._by_discriminator:
                return number
        raise AssertionError("random_32 keeps giving the same numbers")

    def _drop_entry(self, peer: Address) -> None:
        entry = self._entries.pop(peer, None)
        if entry is not None:
            del self._by_discriminator[entry.session.local_discriminator]

    def _report(self, peer: Address) -> None:
        entry = self._entries[peer]
        if entry.leaves_at is not None:
            return
        report = _report_of(peer, entry.session)
        if report != entry.reported:
            entry.reported = report
            self._events.append(report)


def _same_path(old: BfdIntent, new: BfdIntent) -> bool:
    return (old.local, old.multihop) == (new.local, new.multihop)


def _config(intent: BfdIntent) -> SessionConfig:
    return SessionConfig(
        desired_min_tx_us=intent.transmit_ms * 1000,
        required_min_rx_us=intent.receive_ms * 1000,
        detect_multiplier=intent.multiplier,
        passive=intent.passive,
    )


def _report_of(peer: Address, session: Session) -> BfdReport:
    if session.state is State.DOWN and session.remote_state is State.ADMIN_DOWN:
        text = Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN.text
        return BfdReport(peer, BfdState.ADMIN_DOWN, text)
    if session.state is State.ADMIN_DOWN:
        return BfdReport(peer, BfdState.ADMIN_DOWN, session.diagnostic.text)
    return BfdReport(peer, REPORTED[session.state], session.failure.text)
