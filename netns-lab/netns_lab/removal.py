"""Takes labs away, running or crashed: their processes, namespaces and files.

The journal names the supervisor; whatever else is left is found by the names of the namespaces.
"""

import os
import signal
import time

from netns_lab import netns, topology
from netns_lab.orders import LabError
from netns_lab.state import Journal, StateFolder, labs, start_of

STOP_LIMIT_S = 15.0
"For an end in order."
END_LIMIT_S = 60.0
"For what was killed: on a busy machine that takes a while too."
POLL_S = 0.02


def take_down(name: str) -> bool:
    """Remove a lab, running or crashed; return whether there was anything."""
    state = StateFolder.of(name)
    journal, namespaces = state.read_journal(), netns.existing(f"herald-{name}-")
    if journal is None and not namespaces and not state.path.exists():
        return False
    if journal is not None and journal.supervisor_lives:
        _end_supervisor(journal)
    remove_rest(name)
    return True


def remove_rest(name: str) -> None:
    """Remove what a lab without its supervisor has left; the caller's process is spared."""
    namespaces = netns.existing(f"herald-{name}-")
    _kill_all(namespaces)
    topology.remove(namespaces)
    StateFolder.of(name).remove()


def existing_labs() -> list[str]:
    """Return the names of all labs that are up, or have left something."""
    named = {each.split("-")[1] for each in netns.existing("herald-") if each.count("-") >= 2}
    ours = {name for name in named if (netns.FOLDER / f"herald-{name}-switch").exists()}
    return sorted(ours | set(labs()))


def _end_supervisor(journal: Journal) -> None:
    os.kill(journal.supervisor_id, signal.SIGTERM)
    limit = time.monotonic() + STOP_LIMIT_S
    while time.monotonic() < limit:
        if start_of(journal.supervisor_id) != journal.supervisor_start:
            return
        time.sleep(POLL_S)
    os.kill(journal.supervisor_id, signal.SIGKILL)


def _kill_all(namespaces: list[str]) -> None:
    limit = time.monotonic() + END_LIMIT_S
    # Again until nothing is left: what is being started may appear after a look.
    while found := netns.process_ids(namespaces) - {os.getpid()}:
        for process_id in found:
            try:
                os.kill(process_id, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > limit:
            raise LabError(f"processes {sorted(found)} do not end")
        time.sleep(POLL_S)
