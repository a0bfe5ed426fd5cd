"""How old our knowledge of the API is.

A quiet API server sends a bookmark once a minute or, where a kind doesn't change, nothing at all.
So silence alone says nothing: after 20 s without a byte one object is read, and only the failure of
a read or of a connection lets the age grow. It then counts from the last byte that came.
"""

SILENCE_S = 20.0
"After so long without a byte on some watch, one object is read."
PROBE_INTERVAL_S = 2.0
"Between reads while they fail."
PROBE_TIMEOUT_S = 2.0


class Freshness:
    """Times of the last signs of life, one for each watch; all times are loop seconds."""

    def __init__(self, watches: int, now: float) -> None:
        self._heard = [now] * watches
        self._read = now
        self._probed = now - PROBE_INTERVAL_S
        self._suspected = False
        self._failed_at: float | None = None

    def heard(self, watch: int, now: float) -> None:
        """Take note of a byte on a watch."""
        self._heard[watch] = now
        if self._failed_at is not None and min(self._heard) > self._failed_at:
            self._failed_at = None

    def suspect(self) -> None:
        """Take note that a watch or list got no answer: the next read is due at once."""
        self._suspected = True

    def read(self, now: float) -> bool:
        """Take note of a read that was answered; tell whether the one before had failed."""
        recovered = self._failed_at is not None
        self._read = self._probed = now
        self._failed_at = None
        self._suspected = False
        return recovered

    def failed(self, now: float) -> None:
        """Take note of a read that failed."""
        self._failed_at = self._probed = now
        self._suspected = False

    def next_probe(self) -> float:
        """Return when to read one object."""
        if self._failed_at is not None or self._suspected:
            return self._probed + PROBE_INTERVAL_S
        return self._last() + SILENCE_S

    def age_s(self, now: float) -> float:
        """Return seconds since the last sign of life, 0 while no read has failed since."""
        return 0.0 if self._failed_at is None else max(0.0, now - self._last())

    def silent(self, watch: int) -> bool:
        """Tell whether the watch gave no byte since a read failed."""
        return self._failed_at is not None and self._heard[watch] <= self._failed_at

    def _last(self) -> float:
        return max(self._read, min(self._heard, default=self._read))
