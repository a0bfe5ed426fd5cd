"""The operator's command: a group whose subcommands are loaded when they are used.

`herald --help` must not wait for aiohttp or scapy, so a subcommand is named here with the module
that holds it, and a line of help. A command is listed when it works, not before.
"""

import importlib
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import click

COMMANDS: Mapping[str, tuple[str, str]] = {
    "completion": ("herald.completion:completion", "Print a shell's completion script."),
    "drill": ("herald.drill:drill", "Break things in a lab and measure what its clients suffer."),
    "explain": ("herald.explain:explain", "Why an address is announced where it is, or isn't."),
    "lab": ("herald.lab:lab", "A cluster's network in namespaces, to try and to test."),
    "status": ("herald.status:status", "Nodes, addresses, and what is wrong, at one glance."),
    "why-moved": ("herald.explain:why_moved", "Which node has had an address, and why it moved."),
}


class LazyGroup(click.Group):
    """A group that imports a subcommand's module only to run it or to show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the subcommand, loading it now."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command to run; for one that there is not, say which may be meant."""
        # Click looks for a likely name only among the commands that are loaded.
        if self.get_command(ctx, args[0]) is None:
            close = get_close_matches(args[0], self.list_commands(ctx), n=1)
            if close:
                raise click.UsageError(f"no command {args[0]!r}: did you mean {close[0]!r}?", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without loading any."""
        rows = [(name, COMMANDS[name][1]) for name in sorted(COMMANDS)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: herald lab up && herald lab apply -f manifests/samples/first-pool.yaml",
)
@click.version_option(package_name="herald", prog_name="herald")
def cli() -> None:
    """Herald: addresses for Services on bare metal, and the reasons behind them.

    Exit status: 0 all is fine, 1 something is not, 2 wrong use.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command; used by `herald` and `kubectl herald`."""
    options: dict[str, Any] = {"prog_name": "herald", "auto_envvar_prefix": "HERALD"}
    try:
        cli.main(args=arguments, **options)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(1)
