"""Starts the process that is a lab, and tells what it said last where it did not come up."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from netns_lab.orders import LabError, answers, give_order
from netns_lab.plan import LabPlan
from netns_lab.state import StateFolder

START_LIMIT_S = 180.0
"A supervisor that has ended is noticed at once; one that is slow is waited for."
UP_LIMIT_S = 300.0
"Longer than the supervisor itself waits for all that it starts, so that its own words are told."
POLL_S = 0.02
LAST_LINES = 5


def start_supervisor(
    plan: LabPlan, options: Sequence[str], *, tied: bool
) -> "subprocess.Popen[bytes]":
    """Start it in a folder that is made for it; tied, it ends when this process does."""
    state = StateFolder.of(plan.name)
    state.make()
    argv = [
        *(sys.executable, "-m", "netns_lab.supervisor", "--lab", plan.name),
        *("--nodes", str(len(plan.nodes)), *options),
        *(("--tied-to", str(os.getpid())) if tied else ()),
    ]
    with state.log("supervisor").open("ab") as output:
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )


def wait_up(
    state: StateFolder, child: "subprocess.Popen[bytes]", say: Callable[[str], None]
) -> None:
    """Return when the lab is up; raise LabError with the supervisor's last words when it is not."""
    try:
        _wait_begun(state, child)
        for answer in give_order(state.control_socket, {"do": "wait_up"}, UP_LIMIT_S):
            if "progress" in answer:
                say(answer["progress"])
    except LabError as error:
        raise LabError(f"{error}: {last_words(state) or 'busy machine?'}") from error


def last_words(state: StateFolder) -> str:
    """Return the last lines of the supervisor's log, which goes with the lab."""
    try:
        text = state.log("supervisor").read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-LAST_LINES:])


def _wait_begun(state: StateFolder, child: "subprocess.Popen[bytes]") -> None:
    limit = time.monotonic() + START_LIMIT_S
    while not answers(state.control_socket):
        if child.poll() is not None or time.monotonic() > limit:
            raise LabError("the lab's supervisor did not start")
        time.sleep(POLL_S)
