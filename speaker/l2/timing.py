"""Every duration of the L2 core in one place, and the two profiles that ship."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations in seconds. Change them for a whole segment or not at all."""

    owner_interval_s: float = 0.1
    "Between hellos of a node that owns something or is changing."
    idle_interval_s: float = 1.0
    "Between hellos of a node that owns nothing."
    multiplier: int = 3
    "Intervals without a hello until its sender is dead."
    rank_step_s: float = 0.08
    "Rank k waits k of these before it takes a vacant address."
    witness_spacing_s: float = 0.03
    "Between the two unicast questions to the last claimant, and after the second."
    stranger_spacing_s: float = 0.1
    "Between the two broadcast probes at an address's first use, and after the second."
    announce_wait_s: float = 0.05
    "A successor announces after this, or earlier on hearing the release."
    start_limit_s: float = 3.0
    "The longest a starting node waits for its neighbours' tables."
    clash_hold_s: float = 5.0
    "The loser of a clash keeps off so long, doubling with each further one."
    life_s: float = 1.0
    "A foreign frame younger than this shows that the segment is alive."
    linger_s: float = 1.0
    "How long a holder that became unfit answers while nobody succeeds it."
    stale_s: float = 60.0
    "A node whose knowledge of the API is older hands over to a fresher one."

    @property
    def detection_s(self) -> float:
        """Detection time of a neighbour that owns addresses."""
        return self.owner_interval_s * self.multiplier


STANDARD = Timing()
"""100 ms x 3: a death is noticed within 0.3 s, at 10 datagrams/s for each owner."""

FAST = Timing(
    owner_interval_s=0.02,
    idle_interval_s=0.2,
    rank_step_s=0.04,
    witness_spacing_s=0.015,
)
"""20 ms x 3, for nodes whose wire process is not starved of CPU."""
