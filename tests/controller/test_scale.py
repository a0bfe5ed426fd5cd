"""What a pass costs, in lines that are run: twice as many Services must not cost four times that.

Lines are the same on every machine, however busy it is.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from kube.objects import Service
from tests.builders import namespace, pool, service
from tests.controller.cluster import Cluster
from tests.controller.steps import svc

FEW = 40
WITHIN = 2.05


def lines(act: Callable[[], object]) -> int:
    """Return how many lines are run."""
    count = 0

    def look(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return look

    before = sys.gettrace()
    sys.settrace(look)
    try:
        act()
    finally:
        sys.settrace(before)
    return count


def clashing(number: int) -> Service:
    return service(f"s{number}", created=f"{number:06}", **svc("s", key="k"))


def on_one_address(number: int) -> Service:
    spec = svc("s", key="k", ports=[f"TCP/{number + 1}"])
    return service(f"s{number}", created=f"{number:06}", **spec)


def each_at_home(number: int) -> Service:
    """Two in each namespace, which share; who guesses the key of all shares with nobody else."""
    spec = svc("s", key="k", ports=[f"TCP/{80 + number % 2}"])
    return service(f"n{number // 2}/s{number}", created=f"{number:06}", **spec)


KINDS = [
    pytest.param(clashing, id="one key, one port"),
    pytest.param(on_one_address, id="all on one address"),
    pytest.param(each_at_home, id="one key, many namespaces"),
]


def crowd(make: Callable[[int], Service], count: int) -> Cluster:
    cluster = Cluster(pool("p", "10.0.0.0/16"))
    for each in map(make, range(count)):
        cluster.namespaces[each.name.namespace] = namespace(each.name.namespace)
        cluster.put(each)
    return cluster


@pytest.mark.parametrize("make", KINDS)
def test_sharers_are_served_and_adopted_at_a_cost_that_grows_with_their_number(
    make: Callable[[int], Service],
) -> None:
    def cost(count: int) -> tuple[int, int]:
        cluster = crowd(make, count)
        served = lines(cluster.run)
        return served, lines(cluster.restart().run)

    few, many = cost(FEW), cost(2 * FEW)

    assert many[0] < WITHIN * few[0]
    assert many[1] < WITHIN * few[1]


@pytest.mark.parametrize("make", KINDS)
def test_edit_of_a_pool_costs_what_grows_with_the_number_of_sharers(
    make: Callable[[int], Service],
) -> None:
    def cost(count: int) -> int:
        cluster = crowd(make, count).settle()
        return lines(cluster.replace_pools(pool("p", "10.0.0.0/15")).run)

    assert cost(2 * FEW) < WITHIN * cost(FEW)
