"""When the process is ready: a rolling update then goes on to the next node. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from speaker.seam.messages import SessionReport, SessionState

PATIENCE_S = 30.0
"""So long a session that does not come up keeps the process from being ready. Routers take a second
or two; one that is away must not stop an update for good."""


@dataclass(slots=True)
class Readiness:
    """Whether the routers know this node. Once they did, a session that fails changes nothing."""

    _asked_s: float | None = None
    _settled: bool = False

    def missing(
        self, peers: Iterable[str], reports: Mapping[str, SessionReport], now: float
    ) -> str:
        """Return which peers have not been told all yet; empty for ready."""
        if self._asked_s is None:
            self._asked_s = now
        waiting = sorted(name for name in peers if _is_waiting(reports.get(name)))
        if waiting and not self._settled and now < self._asked_s + PATIENCE_S:
            return f"not all routes at {', '.join(waiting)} yet"
        self._settled = True
        return ""


def _is_waiting(report: SessionReport | None) -> bool:
    if report is None or report.state is SessionState.CONNECTING:
        return True
    return report.state is SessionState.UP and report.pending > 0
