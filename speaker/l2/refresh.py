"""Which owned addresses are due for a refresh: each once a minute, evenly spread. Pure.

Switches and neighbours forget what they don't hear of. Only one frame an address and minute is
sent, so that thousands of addresses never make a burst.
"""

from ipaddress import IPv4Address, IPv6Address

from speaker.l2.gratuitous import REFRESH_S

Address = IPv4Address | IPv6Address


class Refresh:
    """A ring of the addresses owned, gone through in REFRESH_S."""

    def __init__(self) -> None:
        self._ring: dict[Address, None] = {}
        self._credit = 0.0

    def add(self, address: Address) -> None:
        """Begin with an address; its turn comes last."""
        self._ring.setdefault(address)

    def remove(self, address: Address) -> None:
        """End with an address."""
        self._ring.pop(address, None)

    def due(self, passed_s: float) -> list[Address]:
        """Return the addresses whose turn has come after so much more time."""
        self._credit += len(self._ring) * min(passed_s, REFRESH_S) / REFRESH_S
        turns = min(int(self._credit), len(self._ring))
        self._credit -= int(self._credit)
        found = []
        for _ in range(turns):
            address = next(iter(self._ring))
            self._ring[address] = self._ring.pop(address)  # to the end
            found.append(address)
        return found
