"""Signs of life: an alone node asks for them, but not for each of its addresses."""

import math
from collections.abc import Callable

from speaker.l2.actions import Action, SeekLife

SEEK_INTERVAL_S = 0.2


class LifeSeeker:
    """Asks the segment for a sign of life now and then."""

    def __init__(self, act: Callable[[Action], None]) -> None:
        self._act = act
        self._sought_at = -math.inf

    def seek(self, now: float) -> float | None:
        """Ask unless that was done just now; return when to ask again, to one asker of many."""
        if now < self._sought_at + SEEK_INTERVAL_S:
            return None
        self._sought_at = now
        self._act(SeekLife())
        return now + SEEK_INTERVAL_S
