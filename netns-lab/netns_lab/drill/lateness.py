"""Whether all got the processor in time: a machine that stands still measures itself. Pure.

A probe that is not given the processor sends nothing; a daemon, FRR or an echo server that is not
given it answers nothing. Neither Herald nor the lab is then what the figures tell of. So the
longest time that one of them had to wait says whether a run counts, whatever its figures are.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise

from netns_lab.drill.series import ArpSeries, ClientSeries

LATE_MS = 100.0
"""Twice what a machine with three times its work makes of a step of 1 or 5 ms, and as much as the
calibration's bounds allow."""


def lateness(clients: Mapping[str, ClientSeries], arp: ArpSeries | None) -> tuple[str, float]:
    """Return which probe sent nothing for longest, and how many milliseconds."""
    late_s = {
        f"the probe {name}": _longest_s(at for flow in series.flows for at in flow.sent_s)
        for name, series in clients.items()
    }
    if arp is not None:
        late_s["the probe arp"] = _longest_s(arp.asked_s)
    who = max(late_s, key=late_s.__getitem__, default="")
    return who, round(late_s.get(who, 0.0) * 1000, 2)


def _longest_s(times: Iterable[float]) -> float:
    return max((later - earlier for earlier, later in pairwise(sorted(times))), default=0.0)
