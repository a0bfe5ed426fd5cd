"""Leaving without loss: de-prefer, wait, withdraw. RFC 8326 for the idea; the waiting is ours.

Routers choose other paths while ours still works; only then is it taken away.
"""

from dataclasses import dataclass
from enum import Enum

BRAIN_GONE_S = 60.0
"Without a word from the brain for so long, what it wanted may be wrong; but it may be right."


class Stance(Enum):
    """How this node stands to the traffic that its routes bring."""

    WELCOME = "welcome"
    DE_PREFER = "de-prefer"
    WITHDRAW = "withdraw"


@dataclass(slots=True)
class Drain:
    """Time of a drain. `wait_s` is how long routes stay de-preferred."""

    wait_s: float
    leaving: bool = False
    "The process ends afterwards: nothing calls it off."
    _began_s: float | None = None
    _brain_heard_s: float | None = None

    def begin(self, now: float, *, leaving: bool = False) -> None:
        """Start, or go on with the one under way."""
        self.leaving |= leaving
        if self._began_s is None:
            self._began_s = now

    def cancel(self) -> None:
        """Take part again, unless the process is leaving."""
        if not self.leaving:
            self._began_s = None

    def brain_heard(self, now: float) -> None:
        """Note a sign of life."""
        self._brain_heard_s = now

    def stance(self, now: float) -> Stance:
        """Return what holds at this time."""
        if self._began_s is not None:
            waited = now >= self._began_s + self.wait_s
            return Stance.WITHDRAW if waited else Stance.DE_PREFER
        heard = self._brain_heard_s
        gone = heard is not None and now >= heard + BRAIN_GONE_S
        return Stance.DE_PREFER if gone else Stance.WELCOME

    def next_change(self, now: float) -> float | None:
        """Return when the stance may change by time alone."""
        if self._began_s is not None:
            at = self._began_s + self.wait_s
        elif self._brain_heard_s is not None:
            at = self._brain_heard_s + BRAIN_GONE_S
        else:
            return None
        return at if at > now else None
