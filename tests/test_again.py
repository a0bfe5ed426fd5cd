"""What fails in the lab is looked at once more: broken stays broken, and unsteady is named."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.again import MOST, main

PYTEST = (sys.executable, "-m", "pytest", "-q", "-c", "/dev/null")
UNSTEADY = """
from pathlib import Path
def test_by_luck():
    seen = Path(__file__).with_suffix(".seen")
    had, _ = seen.exists(), seen.touch()
    assert had
"""
IN_FOLDER = "import os, sys; os.chdir(sys.argv[1]); os.execv(sys.argv[2], sys.argv[2:])"
BROKEN = "def test_never():\n    assert False\n"


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        pytest.param(UNSTEADY, 0, "UNSTEADY: test_it.py::test_by_luck", id="unsteady"),
        pytest.param(BROKEN, 1, "Once more, by itself: test_it.py::test_never", id="broken"),
    ],
)
def test_what_fails_again_is_broken(
    text: str, status: int, words: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_it.py").write_text(text)
    cache = tmp_path / "cache"
    run = [*PYTEST, "--rootdir", str(tmp_path), str(tmp_path), "-o", f"cache_dir={cache}"]
    assert subprocess.run(run, check=False, cwd=tmp_path).returncode == 1

    rerun = [*PYTEST, "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    with_cwd = [sys.executable, "-c", IN_FOLDER, str(tmp_path), *rerun]
    assert main(["tests", str(cache), *with_cwd]) == status
    assert words in capfd.readouterr().out


def report_of(folder: Path, failed: int) -> Path:
    drills = [{"name": f"d{n}", "passed": n >= failed} for n in range(9)]
    file = folder / "report.json"
    file.write_text(json.dumps({"drills": drills}))
    return file


def test_drills_that_failed_are_run_again_by_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    report = report_of(tmp_path, 2)

    assert main(["drills", str(report), sys.executable, "-c", "import sys; print(sys.argv)"]) == 0
    assert "['-c', 'd0', 'd1']" in capfd.readouterr().out


def test_many_failures_are_no_chance(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["drills", str(report_of(tmp_path, MOST + 1)), "true"]) == 1
    assert "no second look" in capfd.readouterr().out


def test_a_run_that_failed_by_itself_is_not_excused(tmp_path: Path) -> None:
    assert main(["tests", str(tmp_path / "none"), "true"]) == 1
    assert main(["drills", str(tmp_path / "none"), "true"]) == 1
