"""From status pages to the moves of an address: each told once, however many nodes saw it.

Each node notes what it sees on a clock of its own, so only ages can be compared between nodes. A
node that sees an address vacant for a moment notes two moves, X to nobody and nobody to Y; one that
hears of both at once notes X to Y. They are the same move.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from herald.trace import Pages, homes
from herald.words import words

Json = dict[str, Any]

SAME_MOVE_S = 3.0
"""Two nodes' records of one move are this close: reports are immediate."""


@dataclass(frozen=True, slots=True)
class MoveTrace:
    """One move, as the nodes saw it."""

    ago_s: float
    interface: str
    before: str
    after: str
    cause: str
    "In words: what the node that has it now says."
    other: str
    "What the node that had it says of it, in words, if that adds anything."
    noticed: str = ""
    "In words: how the node that has it now first knew that the other would not go on."
    taking_ms: float | None = None
    "From then until it had the address; None when that is not known."


@dataclass(frozen=True, slots=True)
class _Seen:
    """One node's record of a move."""

    node: str
    ago_s: float
    interface: str
    before: str
    after: str
    cause: str
    lost: str = ""
    "Why the address left `before`, where the node noted that apart."
    why: str = ""
    "The closed gate's words, where the node is the one that lost it."


def moves(pages: Pages, address: str) -> list[MoveTrace]:
    """Return the moves of an address, oldest first, each once."""
    seen = [each for node in pages for each in _joined(_of_node(pages, node, address))]
    groups: list[list[_Seen]] = []
    # Whole moves first: what another node saw only half of goes to them.
    for each in sorted(seen, key=lambda e: (not (e.before and e.after), -e.ago_s)):
        fitting = [group for group in groups if _same(group, each)]
        if fitting:
            min(fitting, key=lambda group: abs(group[0].ago_s - each.ago_s)).append(each)
        else:
            groups.append([each])
    return sorted((_merged(pages, group) for group in groups), key=lambda each: -each.ago_s)


def _of_node(pages: Pages, node: str, address: str) -> Iterator[_Seen]:
    page = pages[node]
    if page is None:
        return
    nics = homes(page, address)
    for move in page["moves"]:
        if move["address"] == address and move["interface"] in nics:
            yield _Seen(
                node=node,
                ago_s=page["now_s"] - move["at_s"],
                interface=move["interface"],
                before=move["from"],
                after=move["to"],
                cause=move["cause"],
                why=move["why"],
            )


def _joined(seen: Iterable[_Seen]) -> list[_Seen]:
    """Return a node's records with X to nobody and, soon after, nobody to Y made one."""
    done: list[_Seen] = []
    last: dict[str, int] = {}
    for each in seen:
        place = last.get(each.interface)
        first = done[place] if place is not None else None
        if place is not None and first is not None and _continues(first, each):
            done[place] = replace(each, before=first.before, lost=first.cause, why=first.why)
        else:
            last[each.interface] = len(done)
            done.append(each)
    return done


def _continues(first: _Seen, then: _Seen) -> bool:
    """Tell whether the two are halves of one move; who comes back to an address didn't move it."""
    halves = first.before and not first.after and not then.before and then.after
    return bool(halves) and then.after != first.before and first.ago_s - then.ago_s < SAME_MOVE_S


def _same(group: list[_Seen], other: _Seen) -> bool:
    """Tell whether the record is of the group's move; a node notes each move once."""
    whole = group[0]
    if other.node in {each.node for each in group}:
        return False
    if whole.interface != other.interface or abs(whole.ago_s - other.ago_s) >= SAME_MOVE_S:
        return False
    if (whole.before, whole.after) == (other.before, other.after):
        return True
    if not (whole.before and whole.after):
        return False
    half = (other.before, other.after)
    return half in ((whole.before, ""), ("", whole.after))


def _merged(pages: Pages, group: list[_Seen]) -> MoveTrace:
    """Return what the node that has it now says, and the one that had it; else any of them."""
    first = group[0]
    taker = next((each for each in group if each.node == first.after), None)
    giver = next((each for each in group if each.node == first.before), None)
    teller = taker or giver or first
    given = (giver.lost or giver.cause) if giver is not None else ""
    other = giver.why if giver is not None and giver.why else ""
    if not other and given and given != teller.cause:
        other = words(given)
    noticed, taking_ms = _notice(pages, first, taker)
    return MoveTrace(
        ago_s=teller.ago_s,
        interface=first.interface,
        before=first.before,
        after=first.after,
        cause=words(teller.cause),
        other=other,
        noticed=noticed,
        taking_ms=taking_ms,
    )


NOTICED = {
    "silent": "{taker} found {giver} silent",
    "draining": "{giver} told {taker} that it ends",
}
"""By how the neighbour stood then."""


def _notice(pages: Pages, move: _Seen, taker: _Seen | None) -> tuple[str, float | None]:
    """Return how and how long before its move the taker knew; both on the taker's own clock."""
    page = pages.get(move.after)
    if taker is None or page is None or not move.before:
        return "", None
    known = [
        (page["now_s"] - each["at_s"], each["standing"])
        for each in page["contacts"]
        if (each["node"], each["interface"]) == (move.before, move.interface)
    ]
    # The last change before the move says how things stood when it came.
    earlier = [each for each in known if each[0] >= taker.ago_s]
    if not earlier or earlier[-1][1] not in NOTICED:
        return "", None
    ago_s, standing = earlier[-1]
    if ago_s - taker.ago_s >= SAME_MOVE_S:
        return "", None
    text = NOTICED[standing].format(taker=move.after, giver=move.before)
    return text, round((ago_s - taker.ago_s) * 1000, 1)
