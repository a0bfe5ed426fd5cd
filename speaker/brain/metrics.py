"""The brain's metrics: MetalLB's names where the meaning is the same, `herald_*` for the rest.

Made on demand from what the brain knows; labels come from closed sets and object names only.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    UntypedMetricFamily,
)

from kube.snapshot import Kind
from speaker.brain.home import Homes
from speaker.brain.state import State
from speaker.brain.status import Reports
from speaker.policy.decide import Decision
from speaker.policy.gates import Protocol
from speaker.seam.messages import (
    Address,
    BfdState,
    ConflictReport,
    InterfaceReport,
    NeighbourReport,
    OwnerReport,
    OwnerState,
    Prefix,
    SessionState,
)

METALLB_L2 = {
    "herald_wire_address_requests": "metallb_layer2_requests_received",
    "herald_wire_address_answers": "metallb_layer2_responses_sent",
    "herald_wire_address_gratuitous": "metallb_layer2_gratuitous_sent",
}
"""Counters of wire, by address, that MetalLB has under another name.

Without a type: behind the name of a counter our library writes `_total`, and theirs have none.
"""


@dataclass(frozen=True, slots=True)
class Tallies:
    """Counts that are kept beside the state."""

    events: Mapping[str, int]
    requests: Mapping[tuple[str, int], int]
    "API requests by verb and status."
    seam_faults: Mapping[str, int]
    statuses: Mapping[tuple[Kind, str], int]
    "Writes of status objects by kind and result."
    watch_breaks: Mapping[str, int]
    wire: Mapping[str, float]
    "What wire last counted."


def metrics(state: State, reports: Reports, tallies: Tallies, now: float) -> Iterator[Metric]:
    """Give all metric families."""
    yield _announced(state, reports)
    yield from _layer2(tallies)
    yield from _bgp(reports)
    yield from _configuration(state, reports, tallies)
    yield from _gates(state, now)
    yield from _segment(reports)
    yield _counter("herald_events", "Events on Services.", "result", tallies.events)
    yield _counter("herald_seam_faults", "Broken seam connections.", "fault", tallies.seam_faults)
    causes = Counter(move.cause or "none" for move in reports.moves.all())
    yield _gauge("herald_recent_moves", "Moves of addresses, of the last 1000.", "cause", causes)


def announced(state: State, reports: Reports) -> Iterator[tuple[Decision, Protocol]]:
    """Give the decisions whose address this node does announce now."""
    owned = owned_addresses(reports)
    out = announced_prefixes(reports)
    for decision in state.deciding.of(Protocol.LAYER2):
        if decision.address in owned:
            yield decision, Protocol.LAYER2
    for decision in state.deciding.of(Protocol.BGP):
        if any(path.prefix in out for path in state.deciding.paths_of(decision.address)):
            yield decision, Protocol.BGP


def owned_addresses(reports: Reports) -> frozenset[Address]:
    """Return the addresses this node answers for."""
    homes = Homes(reports.wire.of(InterfaceReport))
    return frozenset(
        each.address
        for each in reports.wire.of(OwnerReport)
        if each.state is OwnerState.OWNED and homes.counts(each.address, each.interface)
    )


def announced_prefixes(reports: Reports) -> frozenset[Prefix]:
    """Return the prefixes that are out to some peer."""
    return frozenset(prefix for each in reports.sessions() for prefix in each.announced)


def _announced(state: State, reports: Reports) -> Metric:
    family = GaugeMetricFamily(
        "metallb_speaker_announced",
        "Services being announced from this node.",
        labels=("service", "protocol", "node", "ip"),
    )
    for decision, protocol in announced(state, reports):
        for judged in decision.services:
            labels = (str(judged.service), protocol.value, state.own.node, str(decision.address))
            family.add_metric(labels, 1)
    return family


def _layer2(tallies: Tallies) -> Iterator[Metric]:
    for ours, theirs in METALLB_L2.items():
        family = UntypedMetricFamily(theirs, f"As {ours} of wire.", labels=("ip",))
        for name, value in tallies.wire.items():
            metric, _, label = name.partition(":ip=")
            if metric == ours and label:
                family.add_metric((label,), value)
        yield family


def _bgp(reports: Reports) -> Iterator[Metric]:
    labels = ("peer",)
    up = GaugeMetricFamily("metallb_bgp_session_up", "BGP session state (1 is up).", labels=labels)
    out = GaugeMetricFamily(
        "metallb_bgp_announced_prefixes_total", "Prefixes being advertised.", labels=labels
    )
    waiting = GaugeMetricFamily(
        "metallb_bgp_pending_prefixes_total", "Prefixes still to be advertised.", labels=labels
    )
    for report in reports.sessions():
        if report.peer not in reports.peers:
            continue  # it is wanted no more, and bgp is about to forget it
        label = (reports.peers[report.peer],)
        up.add_metric(label, report.state is SessionState.UP)
        out.add_metric(label, len(report.announced))
        waiting.add_metric(label, report.pending)
    bfd = GaugeMetricFamily("metallb_bfd_session_up", "BFD session state (1 is up).", labels=labels)
    for each in reports.bfd():
        bfd.add_metric((str(each.peer),), each.state is BfdState.UP)
    yield from (up, out, waiting, bfd)


def _configuration(state: State, reports: Reports, tallies: Tallies) -> Iterator[Metric]:
    ready = [state.deciding.started(protocol) for protocol in Protocol]
    refused = [fault for fault in state.faults if fault.refused]
    yield _single("metallb_k8s_client_config_loaded_bool", "Configuration is loaded.", any(ready))
    yield _single("metallb_k8s_client_config_stale_bool", "Some object is refused.", bool(refused))
    yield _single("herald_api_age_seconds", "Age of what is known.", reports.api_age_s)
    faults = Counter((fault.kind.value, fault.reason.value) for fault in state.faults)
    family = GaugeMetricFamily(
        "herald_configuration_faults", "Objects at fault.", labels=("kind", "reason")
    )
    for labels, count in faults.items():
        family.add_metric(labels, count)
    yield family
    missing = {kind.value: 1 for kind in state.snapshot.unavailable}
    yield _gauge("herald_kind_unavailable", "Kinds that cannot be watched.", "kind", missing)
    # An installation for L2 alone has no bgp, and lacks none while there is no BGPPeer.
    missed = {"wire", *(("bgp",) if reports.peers else ())}
    connected = {
        name: int(there) for name, there in reports.connected.items() if there or name in missed
    }
    yield _gauge("herald_seam_connected", "Other processes there.", "process", connected)
    requests = CounterMetricFamily(
        "herald_api_requests", "Requests to the API server.", labels=("verb", "status")
    )
    for (verb, status), count in tallies.requests.items():
        requests.add_metric((verb, str(status)), count)
    yield requests
    text = "Lists and watches that failed or broke off."
    yield _counter("herald_watch_breaks", text, "kind", tallies.watch_breaks)
    writes = CounterMetricFamily(
        "herald_status_writes", "Writes of status objects.", labels=("object", "result")
    )
    for (kind, result), count in tallies.statuses.items():
        writes.add_metric((kind.value, result), count)
    yield writes


def _gates(state: State, now: float) -> Iterator[Metric]:
    withheld = GaugeMetricFamily(
        "herald_withheld",
        "Addresses that this node may not announce, by each closed gate.",
        labels=("protocol", "gate"),
    )
    found = Counter(
        (decision.protocol.value, gate)
        for protocol in Protocol
        for decision in state.deciding.of(protocol)
        for gate in {each.gate.value for each in decision.closed}
    )
    for labels, count in sorted(found.items()):
        withheld.add_metric(labels, count)
    yield withheld
    verdicts = Counter(each.value for each in state.health.verdicts(now).values())
    yield _gauge("herald_health_ports", "Health ports asked, by verdict.", "verdict", verdicts)


def _segment(reports: Reports) -> Iterator[Metric]:
    alive = Counter(n.interface for n in reports.wire.of(NeighbourReport) if n.alive)
    yield _gauge("herald_neighbours", "Speakers heard.", "interface", alive)
    strangers = Counter(
        c.interface for c in reports.wire.of(ConflictReport) if c.mac is not None and not c.proxy
    )
    yield _gauge("herald_conflicts", "Addresses a stranger answers for.", "interface", strangers)


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=(label,))
    for value, count in sorted(values.items()):
        family.add_metric((value,), count)
    return family


def _counter(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=(label,))
    for value, count in sorted(values.items()):
        family.add_metric((value,), count)
    return family


def _single(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))
