"""How often to write what was written already: somebody else writes that status too.

A cloud's controller or k3s' ServiceLB that serves the same Services answers each of our writes with
one of its own. The first ones are put right at once; after that the pauses grow, so that two
allocators in a quarrel do not keep the API server busy, and the Service's owner is told.
"""

from dataclasses import dataclass, field

from controller.outcome import Outcome
from kube.objects import ObjectName

PAUSES_S = (0.0, 0.0, 1.0, 5.0, 15.0, 60.0)
"""Since the write before, for one decision; the last one repeats."""
TOLD_AT = 3
"""By then it is no accident."""
PEACE_S = 600.0
"""Without a foreign write: the next one is the first again."""


@dataclass(frozen=True, slots=True)
class _Done:
    outcome: Outcome
    at: float
    repairs: int = 0


@dataclass(slots=True)
class Repairs:
    """What was written last for each Service, and how often again."""

    _done: dict[ObjectName, _Done] = field(default_factory=dict)

    def not_before(self, name: ObjectName, outcome: Outcome, now: float) -> float:
        """Return when the outcome may be written."""
        done = self._last(name, outcome, now)
        return now if done is None else done.at + PAUSES_S[min(done.repairs, len(PAUSES_S) - 1)]

    def written(self, name: ObjectName, outcome: Outcome, now: float) -> bool:
        """Take note of a write; tell whether it is time to say that somebody else writes too."""
        done = self._last(name, outcome, now)
        repairs = done.repairs + 1 if done else 0
        self._done[name] = _Done(outcome, now, repairs)
        return repairs == TOLD_AT

    def forget(self, name: ObjectName) -> None:
        """Begin anew: the Service is gone, or its write was not done."""
        self._done.pop(name, None)

    def _last(self, name: ObjectName, outcome: Outcome, now: float) -> _Done | None:
        done = self._done.get(name)
        alike = done is not None and done.outcome == outcome and now < done.at + PEACE_S
        return done if alike else None
