"""One list of states, many histories that end in the same state.

A state is the objects that exist at one moment. Whatever way a cluster came to its last state,
what is decided there must be the same; any dependence on order shows as a difference.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

State: TypeAlias = tuple[Any, ...]


def histories(states: Sequence[State]) -> Iterator[tuple[str, list[State]]]:
    """Give each history with a name for it; all end in the last state."""
    last = states[-1]
    yield "as written", list(states)
    yield "the last state at once", [last]
    yield "states backwards, then the last", [*reversed(states), last]
    yield "objects backwards", [tuple(reversed(state)) for state in states]
    yield "nothing in between", [each for state in states for each in ((), state)]
    yield "each state twice", [each for state in states for each in (state, state)]
    yield "one object after another", [s for state in states for s in _growing(state)]
    yield "all states at once, then the last", [_together(states), last]


def _growing(state: State) -> list[State]:
    return [state[:count] for count in range(len(state) + 1)]


def _together(states: Sequence[State]) -> State:
    """Every object of every state, the latest of each name."""
    found = {(type(each), str(each.name)): each for state in states for each in state}
    return tuple(found.values())
