"""Whether the probes of a run were on time: a machine that stands still measures itself. Pure.

A probe that is not given the processor sends nothing, and neither Herald nor the lab is then what
the figures tell of. So the longest time that one of them sent nothing says whether a run counts,
whatever its figures are.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise

from netns_lab.drill.series import ArpSeries, ClientSeries

LATE_MS = 100.0
"""Twice what a machine with three times its work makes of a step of 1 or 5 ms, and as much as the
calibration's bounds allow."""


def late_ms(clients: Mapping[str, ClientSeries], arp: ArpSeries | None) -> float:
    """Return the longest time in which a probe sent nothing."""
    times = [[at for flow in each.flows for at in flow.sent_s] for each in clients.values()]
    if arp is not None:
        times.append(list(arp.asked_s))
    return round(max(map(_longest_s, times), default=0.0) * 1000, 2)


def _longest_s(times: Iterable[float]) -> float:
    return max((later - earlier for earlier, later in pairwise(sorted(times))), default=0.0)
