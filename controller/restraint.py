"""How often to ask again for what the API server forbids: one answer for all objects of a kind.

A verb that a role has lost is lost for every object. So after a 403 one write at a time probes, the
pauses doubling to a minute; the first that is taken ends it for all. What is forbidden for one
object alone (a webhook's answer has the same status) ends with the next write of another one.
"""

from dataclasses import dataclass

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 60.0


@dataclass(slots=True)
class Restraint:
    """The pause of one verb on one resource, over loop seconds."""

    _pause_s: float = 0.0
    _until: float = 0.0

    @property
    def forbidden(self) -> bool:
        """Tell whether the last write that was answered was forbidden."""
        return self._pause_s > 0.0

    def refused(self, now: float) -> None:
        """Take note of a 403; those to writes begun before the pause say nothing new."""
        if now < self._until:
            return
        self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * self._pause_s))
        self._until = now + self._pause_s

    def accepted(self) -> None:
        """Take note that a write was taken."""
        self._pause_s = self._until = 0.0

    def allowance(self, now: float, under_way: int, most: int) -> int:
        """Return how many writes may be begun beside those under way."""
        if not self.forbidden:
            return most - under_way
        return 1 if now >= self._until and not under_way else 0

    def next_at(self, now: float) -> float | None:
        """Return when the pause ends, None outside one."""
        return self._until if self._until > now else None
