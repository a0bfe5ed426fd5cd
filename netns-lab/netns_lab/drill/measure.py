"""From what the probes saw to the figures of a run. Pure.

An outage of a flow is the time from the last echo before a loss to the first echo after it. Times
are seconds on CLOCK_MONOTONIC, results milliseconds; None where a figure does not apply.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import MappingProxyType

from netns_lab.drill.lateness import lateness
from netns_lab.drill.series import (
    ArpSeries,
    ClientSeries,
    ExpectedChange,
    Flow,
    KnownCut,
    RouteChange,
)


@dataclass(frozen=True, slots=True)
class ClientFigures:
    """What one client suffered: the worst over its flows where it is not a sum."""

    sent: int
    lost: int
    longest_gap_ms: float
    flows_hit: int
    tcp_broken: int


@dataclass(frozen=True, slots=True)
class RunFigures:
    """One run of a drill."""

    sent: int
    lost: int
    longest_gap_ms: float
    flows_hit: int
    tcp_broken: int | None
    arp_silence_ms: float | None
    dual_answer_ms: float | None
    route_change_ms: float | None
    clients: Mapping[str, ClientFigures]
    moves: int | None = None
    "How often the address changed its owner on the LAN."
    marks: Mapping[str, float] = field(default_factory=dict)
    "Milliseconds after the fault."
    late_ms: float = 0.0
    "The longest that a probe, or a process of the lab, waited: what the machine itself cost."
    late_who: str = ""
    "Who that was."
    off_ms: float | None = None
    "How far the longest gap is from what a cut of known length must have cost."


def measure_client(series: ClientSeries) -> ClientFigures:
    """Return the figures of one client."""
    return ClientFigures(
        sent=sum(len(flow.sent_s) for flow in series.flows),
        lost=sum(_lost(flow) for flow in series.flows),
        longest_gap_ms=max((longest_gap_ms(flow) for flow in series.flows), default=0.0),
        flows_hit=sum(1 for flow in series.flows if _lost(flow)),
        tcp_broken=sum(1 for each in series.connections if each.broken_s is not None),
    )


def measure_run(
    clients: Mapping[str, ClientSeries],
    arp: ArpSeries | None,
    route: Iterable[RouteChange] | None,
    fault_s: float,
    path: ExpectedChange | None = None,
    known_s: Mapping[str, float] = MappingProxyType({}),
) -> RunFigures:
    """Return the figures of a run; `path` is what the fault does to the router's route.

    `known_s` are the marks that the probes cannot see: when the fault was detected, and acted upon.
    """
    by_client = {name: measure_client(series) for name, series in clients.items()}
    of_clients = by_client.values()
    has_tcp = any(series.connections for series in clients.values())
    changed = None if route is None else route_change_s(route, fault_s, path)
    marks = {name: _ms(at - fault_s) for name, at in known_s.items()}
    marks |= {} if arp is None else arp_marks_ms(arp, fault_s)
    late_who, late_ms = lateness(clients, arp)
    if changed is not None:
        marks["route_changed"] = _ms(changed - fault_s)
    return RunFigures(
        sent=sum(each.sent for each in of_clients),
        lost=sum(each.lost for each in of_clients),
        longest_gap_ms=max((each.longest_gap_ms for each in of_clients), default=0.0),
        flows_hit=max((each.flows_hit for each in of_clients), default=0),
        tcp_broken=max(each.tcp_broken for each in of_clients) if has_tcp else None,
        arp_silence_ms=None if arp is None else arp_silence_ms(arp),
        dual_answer_ms=None if arp is None else dual_answer_ms(arp),
        route_change_ms=None if changed is None else _ms(changed - fault_s),
        clients=by_client,
        moves=None if arp is None else moves(arp),
        marks=marks,
        late_ms=late_ms,
        late_who=late_who,
    )


def with_machine(
    figures: RunFigures, waits_s: Mapping[str, float], cut: KnownCut | None
) -> RunFigures:
    """Return the figures with what the lab's processes waited for a processor, and what follows."""
    who = max(waits_s, key=waits_s.__getitem__, default="")
    if _ms(waits_s.get(who, 0.0)) > figures.late_ms:
        figures = replace(figures, late_who=who, late_ms=_ms(waits_s[who]))
    if cut is None:
        return figures
    return replace(figures, off_ms=off_ms(figures.longest_gap_ms, cut, figures.late_ms))


