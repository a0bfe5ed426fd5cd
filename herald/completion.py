"""`herald completion`: the script that makes a shell complete Herald's commands and options."""

import click
from click.shell_completion import get_completion_class


@click.command(epilog='Example: eval "$(herald completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None, "click knows all three"
    root = context.find_root()
    source = kind(root.command, {}, "herald", "_HERALD_COMPLETE")
    click.echo(source.source())
