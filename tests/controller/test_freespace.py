"""Free space of one family: the lowest free address, whatever was given and returned before."""

from hypothesis import given
from hypothesis import strategies as st

from controller.freespace import COOL_DOWN_S, FreeSpace


def space(
    *spans: tuple[int, int], avoid_edges: bool = False, skip: tuple[int, ...] = ()
) -> FreeSpace:
    capacity = sum(last - first + 1 for first, last in spans)
    return FreeSpace(spans, capacity, avoid_edges, frozenset(skip))


def test_lowest_address_comes_first_across_spans() -> None:
    free = space((5, 6), (10, 11))
    got = []
    while (address := free.lowest(0.0)) is not None:
        free.take(address)
        got.append(address)

    assert got == [5, 6, 10, 11]


def test_looking_takes_nothing() -> None:
    free = space((5, 6))

    assert free.lowest(0.0) == free.lowest(0.0) == 5


def test_returned_address_is_last_until_it_cooled_down() -> None:
    free = space((5, 7))
    free.take(5)
    free.give_back(5, 100.0)

    assert free.lowest(100.0 + COOL_DOWN_S - 0.1) == 6
    assert free.lowest(100.0 + COOL_DOWN_S) == 5


def test_of_those_that_cool_down_the_longest_free_is_given() -> None:
    free = space((5, 6))
    for address in (5, 6):
        free.take(address)
    free.give_back(6, 1.0)
    free.give_back(5, 2.0)

    assert free.lowest(3.0) == 6


def test_address_above_the_frontier_cools_down_too() -> None:
    free = space((5, 9))
    free.take(6)
    free.give_back(6, 0.0)
    free.take(5)

    assert free.lowest(1.0) == 7
    free.take(7)
    assert free.lowest(COOL_DOWN_S) == 6


def test_avoided_and_skipped_addresses_are_never_given_but_may_be_held() -> None:
    free = space((0xFE, 0x102), avoid_edges=True, skip=(0x101,))
    assert free.lowest(0.0) == 0xFE
    free.take(0xFE)
    assert free.lowest(0.0) == 0x102
    free.take(0x102)
    assert free.lowest(0.0) is None

    free.take(0x101)
    free.give_back(0x101, 0.0)

    assert free.lowest(1000.0) is None


def test_huge_space_costs_nothing() -> None:
    free = space((1 << 100, (1 << 101) - 1))
    free.take(1 << 100)

    assert free.lowest(0.0) == (1 << 100) + 1


@given(
    st.lists(
        st.tuples(st.sampled_from(("take", "lowest", "return", "wait")), st.integers(0, 9)),
        max_size=60,
    )
)
def test_equals_a_search_through_everything(moves: list[tuple[str, int]]) -> None:
    spans, skip = ((0, 3), (6, 9)), (1,)
    inside = [a for first, last in spans for a in range(first, last + 1)]
    free, now = space(*spans, skip=skip), 0.0
    held: set[int] = set()
    cooling: dict[int, float] = {}
    for move, value in moves:
        if move == "take" and value in inside:
            free.take(value)
            held.add(value)
            cooling.pop(value, None)
        elif move == "return" and value in held:
            free.give_back(value, now)
            held.discard(value)
            cooling[value] = now
        elif move == "wait":
            now += value * 10.0
            cooling = {a: t for a, t in cooling.items() if t + COOL_DOWN_S > now}
        usable = [a for a in inside if a not in held and a not in skip]
        fresh = [a for a in usable if a not in cooling]
        cooled = sorted((t, i) for i, (a, t) in enumerate(cooling.items()) if a in usable)
        oldest = [list(cooling)[i] for _, i in cooled]
        assert free.lowest(now) == next(iter((*fresh, *oldest)), None)
