"""What a drill leaves behind when it is not allowed to end."""

import signal
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest

from netns_lab import netns
from netns_lab.state import StateFolder
from tests.lab.until import until

pytestmark = pytest.mark.netns

HERALD = Path(sys.executable).parent / "herald"
HEEDING = ("env", "--default-signal=INT")
"""What is started in the background inherits SIGINT as ignored."""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_drill_that_is_ended_in_the_middle_leaves_nothing(end: signal.Signals) -> None:
    command = [str(HERALD), "drill", "run", "l2-drain", "--nodes", "2", "--runs", "1"]
    with subprocess.Popen(
        [*HEEDING, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as drill:
        assert drill.stderr is not None
        said = iter(drill.stderr.readline, "")
        before = list(takewhile(lambda line: "run 1 of 1" not in line, said))
        assert drill.poll() is None, "".join(before)
        name = f"drill{drill.pid}"
        assert netns.existing(f"herald-{name}-")
        drill.send_signal(end)
        rest = "".join(said)
    assert drill.returncode != 0
    assert "Traceback" not in rest
    until(lambda: not StateFolder.of(name).path.exists(), 60, "the state folder is gone")
    assert netns.existing(f"herald-{name}-") == []
