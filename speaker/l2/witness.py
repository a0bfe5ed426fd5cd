"""The witness: before taking from a neighbour that fell silent, ask it whether it still answers.

A *unicast* ARP request or NS to its MAC: a switch with ARP suppression answers broadcast questions
for the dead, and not at all for the living. At most three of its addresses are asked for, twice.
Only an answer counts, and it means: wait, and ask again later.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from speaker.hello.neighbours import Neighbour
from speaker.l2.actions import Action, Mac, Witness
from speaker.l2.cause import Cause
from speaker.l2.vacancy import Blocked
from speaker.seam.messages import Address

MAX_ASKED = 3
VALID_S = 1.0
"""Silence is believed for so long, so the addresses of one dead node share one inquiry."""


@dataclass(slots=True)
class _Inquiry:
    mac: Mac
    begun_at: float
    repeat_at: float | None
    asked: list[Address] = field(default_factory=list)
    answered_at: float | None = None


class Witnesses:
    """Inquiries after silent neighbours, by node: at most one for each remembered neighbour."""

    def __init__(self, *, spacing_s: float, again_s: float, act: Callable[[Action], None]) -> None:
        self._spacing_s = spacing_s
        self._again_s = again_s
        self._act = act
        self._by_node: dict[str, _Inquiry] = {}
        self._repeat_at = math.inf

    def ask(self, silent: Neighbour, address: Address, now: float) -> Blocked | None:
        """Return None once the neighbour was asked and kept silent."""
        inquiry = self._by_node.get(silent.node)
        if inquiry is None or inquiry.mac != silent.mac or self._expired(inquiry, now):
            inquiry = _Inquiry(Mac(silent.mac), now, now + self._spacing_s)
            self._by_node[silent.node] = inquiry
            self._repeat_at = min(self._repeat_at, now + self._spacing_s)
        if inquiry.answered_at is not None:
            return Blocked(Cause.WITNESS_ANSWERS, inquiry.answered_at + self._again_s)
        ends_at = inquiry.begun_at + 2 * self._spacing_s
        if now >= ends_at:
            return None
        if len(inquiry.asked) < MAX_ASKED and address not in inquiry.asked:
            inquiry.asked.append(address)
            self._act(Witness(address, inquiry.mac))
        return Blocked(Cause.WAITING_FOR_RANK, ends_at)

    def _expired(self, inquiry: _Inquiry, now: float) -> bool:
        if inquiry.answered_at is not None:
            return now >= inquiry.answered_at + self._again_s
        return now >= inquiry.begun_at + 2 * self._spacing_s + VALID_S

    def answer(self, node: str, address: Address, now: float) -> bool:
        """Know that the node's MAC answered; return whether it was asked for that address."""
        inquiry = self._by_node.get(node)
        if inquiry is None or address not in inquiry.asked:
            return False
        inquiry.answered_at = now
        return True

    def asking(self, node: str) -> bool:
        """Return whether an answer of this node would matter."""
        return node in self._by_node

    def forget(self, node: str) -> None:
        """Ask anew next time: the node was heard again."""
        self._by_node.pop(node, None)

    def next_deadline(self) -> float:
        """Return when a question is to be repeated."""
        return self._repeat_at

    def handle_deadline(self, now: float) -> None:
        """Repeat what is due."""
        if now < self._repeat_at:
            return
        self._repeat_at = math.inf
        for inquiry in self._by_node.values():
            if inquiry.repeat_at is None:
                continue
            if now < inquiry.repeat_at:
                self._repeat_at = min(self._repeat_at, inquiry.repeat_at)
                continue
            inquiry.repeat_at = None
            if inquiry.answered_at is None:
                for address in inquiry.asked:
                    self._act(Witness(address, inquiry.mac))
