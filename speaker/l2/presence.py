"""Whether this node is still starting, and whether it is alone where it should not be."""

import math

from speaker.hello.neighbours import Neighbour, Neighbours, Standing
from speaker.l2.actions import Link
from speaker.l2.timing import Timing
from speaker.seam.messages import ExpectedNode

MAX_HEARD = 256
"""Names remembered of nodes heard since boot; who is not among them is just not expected."""


class Presence:
    """Nodes expected on one NIC, and how long this node has listened."""

    def __init__(self, *, node: str, timing: Timing, neighbours: Neighbours) -> None:
        self._node = node
        self._timing = timing
        self._neighbours = neighbours
        self._told: tuple[ExpectedNode, ...] | None = None
        self._here: frozenset[str] = frozenset()
        self._heard: set[str] = set()
        self.started_at = math.inf
        self._check_at = math.inf

    def expect(self, nodes: tuple[ExpectedNode, ...] | None, link: Link) -> None:
        """Expect those with an address in one of the NIC's prefixes."""
        self._told = nodes if nodes is not None else self._told
        self._here = frozenset(
            each.node
            for each in self._told or ()
            if each.node != self._node
            and any(
                address in prefix.network
                for address in each.internal_ips
                for prefix in link.prefixes
                if address.version == prefix.version
            )
        )

    def hear(self, neighbour: Neighbour) -> None:
        """Expect a node that was once heard in both directions."""
        if neighbour.standing is Standing.TWO_WAY and len(self._heard) < MAX_HEARD:
            self._heard.add(neighbour.node)

    def starting(self, now: float) -> bool:
        """Return whether it has not listened long enough to claim anything (rule 8)."""
        self._check_at = self.started_at + self._timing.detection_s
        if now < self._check_at:
            return True
        self._check_at = self.started_at + self._timing.start_limit_s
        if now >= self._check_at:
            return False
        alive = [each for each in self._neighbours if each.standing >= Standing.UNPROVEN]
        if not alive:
            return self._told is None or bool(self._here)
        return any(
            each.standing is not Standing.TWO_WAY or not each.table.complete for each in alive
        )

    def next_deadline(self) -> float:
        """Return when `starting` may end by itself: asked again whenever something is heard."""
        return self._check_at

    def alone(self) -> bool:
        """Return whether it expects others and hears none of them (rule 9)."""
        if not self._here and not self._heard - {self._node}:
            return False
        return all(each.standing in (Standing.DEAD, Standing.UNPROVEN) for each in self._neighbours)
