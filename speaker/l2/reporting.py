"""What the brain is told of each address: who has it, and why; only when that changes."""

from collections.abc import Callable

from speaker.hello.neighbours import Standing
from speaker.l2.actions import Action, Report
from speaker.l2.cause import Cause
from speaker.l2.claims import best_claim
from speaker.l2.ground import Ground
from speaker.l2.record import CLAIMING, Record, Role
from speaker.seam.messages import AddressForgotten, OwnerReport, OwnerState

PASSING = (Cause.WAITING_FOR_RANK, Cause.STARTING, Cause.NONE)
"""Over within fractions of a second, for thousands of addresses at once: not worth a message."""


class Reporter:
    """Reports of one segment."""

    def __init__(self, ground: Ground, act: Callable[[Action], None]) -> None:
        self._ground = ground
        self._act = act

    def owned(self, record: Record) -> None:
        """Report that this node has the address."""
        state = OwnerState.OWNED if record.role is not Role.SUSPENDED else OwnerState.VACANT
        cause = record.cause if state is OwnerState.OWNED else Cause.LINK_DOWN
        self._tell(record, state, self._ground.node, cause)

    def not_owned(self, record: Record, blocked: Cause, now: float) -> None:
        """Report who else has the address, or why nobody has."""
        best = best_claim(self._ground, record, now)
        known = record.reported
        owner = known.owner if known is not None and known.state is OwnerState.OTHER else ""
        if best is not None:
            if owner == best[0] and record.lost is None:
                return
            self._tell(record, OwnerState.OTHER, best[0], record.lost or Cause.NEIGHBOUR_CLAIMS)
            record.lost = None
            return
        held = record.role is Role.HELD or blocked is Cause.CONFLICT
        cause = record.lost or blocked
        if cause in PASSING:
            return
        if owner and record.lost is None:
            if blocked is Cause.NEIGHBOUR_CLAIMS:
                return  # a third node still hears the claimant
            # What keeps this node from taking it is not why the other lost it: two reports.
            self._tell(record, OwnerState.VACANT, "", self._how_lost(record, owner))
        self._tell(record, OwnerState.HELD if held else OwnerState.VACANT, "", cause)

    def _tell(self, record: Record, state: OwnerState, owner: str, cause: Cause) -> None:
        record.cause = cause
        claiming = record.role in CLAIMING
        report = OwnerReport(
            address=record.address,
            interface=self._ground.interface,
            state=state,
            owner=owner,
            cause=cause.value,
            generation=record.generation if claiming else 0,
            provisional=record.provisional and claiming,
        )
        if report != record.reported:
            record.reported = report
            self._act(Report(report))

    def _how_lost(self, record: Record, owner: str) -> Cause:
        """Return why the claim of the node that had the address counts no more."""
        neighbour = self._ground.neighbours.by_node.get(owner)
        if neighbour is None or neighbour.standing is not Standing.TWO_WAY:
            return Cause.NEIGHBOUR_DIED
        return Cause.STALE if owner in record.claims else Cause.RELEASED

    def forget(self, record: Record) -> None:
        """Report that the address is wanted no more."""
        if record.reported is not None:
            interface, cause = self._ground.interface, Cause.REMOVED.value
            self._act(Report(AddressForgotten(record.address, interface, cause)))
