"""Whether the loop turned in time. Pure; every input of the process beats it."""

from dataclasses import dataclass


@dataclass(slots=True)
class Pulse:
    """Notices that the loop stood still."""

    limit_s: float
    last: float
    stalls: int = 0

    def beat(self, now: float) -> bool:
        """Tell whether longer than the limit has passed since the last call."""
        stood_s, self.last = now - self.last, now
        if stood_s <= self.limit_s:
            return False
        self.stalls += 1
        return True
