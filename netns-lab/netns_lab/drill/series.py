"""What the probes of a drill saw, as values: shapes shared by the probes and the measuring.

All times are seconds on CLOCK_MONOTONIC, the one clock that every process of a machine shares.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flow:
    """One UDP flow of numbered datagrams."""

    sent_s: tuple[float, ...]
    "When datagram number i was sent."
    echoed_s: tuple[float, ...]
    "When its echo came; 0 when it never did."


@dataclass(frozen=True, slots=True)
class Connection:
    """One TCP connection that was open when the drill began."""

    broken_s: float | None
    "When it was reset, closed or found silent; None while it lives."
    why: str = ""


@dataclass(frozen=True, slots=True)
class ClientSeries:
    """What one client saw."""

    flows: tuple[Flow, ...]
    connections: tuple[Connection, ...] = ()


@dataclass(frozen=True, slots=True)
class ArpAnswer:
    """An ARP answer to the watcher: `asked_s` is when its request was sent."""

    asked_s: float
    answered_s: float
    mac: str


@dataclass(frozen=True, slots=True)
class Gratuitous:
    """A frame that tells the segment who has the address, without having been asked."""

    at_s: float
    mac: str


@dataclass(frozen=True, slots=True)
class ArpSeries:
    """What the watcher on the LAN saw of one address."""

    asked_s: tuple[float, ...]
    answers: tuple[ArpAnswer, ...]
    gratuitous: tuple[Gratuitous, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteChange:
    """The router's kernel route for the address as it became; no next hops: it is gone."""

    at_s: float
    next_hops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpectedChange:
    """What a fault does to the router's route: it takes a next hop away, or brings it."""

    next_hop: str
    arrives: bool = False


@dataclass(frozen=True, slots=True)
class KnownCut:
    """How long a calibration's cut lasted, by the stamps around its two ends."""

    least_s: float
    most_s: float
