import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from herald.cli import COMMANDS, cli
from netns_lab.program import program

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
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=100
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
        pytest.param(["lab", "up", "--nodes", "51"], id="more nodes than a lab has"),
        pytest.param(["lab", "up", "--log-level", "loud"], id="unknown log level"),
        pytest.param(["lab", "up", "--name", "a-b"], id="bad name of a lab"),
        pytest.param(["lab", "up", "--proxy-mode", "ipvs"], id="unknown proxy mode"),
        pytest.param(["lab", "up", "--proxy-mode", "iptables"], id="no kube-proxy to choose for"),
        pytest.param(["lab", "exec", "client"], id="nothing to run"),
        pytest.param(["lab", "apply"], id="no file"),
        pytest.param(["completion", "tcsh"], id="unknown shell"),
        pytest.param(["explain", "a/b/c"], id="neither a Service nor an address"),
        pytest.param(["explain", "192.168.4.300"], id="no address"),
    ],
)
def test_wrong_use_exits_2_and_says_what_is_wrong(arguments: list[str]) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert "Error: " in result.output


@pytest.mark.parametrize(
    ("arguments", "meant"), [(["stauts"], "status"), (["lab", "lgos"], "logs")]
)
def test_a_mistyped_command_is_told_which_may_be_meant(arguments: list[str], meant: str) -> None:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert f"id you mean '{meant}'?" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lab", "status", "--name", "nolab"], "no lab 'nolab'"),
        (["lab", "apply", "--name", "nolab", "-f", "x"], "no lab 'nolab'"),
        (["lab", "logs", "--name", "nolab", "wire@node1"], "no lab 'nolab'"),
        (["lab", "logs", "--name", "nolab"], "no lab 'nolab'"),
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


@pytest.mark.parametrize(
    ("called", "on_path", "is_called"),
    [
        pytest.param("herald", True, "herald", id="on the PATH"),
        pytest.param("bin/herald", False, "bin/herald", id="by its path"),
        pytest.param("bin/kubectl-herald", False, "kubectl herald", id="as a plugin"),
        pytest.param("/usr/lib/python/pytest", False, "herald", id="from elsewhere"),
    ],
)
def test_hints_name_the_command_as_it_can_be_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str, on_path: bool, is_called: str
) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/herald"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin") if on_path else "/none")
    monkeypatch.setattr(sys, "argv", [str(script) if called == "herald" else called])

    assert program() == is_called
