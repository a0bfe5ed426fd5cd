"""`herald drill`: failover drills in a lab of their own, measured from the clients' side."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from herald.output import console, print_table
from netns_lab.drill import report_html, report_junit, report_markdown
from netns_lab.drill.results import to_json
from netns_lab.drill.run import run_drills
from netns_lab.drill.scenarios import SCENARIOS, find
from netns_lab.orders import LabError
from netns_lab.plan import PlanError

SIZES = (2, 3)
"""Nodes of the labs, unless told."""


@click.group(epilog="Example: herald drill run l2-node-crash --runs 3 --html report.html")
def drill() -> None:
    """Break things in a lab and measure what its clients suffer."""


@drill.command("list", epilog="Example: herald drill list -o json")
@click.option("-o", "--output", type=click.Choice(["table", "json", "markdown"]), default="table")
def list_drills(output: str) -> None:
    """List the drills with their budgets."""
    if output == "json":
        rows = [
            {
                "name": each.name,
                "suite": each.suite,
                "summary": each.summary,
                "budget": [str(budget) for budget in each.budgets],
                "aims": [str(aim) for aim in each.aims],
                "control": each.control.what,
            }
            for each in SCENARIOS
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    if output == "markdown":
        click.echo(report_markdown.render_budgets(SCENARIOS), nl=False)
        return
    lines = [(s.name, s.suite, s.summary, "\n".join(map(str, s.budgets))) for s in SCENARIOS]
    print_table("", ("drill", "suite", "what happens", "budget"), lines)


@drill.command(epilog="Example: herald drill run --suite l2 --nodes 3 --runs 5 --json l2.json")
@click.argument("names", nargs=-1)
@click.option("--suite", help="All drills of a suite: all, l2, bgp, api or policy.")
@click.option("--runs", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option(
    "--nodes", type=click.IntRange(1, 20), multiple=True, help="Size of the lab; repeat for more."
)
@click.option("--control-plane", type=click.Choice(["embedded", "kube"]), default="embedded")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--junit", "junit_file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_context
def run(ctx: click.Context, /, names: tuple[str, ...], suite: str | None, **options: Any) -> None:
    """Run drills by NAMES or suite; exit 0 only when all budgets hold and all controls behave."""
    try:
        scenarios = find(names, suite)
    except LookupError as error:
        raise click.UsageError(f"{error}") from error
    if not scenarios:
        raise click.UsageError("name a drill or a suite; `herald drill list` shows them")
    progress = Console(stderr=True)
    results = []
    try:
        for nodes in options["nodes"] or SIZES:
            results += run_drills(
                scenarios,
                nodes=nodes,
                runs=options["runs"],
                control_plane=options["control_plane"],
                say=lambda text: progress.print(f"[dim]{text}[/dim]", soft_wrap=True),
            )
    except (LabError, PlanError) as error:
        raise click.ClickException(f"{error}") from error
    if not results:
        raise click.UsageError("none of these drills makes sense on so few nodes")
    report = to_json(results, version("herald"), machine())
    _write(report, options["json_file"], options["html_file"], options["junit_file"])
    show(report)
    ctx.exit(0 if all(each.passed for each in results) else 1)


@drill.command(epilog="Example: herald drill report report.json --html report.html")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--html", "html_file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--junit", "junit_file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Choice(["table", "markdown"]), default="table")
def report(file: Path, html_file: Path | None, junit_file: Path | None, output: str) -> None:
    """Show a report that `herald drill run --json` wrote, or make its other forms."""
    try:
        content = json.loads(file.read_text())
        _write(content, None, html_file, junit_file)
        if output == "markdown":
            click.echo(report_markdown.render(content), nl=False)
        else:
            show(content)
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"{file}: not a drill report: {error}") from error


def show(report: dict[str, Any]) -> None:
    """Print the report as a table, with a sentence for each problem."""
    keys = ("lost", "longest_gap_ms", "arp_silence_ms", "dual_answer_ms", "route_change_ms")
    heads = [key.removesuffix("_ms").replace("_", " ") for key in keys]
    caption = "median / worst; times in ms"
    table = Table(Column("drill", no_wrap=True), "nodes", *heads, "verdict", caption=caption)
    for each in report["drills"]:
        cells = [_cell(each["summary"].get(key)) for key in keys]
        verdict = "[green]passed[/green]" if each["passed"] else "[red]failed[/red]"
        table.add_row(each["name"], str(each["nodes"]), *cells, verdict)
    out = console()
    out.print(table)
    for each in report["drills"]:
        for problem in each["problems"]:
            out.print(f"[red]{each['name']}[/red] on {each['nodes']} nodes: {problem}")
        for aim in each["aims"]:
            if not aim["met"]:
                out.print(f"{each['name']} on {each['nodes']} nodes: aim missed: {aim['aim']}")


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _cell(summary: dict[str, float] | None) -> str:
    return f"{summary['median']:g} / {summary['worst']:g}" if summary else ""


def _write(
    report: dict[str, Any], json_file: Path | None, html_file: Path | None, junit_file: Path | None
) -> None:
    if json_file:
        json_file.write_text(json.dumps(report, indent=1) + "\n")
    if html_file:
        html_file.write_text(report_html.render(report))
    if junit_file:
        junit_file.write_text(report_junit.render(report))
