"""What is said of a lab that did not come up: its log goes with it."""

import subprocess
from pathlib import Path

import pytest

from netns_lab.orders import LabError
from netns_lab.starting import last_words, wait_up
from netns_lab.state import StateFolder


def ended() -> "subprocess.Popen[bytes]":
    child = subprocess.Popen(["true"])
    child.wait()
    return child


def test_a_supervisor_that_ended_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    state.logs.mkdir(parents=True)
    words = [f"line {number}" for number in range(9)]
    state.log("supervisor").write_text("\n".join(words) + "\n")

    with pytest.raises(LabError, match=r"did not start: line 4\nline 5\nline 6\nline 7\nline 8$"):
        wait_up(state, ended(), lambda _: None)


def test_one_that_left_no_log_has_no_last_words(tmp_path: Path) -> None:
    assert last_words(StateFolder(tmp_path)) == ""
