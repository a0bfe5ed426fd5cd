"""What was decided for a Service, and what is shown for it."""

from dataclasses import dataclass

from controller.news import News
from controller.outcome import Assigned, Outcome, Pending
from kube.objects import Address


@dataclass(frozen=True, slots=True)
class Desire:
    """One decision, and the Events that are to be sent when it is written."""

    outcome: Outcome
    news: tuple[News, ...] = ()
    fresh: bool = True
    rejected: Pending | None = None
    "Shown instead while the API server calls a status with the outcome invalid."

    @property
    def addresses(self) -> tuple[Address, ...]:
        """What the Service shall have."""
        return self.outcome.addresses if isinstance(self.outcome, Assigned) else ()
