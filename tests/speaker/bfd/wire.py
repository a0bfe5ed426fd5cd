"""Two BFD tables on a virtual wire: time jumps from deadline to deadline, nothing sleeps."""

from collections.abc import Callable
from ipaddress import ip_address
from itertools import count

from speaker.bfd.packet import ControlPacket, parse_packet
from speaker.bfd.session import Session
from speaker.bfd.table import Arrival, SessionTable
from speaker.seam.messages import Address, BfdIntent, BfdReport, BfdState

LEFT: Address = ip_address("192.0.2.1")
RIGHT: Address = ip_address("192.0.2.2")


def intent(peer: Address, **changes: object) -> BfdIntent:
    """A session at 100 ms × 3 with `peer`; only what the test says differs."""
    values: dict[str, object] = {"transmit_ms": 100, "receive_ms": 100, **changes}
    return BfdIntent(peer, **values)  # type: ignore[arg-type]  # the test gives the right types


class End:
    """One node on the wire: its table, and what its brain was told."""

    def __init__(self, address: Address, peer: Address, jitter: Callable[[], float]) -> None:
        numbers = count(1)
        self.address = address
        self.peer = peer
        self.table = SessionTable(jitter=jitter, random_32=lambda: next(numbers))
        self.reports: list[tuple[float, BfdReport]] = []
        self.sent: list[tuple[float, ControlPacket]] = []

    @property
    def session(self) -> Session:
        """The session with the other end."""
        session = self.table.session(self.peer)
        assert session is not None
        return session

    @property
    def states(self) -> list[BfdState]:
        """What was reported, in order."""
        return [report.state for _, report in self.reports]

    def drain_events(self, now: float) -> None:
        """Keep what the table says."""
        while (report := self.table.next_event()) is not None:
            self.reports.append((now, report))


class Wire:
    """Joins two ends without delay; `cut` loses what either sends."""

    def __init__(self, jitter: Callable[[], float] = lambda: 0.0) -> None:
        self.now = 1000.0
        self.left = End(LEFT, RIGHT, jitter)
        self.right = End(RIGHT, LEFT, jitter)
        self.cut = False
        self.deaf: set[Address] = set()

    def want(self, left: BfdIntent | None = None, right: BfdIntent | None = None) -> None:
        """Both ends want a session."""
        assert self.left.table.want(left or intent(RIGHT), self.now) is None
        assert self.right.table.want(right or intent(LEFT), self.now) is None

    def flush(self) -> None:
        """Deliver until nobody has anything to say at this time."""
        busy = True
        while busy:
            busy = self._carry(self.left, self.right) or self._carry(self.right, self.left)

    def _carry(self, sender: End, receiver: End) -> bool:
        datagrams = sender.table.datagrams_to_send(self.now)
        for datagram in datagrams:
            packet = parse_packet(datagram.payload)
            assert isinstance(packet, ControlPacket)
            sender.sent.append((self.now, packet))
            if not self.cut and receiver.address not in self.deaf:
                arrival = Arrival(sender.address, 255, datagram.multihop)
                receiver.table.receive_datagram(datagram.payload, arrival, self.now)
        sender.drain_events(self.now)
        receiver.drain_events(self.now)
        return bool(datagrams)

    def step(self, until: float) -> bool:
        """Go to the next deadline, if it is before `until`."""
        deadlines = [end.table.next_deadline() for end in (self.left, self.right)]
        nearest = min((at for at in deadlines if at is not None), default=None)
        if nearest is None or nearest > until:
            self.now = until
            return False
        self.now = max(self.now, nearest)
        for end in (self.left, self.right):
            end.table.handle_deadline(self.now)
            end.drain_events(self.now)
        self.flush()
        return True

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        self.flush()
        while self.step(until):
            pass

    def run_until(self, condition: Callable[[], bool], limit_s: float = 30.0) -> float:
        """Let time pass until the condition holds; return how long that took."""
        began, until = self.now, self.now + limit_s
        self.flush()
        while not condition():
            assert self.step(until), f"not within {limit_s} s"
        return self.now - began

    def both_up(self) -> bool:
        """Both ends report Up."""
        return all(e.states[-1:] == [BfdState.UP] for e in (self.left, self.right))