def longest_gap_ms(flow: Flow) -> float:
    """Return the longest time between two echoes in which a datagram was lost; 0 without loss.

    Counted by when echoes arrive: one datagram that waited in a queue for the whole outage must
    not hide it. A loss at either end of the flow counts from its first datagram, or to its last.
    """
    if not flow.sent_s:
        return 0.0
    arrivals = sorted(echoed for echoed in flow.echoed_s if echoed)
    bounds = [flow.sent_s[0], *arrivals, max(flow.sent_s[-1], arrivals[-1] if arrivals else 0.0)]
    longest = 0.0
    for sent, echoed in zip(flow.sent_s, flow.echoed_s, strict=True):
        if not echoed:
            after = min(bisect_right(bounds, sent), len(bounds) - 1)
            longest = max(longest, bounds[after] - bounds[after - 1])
    return _ms(longest)


def off_ms(gap_ms: float, cut: KnownCut, late_ms: float) -> float:
    """Return how far a gap is from the cut that made it.

    Its ends are echoes, and either may have been as late as anything was in that run.
    """
    return round(max(_ms(cut.least_s) - gap_ms, gap_ms - _ms(cut.most_s) - 2 * late_ms, 0.0), 2)


def arp_silence_ms(arp: ArpSeries) -> float:
    """Return the longest time in which no request was answered: from one answer to the next."""
    times = sorted(answer.answered_s for answer in arp.answers)
    if not arp.asked_s:
        return 0.0
    bounds = [arp.asked_s[0], *times, arp.asked_s[-1]]
    return _ms(max(later - earlier for earlier, later in pairwise(bounds)))


def dual_answer_ms(arp: ArpSeries) -> float:
    """Return how long two nodes answered: requests that both answered, times the step."""
    return _ms(len(_requests_with_two_owners(arp)) * _median_step_s(arp.asked_s))


def owner_at(arp: ArpSeries, at_s: float) -> str | None:
    """Return the MAC that answered last before a moment, None when none did."""
    before = [answer for answer in arp.answers if answer.answered_s < at_s]
    return max(before, key=lambda answer: answer.answered_s).mac if before else None


def moves(arp: ArpSeries) -> int:
    """Return how often the answers changed from one node to another."""
    macs = [answer.mac for answer in sorted(arp.answers, key=lambda a: a.answered_s)]
    return sum(1 for earlier, later in pairwise(macs) if earlier != later)


def route_change_s(
    changes: Iterable[RouteChange], fault_s: float, expected: ExpectedChange | None
) -> float | None:
    """Return when the router's route first was as expected, or None; any change counts if None."""
    for change in changes:
        if change.at_s < fault_s:
            continue
        if expected is None or (expected.next_hop in change.next_hops) is expected.arrives:
            return change.at_s
    return None


def arp_marks_ms(arp: ArpSeries, fault_s: float) -> dict[str, float]:
    """Return when, after the fault, another node first announced the address and answered."""
    old = owner_at(arp, fault_s)
    marks = {}
    for frame in arp.gratuitous:
        if frame.at_s >= fault_s and frame.mac != old:
            marks["announced"] = _ms(frame.at_s - fault_s)
            break
    for answer in arp.answers:
        if answer.answered_s >= fault_s and answer.mac != old:
            marks["first_reply"] = _ms(answer.answered_s - fault_s)
            break
    return marks


def _requests_with_two_owners(arp: ArpSeries) -> list[float]:
    macs: dict[float, set[str]] = {}
    for answer in arp.answers:
        macs.setdefault(answer.asked_s, set()).add(answer.mac)
    return sorted(asked for asked, owners in macs.items() if len(owners) > 1)


def _median_step_s(times: tuple[float, ...]) -> float:
    steps = sorted(later - earlier for earlier, later in pairwise(times))
    return steps[len(steps) // 2] if steps else 0.0


def _lost(flow: Flow) -> int:
    return sum(1 for echoed in flow.echoed_s if not echoed)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
