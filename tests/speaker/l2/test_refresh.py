from collections import Counter
from ipaddress import IPv4Address

import pytest

from speaker.l2.refresh import Refresh


def address(number: int) -> IPv4Address:
    return IPv4Address(0x0A000000 + number)


@pytest.mark.parametrize("count", [1, 7, 59, 61, 1000])
def test_every_address_has_its_turn_once_a_minute(count: int) -> None:
    refresh = Refresh()
    for number in range(count):
        refresh.add(address(number))
    turns = Counter(each for _ in range(600) for each in refresh.due(1.0))

    assert set(turns) == {address(number) for number in range(count)}
    assert set(turns.values()) <= {9, 10}


def test_turns_are_spread_evenly() -> None:
    refresh = Refresh()
    for number in range(6000):
        refresh.add(address(number))

    assert {len(refresh.due(1.0)) for _ in range(60)} <= {99, 100, 101}


def test_a_long_pause_gives_each_address_one_turn_at_most() -> None:
    refresh = Refresh()
    for number in range(10):
        refresh.add(address(number))

    assert len(refresh.due(1e6)) == len(set(refresh.due(1e6))) == 10


def test_a_removed_address_has_no_turn() -> None:
    refresh = Refresh()
    refresh.add(address(1))
    refresh.remove(address(1))
    refresh.remove(address(2))

    assert refresh.due(120.0) == []
