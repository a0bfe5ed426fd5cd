"""When Herald and the router knew of a fault: from the speakers' status pages and bgpd's log. Pure.

The speakers' loops, like the probes, count on CLOCK_MONOTONIC; the log is stamped by the wall
clock. Results are seconds on CLOCK_MONOTONIC, None where nothing of the kind was noted.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

DOWN = re.compile(r"^(\S+ [\d:.]+) BGP: .*%ADJCHANGE: neighbor ([0-9a-fA-F.:]+)\S* .*\bDown\b")
LOG_TIME = "%Y/%m/%d %H:%M:%S.%f"

Pages = Iterable[Mapping[str, Any]]


def detected_s(pages: Pages, target: str, fault_s: float) -> float | None:
    """Return when another node first found the target silent, or leaving."""
    return min(
        (
            contact["at_s"]
            for page in pages
            for contact in page["contacts"]
            if contact["node"] == target
            and contact["standing"] != "alive"
            and contact["at_s"] >= fault_s
        ),
        default=None,
    )


def taken_s(pages: Pages, target: str, address: str, fault_s: float) -> float | None:
    """Return when another node first said that it has the address now."""
    return min(
        (
            move["at_s"]
            for page in pages
            for move in page["moves"]
            if page["node"] == move["to"] != target
            and move["address"] == address
            and move["at_s"] >= fault_s
        ),
        default=None,
    )


def session_down_s(log: str, peer: str, fault_s: float, wall_offset_s: float) -> float | None:
    """Return when bgpd first gave the session up; `wall_offset_s` is wall clock minus monotonic."""
    for line in log.splitlines():
        found = DOWN.match(line)
        if found is None or found.group(2) != peer:
            continue
        at = datetime.strptime(found.group(1), LOG_TIME).astimezone().timestamp() - wall_offset_s
        if at >= fault_s:
            return at
    return None
