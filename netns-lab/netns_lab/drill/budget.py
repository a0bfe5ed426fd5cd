"""Budgets of a drill and whether runs hold them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

from netns_lab.drill.measure import RunFigures


class Key(Enum):
    """Figures of a run that a budget can limit; the value is the field's name."""

    LOST = "lost"
    LONGEST_GAP_MS = "longest_gap_ms"
    ARP_SILENCE_MS = "arp_silence_ms"
    DUAL_ANSWER_MS = "dual_answer_ms"
    ROUTE_CHANGE_MS = "route_change_ms"
    TCP_BROKEN = "tcp_broken"
    MOVES = "moves"
    OFF_MS = "off_ms"

    @property
    def unit(self) -> str:
        """`ms`, or empty for counts."""
        return "ms" if self.value.endswith("_ms") else ""


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds for one figure, each None where there is none; `least` is for calibrations."""

    key: Key
    median: float | None = None
    worst: float | None = None
    least: float | None = None

    def __str__(self) -> str:
        name = self.key.value.removesuffix("_ms").replace("_", " ")
        bounds = []
        if self.least is not None:
            bounds.append(f"≥ {self.least:g}")
        if self.median is not None:
            bounds.append(f"median ≤ {self.median:g}")
        if self.worst is not None:
            bounds.append(f"≤ {self.worst:g}" if self.worst else "none")
        unit = "" if bounds == ["none"] else self.key.unit
        return f"{name} {', '.join(bounds)} {unit}".rstrip()


@dataclass(frozen=True, slots=True)
class Summary:
    """A figure over all runs."""

    median: float
    p95: float
    worst: float


def summarise(runs: Sequence[RunFigures]) -> dict[Key, Summary]:
    """Return the summary of each figure that applies to every run."""
    found = {}
    for key in Key:
        values = sorted(v for run in runs if (v := figure(run, key)) is not None)
        if values and len(values) == len(runs):
            p95 = values[min(len(values) - 1, -(-95 * len(values) // 100) - 1)]
            found[key] = Summary(round(median(values), 2), p95, values[-1])
    return found


def figure(run: RunFigures, key: Key) -> float | None:
    """Return the figure of a run, None where it does not apply."""
    value: float | None = getattr(run, key.value)
    return value


def breaches(runs: Sequence[RunFigures], budgets: Sequence[Budget]) -> list[str]:
    """Return a sentence for each bound that the runs do not hold; a missing figure breaks one."""
    summaries = summarise(runs)
    found = []
    for budget in budgets:
        summary = summaries.get(budget.key)
        if summary is None:
            found.append(f"{budget.key.value}: was not measured in every run")
            continue
        name, unit = budget.key.value, f" {budget.key.unit}".rstrip()
        if budget.median is not None and summary.median > budget.median:
            found.append(f"{name}: median {summary.median:g}{unit} over {budget.median:g}")
        if budget.worst is not None and summary.worst > budget.worst:
            found.append(f"{name}: worst {summary.worst:g}{unit} over {budget.worst:g}")
        if budget.least is not None and summary.median < budget.least:
            found.append(f"{name}: {summary.median:g}{unit} under {budget.least:g}")
    return found
