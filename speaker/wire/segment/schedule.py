"""When a NIC's kernel filters are made anew, and how exact. Pure.

An exact filter of thousands of addresses takes tens of milliseconds to make. So a change is
followed at once by a coarse one, and by the exact one when the addresses have come to rest; and
making filters never takes more than a tenth of the time, however fast addresses change.
"""

from dataclasses import dataclass

SMALL = 60
"""So many addresses have an exact filter at once."""
REST_S = 0.25
SHARE = 0.1


@dataclass(slots=True)
class FilterSchedule:
    """`at` is when the filters are to be made next, None for not; `exact` whether exactly."""

    at: float | None = None
    exact: bool = True
    _free: float = 0.0

    def changed(self, count: int) -> None:
        """Know that the set of addresses, now so many, is another."""
        self.exact = count <= SMALL
        self.at = self._free

    def made(self, began: float, ended: float) -> None:
        """Know that the filters were made."""
        self._free = ended + (ended - began) * (1 / SHARE - 1)
        self.at = None if self.exact else ended + REST_S
        self.exact = True
