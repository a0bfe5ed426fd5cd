"""`herald drill`: failover drills in a lab of their own, measured from the clients' side."""

import json
import os
import platform
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from herald.output import NOT_FINE, Failure, console, output_option, print_json, print_table
from netns_lab.drill import report_html, report_junit, report_markdown
from netns_lab.drill.results import SCHEMA, DrillResult, control_words, to_json
from netns_lab.drill.run import run_drills
from netns_lab.drill.scenarios import SCENARIOS, Scenario, find
from netns_lab.orders import LabError
from netns_lab.plan import PlanError
from netns_lab.program import program

SIZES = (2, 3)
"""Nodes of the labs, unless told."""


def _writable(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a file that could not be written when all is measured."""
    if path is not None and not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
        raise click.BadParameter(f"{path.parent} is no folder that can be written to")
    return path


def _file_option(name: str, what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(
        f"--{name}",
        f"{name}_file",
        type=click.Path(dir_okay=False, writable=True, path_type=Path),
        callback=_writable,
        help=f"Write {what} into this file.",
    )


JSON_FILE = _file_option("json", "the report, which `drill report` reads,")
HTML_FILE = _file_option("html", "the report as one page, each run drawn,")
JUNIT_FILE = _file_option("junit", "a test case a drill, for CI systems,")


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
                "nodes_min": each.nodes_min,
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
    lines = [
        (s.name, s.suite, f"{s.nodes_min} or more", s.summary, "\n".join(map(str, s.budgets)))
        for s in SCENARIOS
    ]
    print_table("", ("drill", "suite", "nodes", "what happens", "budget"), lines)
    click.echo(
        f"On labs of {' and of '.join(map(str, SIZES))} nodes, unless --nodes says otherwise"
    )


@drill.command(epilog="Example: herald drill run --suite l2 --nodes 3 --runs 5 --json l2.json")
@click.argument("names", nargs=-1)
@click.option("--suite", help="All drills of a suite: all, l2, bgp, api or policy.")
@click.option(
    "--runs",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="How often each is run; its control is run once.",
)
@click.option(
    "--nodes", type=click.IntRange(1, 20), multiple=True, help="Size of the lab; repeat for more."
)
@click.option(
    "--control-plane",
    type=click.Choice(["embedded", "kube"]),
    default="embedded",
    show_default=True,
    help="The lab's own API server, or the real Kubernetes (make kube).",
)
@JSON_FILE
@HTML_FILE
@JUNIT_FILE
@output_option
@click.pass_context
def run(ctx: click.Context, /, names: tuple[str, ...], suite: str | None, **options: Any) -> None:
    """Run drills by NAMES or suite; exit 0 only when all budgets hold and all controls behave.

    Files are written after each drill: what was measured stays, whatever happens then.
    """
    try:
        scenarios = find(names, suite)
    except LookupError as error:
        raise click.UsageError(f"{error}") from error
    if not scenarios:
        raise click.UsageError(f"name a drill or a suite; `{program()} drill list` shows them")
    sizes = tuple(dict.fromkeys(options["nodes"])) or SIZES
    check_sizes(scenarios, sizes)
    progress = Console(stderr=True)

    def measure(nodes: int) -> Generator[DrillResult]:
        return run_drills(
            scenarios,
            nodes=nodes,
            runs=options["runs"],
            control_plane=options["control_plane"],
            say=lambda text: progress.print(f"[dim]{text}[/dim]", soft_wrap=True),
        )

    def keep(results: Sequence[DrillResult]) -> None:
        _write(_report(results), **{k: v for k, v in options.items() if k.endswith("_file")})

    results, trouble = run_sizes(sizes, measure, keep)
    if results and options["output"] == "json":
        print_json(_report(results))
    elif results:
        show(_report(results))
    if trouble:
        raise Failure(f"{trouble}; {len(results)} results are from before" if results else trouble)
    ctx.exit(0 if all(each.passed for each in results) else NOT_FINE)


def check_sizes(scenarios: Iterable[Scenario], sizes: Iterable[int]) -> None:
    """Raise UsageError when a drill makes sense on none of the sizes."""
    largest = max(sizes)
    for each in scenarios:
        if each.nodes_min > largest:
            raise click.UsageError(
                f"{each.name} needs at least {each.nodes_min} nodes: --nodes {each.nodes_min}"
            )


def run_sizes(
    sizes: Iterable[int],
    measure: Callable[[int], Generator[DrillResult]],
    keep: Callable[[Sequence[DrillResult]], None],
) -> tuple[list[DrillResult], str]:
    """Return the results of all sizes, and why it ended early; `keep` has them after each drill."""
    results: list[DrillResult] = []
    for nodes in sizes:
        try:
            with closing(measure(nodes)) as measured:
                for result in measured:
                    results.append(result)
                    keep(results)
        except (LabError, PlanError) as error:
            return results, f"{error}"
        except Failure as error:
            return results, error.message
        except KeyboardInterrupt:
            return results, "interrupted"
    return results, ""


@drill.command(epilog="Example: herald drill report report.json --html report.html")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@HTML_FILE
@JUNIT_FILE
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "markdown"]),
    default="table",
    show_default=True,
    help="Form of the answer.",
)
def report(file: Path, html_file: Path | None, junit_file: Path | None, output: str) -> None:
    """Show a report that `herald drill run --json` wrote, or make its other forms."""
    content = _read(file)
    try:
        _write(content, html_file=html_file, junit_file=junit_file)
        if output == "markdown":
            click.echo(report_markdown.render(content), nl=False)
        elif output == "json":
            print_json(content)
        else:
            show(content)
    except (LookupError, TypeError, AttributeError) as error:
        raise Failure(f"{file}: not a whole drill report: {error!r}") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise Failure(f"{file}: not a drill report, for it is no JSON: {error}") from error
    drills = content.get("drills") if isinstance(content, dict) else None
    if not isinstance(drills, list):
        raise Failure(f"{file}: not a drill report: it has no list of drills")
    if content.get("schema") != SCHEMA:
        raise Failure(
            f"{file}: a drill report of schema {content.get('schema')!r}, this reads {SCHEMA}"
        )
    report: dict[str, Any] = content
    return report


def show(report: dict[str, Any]) -> None:
    """Print the report as a table, with a sentence for each problem."""
    keys = ("lost", "longest_gap_ms", "arp_silence_ms", "dual_answer_ms", "route_change_ms")
    heads = [key.removesuffix("_ms").replace("_", " ") for key in keys]
    caption = "median / worst; times in ms"
    table = Table(
        Column("drill", no_wrap=True), "nodes", *heads, "control", "verdict", caption=caption
    )
    for each in report["drills"]:
        cells = [_cell(each["summary"].get(key)) for key in keys]
        verdict = "[green]passed[/green]" if each["passed"] else "[red]failed[/red]"
        table.add_row(each["name"], str(each["nodes"]), *cells, _control(each["control"]), verdict)
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


def _control(control: dict[str, Any] | None) -> str:
    words = control_words(control)
    return words if control is not None and control["behaved"] else f"[red]{words}[/red]"


def _report(results: Sequence[DrillResult]) -> dict[str, Any]:
    return to_json(results, version("herald"), machine())


def _write(
    report: dict[str, Any],
    *,
    json_file: Path | None = None,
    html_file: Path | None = None,
    junit_file: Path | None = None,
) -> None:
    try:
        if json_file:
            json_file.write_text(json.dumps(report, indent=1) + "\n")
        if html_file:
            html_file.write_text(report_html.render(report))
        if junit_file:
            junit_file.write_text(report_junit.render(report))
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from error
