"""A drill report as Markdown tables, for documents: what was promised, and what was measured."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netns_lab.drill.results import control_words
from netns_lab.drill.scenarios import Scenario

FIGURES = ("lost", "longest_gap_ms", "arp_silence_ms", "dual_answer_ms", "route_change_ms")


def render_budgets(scenarios: Sequence[Scenario]) -> str:
    """Return what each drill must hold, what it aims at, and its control."""
    rows = [
        (
            f"`{each.name}`",
            "; ".join(map(str, each.budgets)),
            "; ".join(map(str, each.aims)) or "the same",
            each.control.what,
        )
        for each in scenarios
    ]
    return _table(("drill", "must hold", "aim", "control"), rows)


def render(report: Mapping[str, Any]) -> str:
    """Return the figures of a report: median / worst of each."""
    heads = [key.removesuffix("_ms").replace("_", " ") for key in FIGURES]
    rows = [
        (
            f"`{drill['name']}`",
            str(drill["nodes"]),
            str(len(drill["runs"])),
            *(_cell(drill["summary"].get(key)) for key in FIGURES),
            control_words(drill["control"]),
            "yes" if drill["passed"] else "no",
        )
        for drill in report["drills"]
    ]
    return _table(("drill", "nodes", "runs", *heads, "control", "held"), rows)


def _cell(summary: Mapping[str, float] | None) -> str:
    return f"{summary['median']:g} / {summary['worst']:g}" if summary else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
