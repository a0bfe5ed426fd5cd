"""How fast Services may be moved off addresses that they can no longer keep.

A pool that is deleted, shrunk or fenced by mistake must not renumber a whole cluster before anyone
sees it: moves come from a bucket of tokens, and none is spent until pools have been still for a
moment, so that deleting several pools, or deleting one to create it anew, is seen as one change.
"""

from dataclasses import dataclass

MOVES_PER_S = 10.0
BURST = 20
SETTLE_S = 2.0
"""How long pools must be still before the first Service moves."""


@dataclass(slots=True)
class Pace:
    """A token bucket over loop seconds."""

    per_s: float = MOVES_PER_S
    burst: int = BURST
    settle_s: float = SETTLE_S
    _tokens: float = float(BURST)
    _at: float = float("-inf")
    _not_before: float = float("-inf")

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)

    def disturbed(self, now: float) -> None:
        """Take note that pools changed: moves wait until that has settled."""
        self._not_before = now + self.settle_s

    def take(self, now: float) -> bool:
        """Spend a token for one move if there is one."""
        self._refill(now)
        if now < self._not_before or self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def available(self, now: float) -> int:
        """Return how many moves may be made now."""
        self._refill(now)
        return 0 if now < self._not_before else int(self._tokens)

    def next_at(self, now: float) -> float:
        """Return when the next move may be made."""
        self._refill(now)
        missing = max(0.0, 1.0 - self._tokens) / self.per_s
        return max(self._not_before, now + missing)

    def _refill(self, now: float) -> None:
        if self._at != float("-inf"):
            gained = (now - self._at) * self.per_s
            # A hair short of a whole token would make the deadline a turn late for ever.
            self._tokens = min(float(self.burst), round(self._tokens + gained, 6))
        self._at = now
