"""Whether a lab's machine stood still: then a move, or a write more, is what there must be.

A test that says "nothing happens" or "just this happens" is about a machine that gives its
processes the time they need. Where that was not so, it says nothing, and is tried again.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from netns_lab.commands import READY_PORTS
from netns_lab.lab import Lab

STEP_S, LATE_S = 0.02, 0.2
"""Of 0.3 s without a hello speakers make that a neighbour is gone."""
PAGE = f"http://127.0.0.1:{READY_PORTS['brain']}/status"
DAEMONS = ("controller@", "wire@", "brain@", "bgp@")
LEASE = "/apis/coordination.k8s.io/v1/namespaces/metallb-system/leases/herald-controller"


@contextmanager
def unrest(lab: Lab) -> Iterator[Callable[[], str]]:
    """Give a function that tells what has been noticed since, empty when nothing was."""
    before, worst_s, ended = _known(lab), 0.0, threading.Event()

    def watch() -> None:
        nonlocal worst_s
        last = time.monotonic()
        while not ended.wait(STEP_S):
            now = time.monotonic()
            worst_s, last = max(worst_s, now - last - STEP_S), now

    def noticed() -> str:
        if worst_s > LATE_S:
            return f"this process stood still for {worst_s:.2f} s"
        now = _known(lab)
        return "" if now == before else f"{before} has become {now}"

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield noticed
    finally:
        ended.set()
        watcher.join()


def _known(lab: Lab) -> dict[str, Any]:
    """Return how often neighbours fell silent, processes were started, and who leads changed."""
    processes = {each["process"]: each["starts"] for each in lab.status()["processes"]}
    starts = {name: count for name, count in processes.items() if name.startswith(DAEMONS)}
    silences = {f"silences at {node}": _silences(lab, node) for node in lab.plan.node_names}
    lease = (lab.get(LEASE) or {}).get("spec") or {}
    return starts | silences | {"leaders": lease.get("leaseTransitions")}


def _silences(lab: Lab, node: str) -> int | None:
    page = lab.fetch(node, PAGE, timeout_s=10.0)
    if page is None:
        return None
    standings = [each["standing"] for each in json.loads(page)["contacts"]]
    return standings.count("silent")
