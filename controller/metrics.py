"""Metrics, read off the plan when they are asked for; MetalLB's names where the meaning is his."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controller.outcome import Assigned, Pending, Reason
from controller.planner import Planner
from controller.status import PoolCount, count_pools
from kube.faults import Fault
from kube.snapshot import Kind


@dataclass(frozen=True, slots=True)
class Reading:
    """What the collector shows at one moment; no planner while another replica leads."""

    planner: Planner | None
    config_loaded: bool = False
    faults: tuple[Fault, ...] = ()
    updates: dict[str, int] = field(default_factory=dict)
    write_errors: Mapping[tuple[str, int], int] = field(default_factory=dict)
    "By resource and HTTP status, 0 for no answer."
    unwritten: int = 0
    "Services that were given addresses which their status doesn't show."
    watch_breaks: Mapping[Kind, int] = field(default_factory=dict)


class AllocatorCollector(Collector):
    """Shows a reading; asked from another thread than the one that plans."""

    def __init__(self, read: Callable[[], Reading]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics."""
        reading = self._read()
        yield _gauge(
            "metallb_k8s_client_config_loaded_bool",
            "1 if the configuration was loaded at least once",
            float(reading.config_loaded),
        )
        yield _gauge(
            "metallb_k8s_client_config_stale_bool",
            "1 if some object is refused or its last good version is used",
            float(any(fault.refused for fault in reading.faults)),
        )
        faults = Counter((fault.kind.value, fault.reason.value) for fault in reading.faults)
        family = GaugeMetricFamily(
            "herald_configuration_faults", "Objects at fault", labels=("kind", "reason")
        )
        for labels, number in sorted(faults.items()):
            family.add_metric(labels, number)
        yield family
        updates = CounterMetricFamily(
            "herald_controller_writes", "Writes to the API server", labels=["object"]
        )
        for kind, count in sorted(reading.updates.items()):
            updates.add_metric([kind], count)
        yield updates
        yield _counter(
            "metallb_k8s_client_updates", "Writes to the API server", sum(reading.updates.values())
        )
        yield _counter(
            "metallb_k8s_client_update_errors",
            "Writes that failed",
            sum(reading.write_errors.values()),
        )
        errors = CounterMetricFamily(
            "herald_controller_write_errors", "Writes that failed", labels=["object", "status"]
        )
        for (resource, status), count in sorted(reading.write_errors.items()):
            errors.add_metric([resource, str(status)], count)
        yield errors
        breaks = CounterMetricFamily(
            "herald_watch_breaks", "Lists and watches that failed or broke off", labels=["kind"]
        )
        for broken, count in reading.watch_breaks.items():
            breaks.add_metric([broken.value], count)
        yield breaks
        leading = reading.planner is not None
        yield _gauge("herald_controller_leading", "1 while this replica leads", float(leading))
        if reading.planner is not None:
            yield from _allocator(reading.planner, reading.unwritten)


def _allocator(planner: Planner, unwritten: int) -> Iterator[Metric]:
    counts = list(count_pools(planner.ledger))
    for name, text, value in _GAUGES:
        gauge = GaugeMetricFamily(f"metallb_allocator_{name}", text, labels=["pool"])
        for count in counts:
            gauge.add_metric([count.pool], value(count))
        yield gauge
    outcomes = list(planner.outcomes.values())
    services = Counter(each.pool for each in outcomes if isinstance(each, Assigned))
    allocated = GaugeMetricFamily(
        "metallb_allocator_services_allocated_total",
        "Services that have an address of the pool",
        labels=["pool"],
    )
    for count in counts:
        allocated.add_metric([count.pool], services[count.pool])
    yield allocated
    waiting = Counter(each.reason.value for each in outcomes if isinstance(each, Pending))
    if unwritten:
        waiting[Reason.NOT_WRITTEN.value] = unwritten
    pending = GaugeMetricFamily(
        "herald_allocator_services_pending", "Services without an address", labels=["reason"]
    )
    for reason, number in sorted(waiting.items()):
        pending.add_metric([reason], number)
    yield pending


_GAUGES: tuple[tuple[str, str, Callable[[PoolCount], int]], ...] = (
    ("addresses_total", "Addresses of the pool", lambda c: c.total_v4 + c.total_v6),
    ("ipv4_addresses_total", "IPv4 addresses of the pool", lambda c: c.total_v4),
    ("ipv6_addresses_total", "IPv6 addresses of the pool", lambda c: c.total_v6),
    ("addresses_in_use_total", "Addresses in use", lambda c: c.used_v4 + c.used_v6),
    ("ipv4_addresses_in_use_total", "IPv4 addresses in use", lambda c: c.used_v4),
    ("ipv6_addresses_in_use_total", "IPv6 addresses in use", lambda c: c.used_v6),
)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value=value)
