"""The recorded answers that keep the embedded API server honest are those of the real one.

With HERALD_RECORD_TRACE=1 they are written anew, after the trace or the pinned version changed.
"""

import json
import os
import signal
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from netns_lab.lab import Lab

pytestmark = pytest.mark.netns

CONTROL_PLANES = ("kube",)
LAB_NODES = 1
FOLDER = Path(__file__).parents[1] / "netns_lab" / "control_plane"
ANSWERS = FOLDER / "trace_answers.jsonl"
REPLAY_LIMIT_S = 180


def replayed(lab: Lab) -> str:
    """Replay the trace beside the API server and return the answers, one a line."""
    argv = [sys.executable, "-m", "netns_lab.control_plane.replay"]
    files = [str(lab.state.admin_kubeconfig), str(FOLDER / "trace.yaml")]
    command = lab.command("control", [*argv, *files])
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=REPLAY_LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def parsed(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_real_server_answers_the_trace_as_recorded(lab: Lab) -> None:
    # The trace is about the server: nobody else may write to its Services meanwhile.
    for each in lab.status()["processes"]:
        if each["process"].startswith("controller"):
            lab.signal(each["process"], signal.SIGSTOP)
    answers = replayed(lab)
    if os.environ.get("HERALD_RECORD_TRACE") == "1":
        ANSWERS.write_text(answers)

    for expected, given in zip_longest(parsed(ANSWERS.read_text()), parsed(answers)):
        assert given == expected, given["step"]
