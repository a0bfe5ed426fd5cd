"""One self-contained HTML page of a drill report: a verdict, tables, and each run drawn in SVG.

Made from the report's JSON, so that an old report can be drawn again. No script, no outside file.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from netns_lab.drill.drawing import draw_svg
from netns_lab.drill.results import control_words

STYLE = """
:root{color-scheme:light dark;
--ink:#1a202c;--soft:#4a5568;--line:#e2e8f0;--back:#fff;--well:#f7fafc;
--ok:#276749;--bad:#c53030;--link:#2b6cb0}
@media(prefers-color-scheme:dark){:root{--ink:#e2e8f0;--soft:#a0aec0;--line:#4a5568;--back:#171923;
--well:#1f2937;--ok:#68d391;--bad:#fc8181;--link:#90cdf4}}
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:1000px;
margin:2rem auto;padding:0 1rem}
a{color:var(--link)}
h1{font-size:1.5rem}
h2{margin-top:2.5rem;border-top:1px solid var(--line);padding-top:1rem;font-size:1.2rem}
.wide{overflow-x:auto;margin:.6rem 0}
table{border-collapse:collapse}
td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
td:first-child,th:first-child{text-align:left}
.ok{color:var(--ok);font-weight:600}.bad{color:var(--bad);font-weight:600}
svg{display:block;width:100%;min-width:720px;background:var(--well);color:var(--ink)}
svg text{font:12px system-ui,sans-serif}small{color:var(--soft)}
"""
MOST = 50
"""Spans of a row that the table shows; the report's JSON has all."""


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
        '<meta name="viewport" content="width=device-width">'
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
        [
            escape(key.replace("_ms", ", ms").replace("_", " ")),
            *(f"{value[k]:g}" for k in ("median", "p95", "worst")),
        ]
        for key, value in drill["summary"].items()
    ]
    parts.append(_table(rows))
    for number, run in enumerate(drill["runs"], 1):
        parts.append(_run(f"Run {number}", run))
    control = drill["control"]
    if control is not None:
        verdict = _verdict(control["behaved"], "behaved as it must", "did not behave as it must")
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
        f'<h3>{title}</h3><div class="wide">{draw_svg(run["timeline"])}</div>'
        f"<p><small>Marks: {escape(marks)}</small></p>"
        f"{_table(rows)}{_spans(run['timeline'])}"
    )


def _spans(timeline: Mapping[str, Any]) -> str:
    rows = [["what", "from, ms", "to, ms", "detail"]]
    for name, spans in timeline["rows"]:
        rows += [
            [escape(name), f"{s['start_ms']:g}", f"{s['end_ms']:g}", escape(s["text"])]
            for s in spans[:MOST]
        ]
        if len(spans) > MOST:
            rows.append([escape(name), "", "", f"and {len(spans) - MOST} more: the JSON has them"])
    return f"<details><summary>The timeline's figures</summary>{_table(rows)}</details>"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{cell}</th>" for cell in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows[1:]
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _verdict(good: bool, yes: str = "passed", no: str = "failed") -> str:
    return f'<span class="{"ok" if good else "bad"}">{yes if good else no}</span>'


def _worst(summary: Mapping[str, Any], key: str) -> str:
    return f"{summary[key]['worst']:g}" if key in summary else "–"
