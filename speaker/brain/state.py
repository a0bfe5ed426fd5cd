"""What the brain knows and has decided; intents, status and metrics are views of it."""

from dataclasses import dataclass, field

from kube.configuration import Configuration
from kube.faults import Fault
from kube.snapshot import Snapshot
from speaker.policy.deciding import Deciding
from speaker.policy.health import Health
from speaker.policy.view import Self


@dataclass(slots=True)
class State:
    """One brain's knowledge."""

    deciding: Deciding
    health: Health
    health_gates: bool = True
    configuration: Configuration = field(default_factory=Configuration)
    faults: tuple[Fault, ...] = ()
    identity_fault: str = ""

    @property
    def snapshot(self) -> Snapshot:
        """The cluster as it was decided upon."""
        return self.deciding.view.snapshot

    @property
    def own(self) -> Self:
        """Who decides."""
        return self.deciding.view.own
