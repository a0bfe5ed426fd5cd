import json
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from herald.cli import COMMANDS, cli

HEAVY = ("aiohttp", "kubernetes", "scapy", "pyroute2", "pydantic", "rich")
"""Each costs more than the whole command may."""


def commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


def test_help_loads_no_heavy_library() -> None:
    script = (
        "import sys, json\nfrom herald.cli import cli\n"
        "cli.main(['--help'], standalone_mode=False)\n"
        f"json.dump([m for m in {HEAVY!r} if m in sys.modules], sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20
    )
    assert json.loads(done.stderr) == []
    assert all(name in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("path", [" ".join(path) for path in commands(cli, ())])
def test_every_command_explains_itself_with_an_example(path: str) -> None:
    result = CliRunner().invoke(cli, [*path.split(), "--help"])
    assert result.exit_code == 0
    assert "Example: " in result.output or "Examples:" in result.output, result.output


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["nonsense"], id="unknown command"),
        pytest.param(["lab", "up", "--nodes", "many"], id="text for a number"),
        pytest.param(["lab", "up", "--proxy-mode", "ipvs"], id="unknown proxy mode"),
        pytest.param(["lab", "up", "--proxy-mode", "iptables"], id="no kube-proxy to choose for"),
        pytest.param(["lab", "exec", "client"], id="nothing to run"),
        pytest.param(["lab", "apply"], id="no file"),
        pytest.param(["completion", "tcsh"], id="unknown shell"),
    ],
)
def test_wrong_use_exits_2_and_says_what_is_wrong(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert "Error: " in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lab", "status", "--name", "nolab"], "no lab 'nolab'"),
        (["lab", "apply", "--name", "nolab", "-f", "x"], "no lab 'nolab'"),
        (["lab", "logs", "--name", "nolab", "wire@node1"], "has no log of 'wire@node1'"),
        (["lab", "up", "--name", "a-b"], "lab name 'a-b'"),
    ],
)
def test_what_is_not_fine_exits_1_with_one_sentence(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 1
    assert says in result.output or "run it as root" in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_names_the_command(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "_HERALD_COMPLETE" in result.output
