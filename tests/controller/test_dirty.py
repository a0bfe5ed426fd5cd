"""Which changes in the watch the planner must judge: all but those it has decided itself."""

from typing import Any

import pytest

from controller.delta import Delta
from controller.dirty import is_news
from controller.outcome import Assigned
from kube.objects import Condition, Service
from tests.builders import name, service
from tests.controller.cluster import POOL_ANNOTATION, addresses

TAG = {POOL_ANNOTATION: "p"}
BARE: dict[str, Any] = {"annotations": {"herald.io/x": "y"}}
DONE: dict[str, Any] = {"annotations": {"herald.io/x": "y"} | TAG, "ingress": ["192.0.2.1"]}


def decided() -> Delta:
    delta = Delta()
    delta.observe(name("a"), service("a"))
    delta.want(name("a"), Assigned(addresses("192.0.2.1"), "p"), (), fresh=True)
    return delta


def state(**changes: Any) -> Service:
    return service("a", **changes)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(state(**DONE, resource_version="9"), id="what was decided is shown"),
        pytest.param(state(**DONE), id="the same again"),
    ],
)
def test_echo_is_no_news(after: Service) -> None:
    assert not is_news(state(**BARE), after, decided())


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(state(**BARE), id="nothing is shown yet"),
        pytest.param(state(**DONE | {"ingress": ["192.0.2.7"]}), id="another address"),
        pytest.param(state(**DONE | {"ingress_complete": False}), id="a hostname too"),
        pytest.param(state(**DONE | {"annotations": BARE["annotations"]}), id="without the pool"),
        pytest.param(state(**DONE | {"annotations": TAG}), id="an annotation went away"),
        pytest.param(
            state(**DONE | {"annotations": DONE["annotations"] | {"metallb.io/address-pool": "q"}}),
            id="an annotation came",
        ),
        pytest.param(
            state(**DONE, conditions=(Condition("herald.io/AddressAssigned", "False", "X", ""),)),
            id="a condition that is not ours to keep",
        ),
        pytest.param(state(**DONE, labels={"team": "red"}), id="a label"),
        pytest.param(state(**DONE, uid="another"), id="deleted and created anew"),
        pytest.param(state(**DONE, type="ClusterIP"), id="another type"),
        pytest.param(state(**DONE, load_balancer_class="x"), id="another class"),
        pytest.param(None, id="deleted"),
    ],
)
def test_all_else_is_news(after: Service | None) -> None:
    assert is_news(state(**BARE), after, decided())


def test_what_was_not_there_before_is_news() -> None:
    assert is_news(None, state(**DONE), decided())


def test_what_nobody_has_decided_on_is_news() -> None:
    assert is_news(state(**BARE), state(**DONE), Delta())
