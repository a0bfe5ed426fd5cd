"""What to draw of a run: who answered when, what was lost when, and the marks. Pure.

Times are milliseconds relative to the fault.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from netns_lab.drill.series import ArpSeries, ClientSeries, RouteChange

JOIN_S = 0.05
"Losses closer than this are drawn as one."


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted."""

    start_ms: float
    end_ms: float
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows of spans by name, in order, and marks by name."""

    rows: tuple[tuple[str, tuple[Span, ...]], ...] = ()
    marks: tuple[tuple[str, float], ...] = ()


def draw(
    clients: Mapping[str, ClientSeries],
    arp: ArpSeries | None,
    route: Iterable[RouteChange],
    fault_s: float,
    marks: Mapping[str, float],
    names: Mapping[str, str],
) -> Timeline:
    """Return the timeline; `names` says which node a MAC or a next hop belongs to."""
    rows = [
        (f"lost by {name}", _losses(series, fault_s)) for name, series in sorted(clients.items())
    ]
    if arp is not None:
        rows.append(("answers for it", _owners(arp, fault_s, names)))
    spans = _routes(tuple(route), fault_s, names)
    if spans:
        rows.append(("router's next hops", spans))
    return Timeline(tuple(rows), (("fault", 0.0), *sorted(marks.items(), key=lambda m: m[1])))


def _losses(series: ClientSeries, fault_s: float) -> tuple[Span, ...]:
    times = sorted(
        sent
        for flow in series.flows
        for sent, echoed in zip(flow.sent_s, flow.echoed_s, strict=True)
        if not echoed
    )
    spans: list[list[float]] = []
    for at in times:
        if spans and at - spans[-1][1] <= JOIN_S:
            spans[-1][1] = at
            spans[-1][2] += 1
        else:
            spans.append([at, at, 1])
    return tuple(
        Span(_ms(first - fault_s), _ms(last - fault_s), f"{count:g} datagrams")
        for first, last, count in spans
    )


def _owners(arp: ArpSeries, fault_s: float, names: Mapping[str, str]) -> tuple[Span, ...]:
    spans: list[Span] = []
    latest: dict[str, int] = {}
    for answer in arp.answers:
        at = _ms(answer.answered_s - fault_s)
        owner = names.get(answer.mac, answer.mac)
        position = latest.get(owner)
        if position is not None and at - spans[position].end_ms <= JOIN_S * 1000:
            spans[position] = Span(spans[position].start_ms, at, owner)
        else:
            latest[owner] = len(spans)
            spans.append(Span(at, at, owner))
    return tuple(spans)


def _routes(
    changes: tuple[RouteChange, ...], fault_s: float, names: Mapping[str, str]
) -> tuple[Span, ...]:
    spans = []
    for index, change in enumerate(changes):
        later = changes[index + 1].at_s if index + 1 < len(changes) else change.at_s + 0.5
        hops = ", ".join(names.get(hop, hop) for hop in change.next_hops) or "none"
        spans.append(Span(_ms(change.at_s - fault_s), _ms(later - fault_s), hops))
    return tuple(spans)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
