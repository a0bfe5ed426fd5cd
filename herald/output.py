"""How every command speaks: a table or `-o json` on standard output, errors as one sentence.

Colour only on a terminal; rich sees to that.
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

FINE, NOT_FINE, WRONG_USE = 0, 1, 2
LOG_LEVELS = ("debug", "info", "warning", "error")
"""What the daemons take."""
PIPED_WIDTH = 160
"Columns where there is no terminal that says how many it has."


class Failure(click.ClickException):
    """Something is not fine: one sentence for the user, exit 1."""

    exit_code = NOT_FINE


def output_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `-o table|json`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="Form of the answer.",
    )(command)


def class_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--lb-class`."""
    return click.option(
        "--lb-class", metavar="CLASS", help="The load balancer class that Herald serves."
    )(command)


def print_json(value: Any) -> None:
    """Print a JSON document."""
    click.echo(json.dumps(value, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table."""
    table = Table(title=title or None, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, no_wrap=place == 0)  # the name of a thing is never cut
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console().print(table)


def console() -> Console:
    """Return the console for standard output."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
