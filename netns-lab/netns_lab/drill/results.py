"""What a `drill run` found, and its JSON. Pure.

The schema's version is 1; a field may be added, none changes its meaning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from netns_lab.drill.budget import Budget, breaches, summarise
from netns_lab.drill.lateness import LATE_MS
from netns_lab.drill.measure import RunFigures
from netns_lab.drill.timeline import Timeline

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Run:
    """One run: its figures, and what to draw of it."""

    figures: RunFigures
    timeline: Timeline
    error: str = ""
    "Why the run could not be measured; empty when it was."


@dataclass(frozen=True, slots=True)
class ControlResult:
    """The negative control: the same with the protection off; it must break the bounds."""

    what: str
    run: Run
    must: tuple[Budget, ...]
    "Bounds that the control has to break; for a calibration, that it has to hold."
    calibration: bool = False

    @property
    def behaved(self) -> bool:
        """Whether the control failed as it must (or a calibration was measured right)."""
        if self.run.error:
            return False
        broken = breaches([self.run.figures], self.must)
        return not broken if self.calibration else bool(broken)


@dataclass(frozen=True, slots=True)
class DrillResult:
    """All runs of one drill."""

    name: str
    summary: str
    control_plane: str
    nodes: int
    budgets: tuple[Budget, ...]
    aims: tuple[Budget, ...]
    runs: tuple[Run, ...]
    control: ControlResult | None
    errors: tuple[str, ...] = field(default=())

    @property
    def problems(self) -> list[str]:
        """Why the drill did not pass, as sentences."""
        found = [*self.errors, *(run.error for run in self.runs if run.error)]
        measured = [run.figures for run in self.runs if not run.error]
        if measured:
            found.extend(breaches(measured, self.budgets))
        elif not found:
            found.append("no run was measured")
        if self.control is None:
            found.append("the control was not run")
        elif self.control.run.error:
            found.append(f"control: {self.control.run.error}")
        elif not self.control.behaved:
            found.append(f"the control did not behave as it must: {self.control.what}")
        return found + self._excuses() if found else []

    def _excuses(self) -> list[str]:
        """Say where the machine was late: then the figures may tell of it, not of Herald."""
        control = () if self.control is None else (self.control.run,)
        return [
            f"{each.figures.late_who} got no processor for {each.figures.late_ms:g} ms in a run,"
            " after all repeats"
            for each in (*self.runs, *control)
            if each.figures.late_ms > LATE_MS
        ]

    @property
    def passed(self) -> bool:
        """All budgets hold and the control behaved as it must."""
        return not self.problems


def to_json(
    results: Sequence[DrillResult], version: str, machine: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the report as JSON values."""
    return {
        "schema": SCHEMA,
        "version": version,
        "machine": dict(machine),
        "drills": [_drill(result) for result in results],
    }


def _drill(result: DrillResult) -> dict[str, Any]:
    control = result.control
    measured = [run.figures for run in result.runs if not run.error]
    return {
        "name": result.name,
        "summary_text": result.summary,
        "control_plane": result.control_plane,
        "nodes": result.nodes,
        "budget": [str(budget) for budget in result.budgets],
        "aims": [
            {"aim": str(aim), "met": not breaches(measured, (aim,)) if measured else None}
            for aim in result.aims
        ],
        "passed": result.passed,
        "problems": result.problems,
        "control": None
        if control is None
        else {
            "what": control.what,
            "must": [str(budget) for budget in control.must],
            "calibration": control.calibration,
            "behaved": control.behaved,
            "run": _run(control.run),
        },
        "summary": {key.value: asdict(summary) for key, summary in summarise(measured).items()},
        "runs": [_run(run) for run in result.runs],
    }


def _run(run: Run) -> dict[str, Any]:
    figures = asdict(run.figures)
    figures["timeline"] = asdict(run.timeline)
    figures["error"] = run.error
    return figures


def control_words(control: Mapping[str, Any] | None) -> str:
    """Return how the run without the protection went, or the calibration, from a report's JSON."""
    if control is None:
        return "not run"
    if control["run"]["error"]:
        return "not measured"
    if control["calibration"]:
        return "measured right" if control["behaved"] else "measured wrong"
    return "failed as it must" if control["behaved"] else "did not fail"
