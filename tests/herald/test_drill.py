"""`herald drill` without a lab: what it refuses at once, what it keeps, and its tables."""

import json
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from herald.cli import cli
from herald.drill import machine, run_sizes
from herald.output import Failure
from netns_lab.drill.results import DrillResult, to_json
from netns_lab.drill.scenarios import SCENARIOS
from netns_lab.orders import LabError
from tests.netns_lab.drill.test_results import drill


def herald(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["drill", *arguments])


def report(*results: DrillResult) -> dict[str, Any]:
    return to_json(results, "1", machine())


@pytest.mark.parametrize("option", ["--json", "--html", "--junit"])
def test_a_file_that_can_not_be_written_is_refused_before_anything_runs(option: str) -> None:
    result = herald("run", "l2-drain", option, "/no/such/folder/report")

    assert result.exit_code == 2
    assert "/no/such/folder is no folder that can be written to" in result.output


@pytest.mark.parametrize(
    ("end", "words"),
    [
        pytest.param(LabError("no room"), "no room", id="a lab that fails"),
        pytest.param(KeyboardInterrupt(), "interrupted", id="Ctrl-C"),
    ],
)
def test_what_was_measured_before_is_kept(end: BaseException, words: str) -> None:
    kept: list[int] = []

    def measure(nodes: int) -> Generator[DrillResult]:
        yield drill(0.1)
        if nodes == 3:
            raise end
        yield drill(0.1)

    def keep(results: Sequence[DrillResult]) -> None:
        kept.append(len(results))

    results, trouble = run_sizes((2, 3, 5), measure, keep)

    assert kept == [1, 2, 3]
    assert len(results) == 3
    assert trouble == words


def test_results_outlive_a_file_that_can_not_be_written() -> None:
    def keep(_: Sequence[DrillResult]) -> None:
        raise Failure("report.json: No space left on device")

    def measure(_: int) -> Generator[DrillResult]:
        try:
            yield drill(0.1)
            yield drill(0.1)
        finally:
            ended.append("lab down")

    ended: list[str] = []
    results, trouble = run_sizes((2, 3), measure, keep)

    assert len(results) == 1
    assert ended == ["lab down"]
    assert "No space left" in trouble


def test_too_few_nodes_for_a_drill_says_how_many_it_needs() -> None:
    result = herald("run", "l2-drain", "--nodes", "1")

    assert result.exit_code == 2
    assert "l2-drain needs at least 2 nodes: --nodes 2" in result.output


def test_list_shows_on_how_many_nodes() -> None:
    table, rows = herald("list").output, json.loads(herald("list", "-o", "json").output)

    assert table.count(" or more") == len(SCENARIOS)
    assert [row["nodes_min"] for row in rows] == [each.nodes_min for each in SCENARIOS]


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        pytest.param(drill(0.1), "failed as it must", id="control"),
        pytest.param(
            drill(0.1, control_gap_s=0.1), "did not fail", id="control that is no control"
        ),
        pytest.param(drill(0.1, control_gap_s=0.5, calibration=True), "measured right", id="calib"),
        pytest.param(drill(0.1, calibration=True), "measured wrong", id="calibration off"),
    ],
)
def test_table_says_how_the_control_went(tmp_path: Path, shown: DrillResult, words: str) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report(shown)))

    assert words in herald("report", str(file)).output


def test_report_gives_its_json_again(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report(drill(0.1))))

    assert json.loads(herald("report", str(file), "-o", "json").output) == json.loads(
        file.read_text()
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it is no JSON"),
        ("[]", "it has no list of drills"),
        ('{"kind": "List"}', "it has no list of drills"),
        ('{"schema": 9, "drills": []}', "schema 9"),
        ('{"schema": 1, "drills": [{}]}', "not a whole drill report"),
    ],
)
def test_what_is_no_report_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "report.json"
    file.write_text(text)
    result = herald("report", str(file))

    assert result.exit_code == 1
    assert words in result.output
