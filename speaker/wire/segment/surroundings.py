"""What one NIC's driver is given by the process. Pure."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from speaker.seam.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a NIC's driver needs from the process."""

    report: Callable[[Message], None]
    alive: Callable[[], bool]
    "False when the process stood still: all NICs have just been started anew."
    own_macs: Callable[[], Collection[bytes]]
    "Of all NICs of this node."
