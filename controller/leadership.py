"""What the writers of the controller ask of the election."""

from typing import Protocol


class Leadership(Protocol):
    """Who leads; `kube.election` has the real one."""

    def leads(self) -> bool:
        """Tell whether this process leads at this moment."""
        ...

    def time_left_s(self) -> float:
        """Return for how long leading is certain."""
        ...
