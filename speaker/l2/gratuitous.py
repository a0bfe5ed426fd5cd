"""When a new owner tells the segment, and in which frames.

On taking an address each gateway is told first and by unicast, then everybody: one frame for each
address before the second frame of any, repeats after 100 and 300 ms, three more 1.1 s apart
(Linux ignores what comes within its locktime of 1 s). IPv4 goes out in request form and in reply
form, since stacks differ in which they heed (RFC 5227 3); IPv6 as at most three unsolicited
advertisements (RFC 4861 7.2.6). A token bucket bounds the frames of a NIC. A refresh is one frame
an address, spread evenly, and yields to everything else.

Whether an address may be announced at all is the ownership's to say.
"""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from itertools import islice

from speaker.l2.arp import Operation, arp_announcement
from speaker.l2.ethernet import BROADCAST, Mac
from speaker.l2.ndp import ALL_NODES, advertisement, multicast_mac

Address = IPv4Address | IPv6Address

ROUNDS_S = (0.0, 0.1, 0.3, 1.4, 2.5, 3.6)
MAX_NEIGHBOR_ADVERTISEMENT = 3
"""RFC 4861 10."""
RATE_PER_S = 1000.0
BURST = 64.0
"""Frames that may go out back to back: less than any NIC's queue."""
BATCH = 10
"""Frames the bucket gathers before the next go out: a hundred wake-ups a second, not a thousand."""
REFRESH_S = 60.0
GATEWAYS_LIMIT = 8
"""Stations told by unicast; well below the burst, which one address's must fit."""

_TO_GATEWAYS, _REQUEST_FORM, _REPLY_FORM = 0, 1, 2
_REFRESH_ROUND = len(ROUNDS_S)


@dataclass(frozen=True, slots=True, order=True)
class _Step:
    """One group of frames to send. The order of fields is the order of urgency."""

    round: int
    form: int
    number: int
    address: Address = field(compare=False)
    run: int = field(compare=False)
    "Which announcement of the address it belongs to; a later one makes it void."


@dataclass(slots=True)
class TokenBucket:
    """Bounds a rate. Starts full."""

    rate_per_s: float
    burst: float
    tokens: float
    filled: float = 0.0

    def fill(self, now: float) -> None:
        """Add what time has brought since the last call."""
        gained = max(now - self.filled, 0.0) * self.rate_per_s
        self.tokens = min(self.burst, self.tokens + gained)
        self.filled = now

    def wait_s(self, tokens: float) -> float:
        """Return how long after the last `fill` there will be that many."""
        return max(tokens - self.tokens, 0.0) / self.rate_per_s


class Gratuitous:
    """The announcements of one NIC."""

    def __init__(self, mac: Mac, now: float, *, rate_per_s: float = RATE_PER_S) -> None:
        self._mac = mac
        self._bucket = TokenBucket(rate_per_s, BURST, BURST, now)
        self._gateways: Mapping[Address, Mac] = {}
        self._runs: dict[Address, int] = {}
        self._later: list[tuple[float, _Step]] = []
        self._due: list[_Step] = []
        self._count = 0

    def set_gateways(self, gateways: Mapping[Address, Mac]) -> None:
        """Tell these stations first; they carry the traffic of everybody behind them."""
        self._gateways = dict(islice(gateways.items(), GATEWAYS_LIMIT))

    def announce(self, address: Address, now: float) -> None:
        """Start the whole schedule for an address, anew if it runs already."""
        run = self._begin(address)
        rounds = ROUNDS_S if address.version == 4 else ROUNDS_S[:MAX_NEIGHBOR_ADVERTISEMENT]
        forms = (_TO_GATEWAYS, _REQUEST_FORM, _REPLY_FORM)
        for number, after_s in enumerate(rounds):
            for form in forms if address.version == 4 else forms[:2]:
                self._add(now + after_s, number, form, address, run)

    def refresh(self, address: Address, at: float) -> None:
        """Send one frame for an address at a time of the caller's choice."""
        run = self._runs.get(address)
        self._add(at, _REFRESH_ROUND, _REQUEST_FORM, address, run or self._begin(address))

    def silence(self, address: Address) -> None:
        """Send nothing more for an address."""
        self._runs.pop(address, None)

    def clear(self) -> None:
        """Send nothing more at all."""
        self._runs.clear()
        self._later.clear()
        self._due.clear()

    def next_deadline(self) -> float | None:
        """Return when the next frame may go out; None when there is none."""
        self._drop_void()
        if self._due:
            wanted = max(self._cost(self._due[0]), min(len(self._due), BATCH))
            return self._bucket.filled + self._bucket.wait_s(wanted)
        return self._later[0][0] if self._later else None

    def frames_to_send(self, now: float) -> list[bytes]:
        """Return the frames due by `now` that the rate allows, each once, most urgent first."""
        self._bucket.fill(now)
        while self._later and self._later[0][0] <= now:
            heapq.heappush(self._due, heapq.heappop(self._later)[1])
        frames: list[bytes] = []
        self._drop_void()
        while self._due and self._bucket.wait_s(self._cost(self._due[0])) < 1e-9:
            step = heapq.heappop(self._due)
            self._bucket.tokens -= self._cost(step)
            frames += self._frames(step)
            self._drop_void()
        return frames

    def _begin(self, address: Address) -> int:
        self._count += 1
        self._runs[address] = self._count
        return self._count

    def _add(self, at: float, number: int, form: int, address: Address, run: int) -> None:
        self._count += 1
        heapq.heappush(self._later, (at, _Step(number, form, self._count, address, run)))

    def _drop_void(self) -> None:
        while self._due and self._runs.get(self._due[0].address) != self._due[0].run:
            heapq.heappop(self._due)
        while self._later and self._runs.get(self._later[0][1].address) != self._later[0][1].run:
            heapq.heappop(self._later)

    def _cost(self, step: _Step) -> int:
        return sum(1 for _ in self._gateways_of(step.address)) if step.form == _TO_GATEWAYS else 1

    def _gateways_of(self, address: Address) -> Iterator[Mac]:
        return (
            mac for gateway, mac in self._gateways.items() if gateway.version == address.version
        )

    def _frames(self, step: _Step) -> list[bytes]:
        if step.form == _TO_GATEWAYS:
            return [self._to_gateway(step.address, mac) for mac in self._gateways_of(step.address)]
        if isinstance(step.address, IPv6Address):
            return [advertisement(step.address, self._mac, to=multicast_mac(ALL_NODES))]
        form = Operation.REQUEST if step.form == _REQUEST_FORM else Operation.REPLY
        return [arp_announcement(step.address, self._mac, form, BROADCAST)]

    def _to_gateway(self, address: Address, mac: Mac) -> bytes:
        if isinstance(address, IPv6Address):  # to the group's address, but to one station's MAC
            return advertisement(address, self._mac, to=mac)
        return arp_announcement(address, self._mac, Operation.REPLY, mac)
