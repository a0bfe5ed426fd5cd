"""When neighbours fell silent or began to leave, and when they came back: a bounded history.

Fed by wire's reports. It says how early a speaker knew what its moves follow from.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from speaker.seam.messages import NeighbourReport

HISTORY = 1000
"""Changes kept over all neighbours."""


class Standing(Enum):
    """How a neighbour stands on a segment."""

    ALIVE = "alive"
    DRAINING = "draining"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Contact:
    """A neighbour stands otherwise than before. Times are loop seconds."""

    node: str
    interface: str
    standing: Standing
    at: float


@dataclass(slots=True)
class Contacts:
    """How each neighbour stands, and the changes."""

    _standing: dict[tuple[str, str], Standing] = field(default_factory=dict)
    "Of those only who are not silent: nodes come under ever new names."
    _history: deque[Contact] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def take(self, report: NeighbourReport, now: float) -> None:
        """Note the change that the report tells of, if any."""
        standing = _standing(report)
        key = (report.node, report.interface)
        if self._standing.pop(key, Standing.SILENT) is not standing:
            self._history.append(Contact(*key, standing, now))
        if standing is not Standing.SILENT:
            self._standing[key] = standing

    def all(self) -> list[Contact]:
        """Return all changes, oldest first."""
        return list(self._history)


def _standing(report: NeighbourReport) -> Standing:
    if not report.alive:
        return Standing.SILENT
    return Standing.DRAINING if report.draining else Standing.ALIVE
