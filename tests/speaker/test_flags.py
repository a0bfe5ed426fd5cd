"""The flags of the three processes: what is refused, and what `--help` says."""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from speaker.bgp.main import parse_flags as bgp
from speaker.brain.main import parse_flags as brain
from speaker.main import main
from speaker.wire.main import parse_flags as wire

Parse = Callable[[Sequence[str]], object]
BASE = ["--node-name", "node1", "--socket-dir", "/run/herald"]
NEEDED: dict[Parse, list[str]] = {bgp: [*BASE, "--run-dir", "/run/bgp"], brain: BASE, wire: BASE}
EVERY = pytest.mark.parametrize("parse", [bgp, brain, wire], ids=["bgp", "brain", "wire"])


@pytest.mark.parametrize(
    ("parse", "wrong"),
    [
        *((wire, f"--grace-s={value}") for value in ("nan", "inf", "-1", "soon", "")),
        *((wire, f"--bgp-wait-s={value}") for value in ("nan", "-4")),
        *((bgp, f"--bgp-wait-s={value}") for value in ("nan", "-4", "inf")),
        *((each, f"--health-port={value}") for each in NEEDED for value in ("-1", "65536", "x")),
        *((each, "--log-level=loud") for each in NEEDED),
        (brain, "--metrics-port=70000"),
        (brain, "--health-gates=perhaps"),
        (brain, "--beside-metallb=never"),
        (brain, "--ignore-exclude-lb=yes"),
        (wire, "--profile=warp"),
        (wire, "--realtime=1"),
        (wire, "--segment-expects-policy=perhaps"),
    ],
)
@pytest.mark.parametrize("by_environment", [False, True], ids=["flag", "variable"])
def test_what_makes_no_sense_is_refused(
    parse: Parse,
    wrong: str,
    by_environment: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flag, _, value = wrong.partition("=")
    if by_environment:
        monkeypatch.setenv("HERALD_" + flag[2:].replace("-", "_").upper(), value)
    with pytest.raises(SystemExit) as ended:
        parse([*NEEDED[parse], *([] if by_environment else [wrong])])

    assert ended.value.code == 2
    assert f"argument {flag}: " in capsys.readouterr().err


@EVERY
def test_help_gives_each_flags_variable_and_what_it_is_without(
    parse: Parse, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--help"])
    text = " " + " ".join(
        capsys.readouterr().out.partition("message and exit")[2].partition("example:")[0].split()
    )
    flags = re.findall(r" (--[a-z-]+) .*?\((.*?); also (\w+)\)", text)

    assert ended.value.code == 0
    assert {flag for flag, _, _ in flags} == set(re.findall(r"--[a-z-]+", text))
    for flag, without, variable in flags:
        assert variable == "HERALD_" + flag[2:].replace("-", "_").upper()
        assert without == "needed" or without.startswith("default: ")


@pytest.mark.parametrize(
    ("given", "expected"), [([], False), (["--ignore-exclude-lb"], True)], ids=["without", "with"]
)
def test_a_switch_is_a_flag_or_a_variable(
    given: list[str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert brain([*BASE, *given])[0].own.ignore_exclude_label is expected
    monkeypatch.setenv("HERALD_IGNORE_EXCLUDE_LB", "true")
    assert brain([*BASE, *given])[0].own.ignore_exclude_label is True


@pytest.mark.usefixtures("logs")
@pytest.mark.parametrize(
    ("process", "lacking"),
    [
        ("wire", "--socket-dir"),
        ("brain", "--socket-dir"),
        ("bgp", "--socket-dir"),
        ("bgp", "--run-dir"),
    ],
)
def test_a_folder_that_is_not_there_is_named_in_a_sentence(
    process: str,
    lacking: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders = {"--socket-dir": tmp_path} | ({"--run-dir": tmp_path} if process == "bgp" else {})
    folders[lacking] = tmp_path / "missing"
    given = [f"{flag}={path}" for flag, path in folders.items()]
    monkeypatch.setattr(sys, "argv", ["herald-speaker", process, "--node-name=node1", *given])
    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    sentence = f"{lacking}: {tmp_path / 'missing'} is no folder; create it and start again\n"
    assert capsys.readouterr().err == sentence
    assert not (tmp_path / "missing").exists()


@pytest.mark.usefixtures("logs")
def test_without_credentials_the_brain_says_what_to_give(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--node-name=node1", f"--socket-dir={tmp_path}", "--kubeconfig=/nonexistent"]
    monkeypatch.setattr(sys, "argv", ["herald-speaker", "brain", *given])
    with pytest.raises(SystemExit) as ended:
        main()

    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "no credentials in /nonexistent: there is no such file" in said
    assert "Traceback" not in said
