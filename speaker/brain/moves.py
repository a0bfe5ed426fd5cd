"""Which node has an address, and how it came to move: a bounded history with causes.

Fed by wire's reports. What wire says while it greets us is how things stand, not a move, unless we
knew better before.
"""

from collections import deque
from dataclasses import dataclass, field

from speaker.l2.cause import Cause
from speaker.seam.messages import Address, AddressForgotten, OwnerReport, OwnerState

HISTORY = 1000
"""Moves kept over all addresses; at some 200 bytes each."""


@dataclass(frozen=True, slots=True)
class Move:
    """An address changed hands on a NIC. Times are loop seconds."""

    address: Address
    interface: str
    before: str
    "Node name; empty if nobody had it."
    after: str
    cause: str
    generation: int
    at: float
    why: str = ""
    "What stood against this node when it lost the address, in the closed gate's own words."


@dataclass(slots=True)
class Moves:
    """The last owners known, and the moves between them; `node` is the own one."""

    node: str
    _owners: dict[tuple[Address, str], str] = field(default_factory=dict)
    _unsure: set[tuple[Address, str]] = field(default_factory=set)
    "What wire left out while it greeted us and has named no owner of since."
    _history: deque[Move] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def take(
        self, report: OwnerReport, *, greeting: bool, now: float, why: str = ""
    ) -> Move | None:
        """Return the move that the report tells of, or None when nobody else has the address.

        `why` is what stands against this node; it is kept when `node` is the one that lost it.
        """
        key = (report.address, report.interface)
        known = key in self._owners
        before = self._owners.get(key, "")
        after = report.owner if report.state in (OwnerState.OWNED, OwnerState.OTHER) else ""
        self._owners[key] = after
        # A wire process that has restarted learns who has it: that is news to it alone.
        learnt = key in self._unsure and after not in ("", self.node)
        if after:
            self._unsure.discard(key)
        if before == after or learnt or (greeting and not known):
            return None
        move = Move(
            report.address,
            report.interface,
            before,
            after,
            report.cause,
            report.generation,
            now,
            why if before == self.node else "",
        )
        self._history.append(move)
        return move

    def forget(self, report: AddressForgotten, *, greeting: bool, now: float) -> None:
        """Know nothing of the address on the NIC any more; note who has lost it by that.

        A NIC that is gone takes this node's addresses with it, and its sight of the others'. What
        wire leaves out while it greets us it does not know, so nothing follows from that.
        """
        key = (report.address, report.interface)
        before = self._owners.pop(key, "")
        if greeting:
            self._unsure.add(key)
        else:
            self._unsure.discard(key)
        lost = before == self.node or report.cause == Cause.REMOVED.value
        if before and lost and not greeting:
            self._history.append(
                Move(report.address, report.interface, before, "", report.cause, 0, now)
            )

    def of(self, address: Address) -> list[Move]:
        """Return the moves of one address, oldest first."""
        return [move for move in self._history if move.address == address]

    def all(self) -> list[Move]:
        """Return all moves, oldest first."""
        return list(self._history)
