"""Label selectors: entries are AND-ed inside one, one of a list is enough."""

from typing import Any

import pytest

from kube.selectors import LabelSelector, any_matches

LABELS = {"app": "web", "tier": "front"}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        pytest.param({}, True, id="empty matches everything"),
        pytest.param({"matchLabels": {"app": "web"}}, True, id="label"),
        pytest.param({"matchLabels": {"app": "db"}}, False, id="other value"),
        pytest.param({"matchLabels": {"app": "web", "zone": "a"}}, False, id="all must be there"),
        pytest.param(expression("app", "In", "db", "web"), True, id="In"),
        pytest.param(expression("app", "NotIn", "db"), True, id="NotIn"),
        pytest.param(expression("app", "NotIn", "web"), False, id="NotIn, but it is"),
        pytest.param(expression("zone", "NotIn", "a"), True, id="NotIn matches a missing key"),
        pytest.param(expression("app", "Exists"), True, id="Exists"),
        pytest.param(expression("zone", "DoesNotExist"), True, id="DoesNotExist"),
        pytest.param(
            {"matchLabels": {"app": "web"}} | expression("tier", "In", "back"), False, id="both"
        ),
    ],
)
def test_selector_matches_as_kubernetes_does(selector: dict[str, Any], matches: bool) -> None:
    assert LabelSelector.model_validate(selector).matches(LABELS) is matches


def test_one_of_a_list_is_enough_and_none_is_not() -> None:
    no = LabelSelector.model_validate({"matchLabels": {"app": "db"}})
    yes = LabelSelector.model_validate({"matchLabels": {"app": "web"}})
    assert any_matches((no, yes), LABELS)
    assert not any_matches((no,), LABELS)
    assert not any_matches((), LABELS)
