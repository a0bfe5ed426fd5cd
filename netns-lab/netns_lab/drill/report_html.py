"""One self-contained HTML page of a drill report: a verdict, tables, and each run drawn in SVG.

Made from the report's JSON, so that an old report can be drawn again. No script, no outside file.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from netns_lab.drill.drawing import draw_svg
from netns_lab.drill.results import control_words

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1a202c;max-width:1000px;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}
h2{margin-top:2.5rem;border-top:1px solid #e2e8f0;padding-top:1rem;font-size:1.2rem}
table{border-collapse:collapse;margin:.6rem 0}
td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #e2e8f0}
td:first-child,th:first-child{text-align:left}
.ok{color:#276749;font-weight:600}.bad{color:#c53030;font-weight:600}
svg{max-width:100%;height:auto;background:#f7fafc;border:1px solid #e2e8f0;margin:.3rem 0}
svg text{font:12px system-ui,sans-serif;fill:#2d3748}small{color:#4a5568}
"""


def render(report: Mapping[str, Any]) -> str:
    """Return the page."""
    drills = report["drills"]
    passed = sum(1 for drill in drills if drill["passed"])
    machine = ", ".join(f"{k} {v}" for k, v in report["machine"].items())
    body = [
        f"<h1>Failover drills: {passed} of {len(drills)} passed</h1>",
        f"<p><small>Herald {escape(report['version'])}; {escape(machine)}</small></p>",
        _overview(drills),
        *(_drill(drill) for drill in drills),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Failover drills</title>'
        f"<style>{STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _overview(drills: Sequence[Mapping[str, Any]]) -> str:
    rows = [["drill", "nodes", "runs", "lost", "longest gap, ms", "control", "verdict"]]
    for drill in drills:
        summary = drill["summary"]
        rows.append(
            [
                f'<a href="#{escape(drill["name"])}-{drill["nodes"]}">{escape(drill["name"])}</a>',
                str(drill["nodes"]),
                str(len(drill["runs"])),
                _worst(summary, "lost"),
                _worst(summary, "longest_gap_ms"),
                control_words(drill["control"]),
                _verdict(drill["passed"]),
            ]
        )
    return _table(rows)


def _drill(drill: Mapping[str, Any]) -> str:
    parts = [
        f'<h2 id="{escape(drill["name"])}-{drill["nodes"]}">{escape(drill["name"])}, '
        f"{drill['nodes']} nodes: {_verdict(drill['passed'])}</h2>",
        f"<p>{escape(drill['summary_text'])}</p>",
        f"<p>Budget: {escape('; '.join(drill['budget']))}</p>",
        *(_aim(each) for each in drill["aims"]),
    ]
    parts += [f'<p class="bad">{escape(problem)}</p>' for problem in drill["problems"]]
    rows = [["figure", "median", "p95", "worst"]]
    rows += [
        [escape(key.replace("_", " ")), *(f"{value[k]:g}" for k in ("median", "p95", "worst"))]
        for key, value in drill["summary"].items()
    ]
    parts.append(_table(rows))
    for number, run in enumerate(drill["runs"], 1):
        parts.append(_run(f"Run {number}", run))
    control = drill["control"]
    if control is not None:
        verdict = _verdict(control["behaved"], "as it must", "not as it must")
        parts.append(f"<p>Control: {escape(control['what'])}: {verdict}</p>")
        parts.append(_run("Control", control["run"]))
    return "".join(parts)


def _aim(aim: Mapping[str, Any]) -> str:
    met = {True: "met", False: "not met", None: "not measured"}[aim["met"]]
    return f"<p>Aim: {escape(aim['aim'])}: {met}</p>"


def _run(title: str, run: Mapping[str, Any]) -> str:
    if run["error"]:
        return f'<p class="bad">{title}: {escape(run["error"])}</p>'
    rows = [["client", "sent", "lost", "longest gap, ms", "flows hit", "TCP broken"]]
    rows += [
        [
            escape(name),
            *(f"{c[k]:g}" for k in ("sent", "lost", "longest_gap_ms", "flows_hit", "tcp_broken")),
        ]
        for name, c in sorted(run["clients"].items())
    ]
    marks = ", ".join(f"{k.replace('_', ' ')} {v:g} ms" for k, v in run["timeline"]["marks"])
    return (
        f"<h3>{title}</h3>{draw_svg(run['timeline'])}<p><small>Marks: {escape(marks)}</small></p>"
        f"{_table(rows)}{_spans(run['timeline'])}"
    )


def _spans(timeline: Mapping[str, Any]) -> str:
    rows = [["what", "from, ms", "to, ms", "detail"]]
    for name, spans in timeline["rows"]:
        rows += [
            [escape(name), f"{s['start_ms']:g}", f"{s['end_ms']:g}", escape(s["text"])]
            for s in spans[:50]
        ]
    return f"<details><summary>The timeline's figures</summary>{_table(rows)}</details>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{cell}</th>" for cell in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows[1:]
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _verdict(good: bool, yes: str = "passed", no: str = "failed") -> str:
    return f'<span class="{"ok" if good else "bad"}">{yes if good else no}</span>'


def _worst(summary: Mapping[str, Any], key: str) -> str:
    return f"{summary[key]['worst']:g}" if key in summary else "–"
