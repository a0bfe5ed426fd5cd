"""The one write a Service's status needs, and that it needs none when all is said."""

from typing import Any

import pytest

from controller.outcome import Assigned, NotOurs, Pending, Reason
from controller.patches import CONDITION, POOL_ANNOTATION, patch_for
from kube.objects import Condition
from tests.builders import service
from tests.controller.cluster import addresses

TAG = {POOL_ANNOTATION: "p"}
FULL = Pending(Reason.POOL_FULL, "IPAddressPool p", "spec.addresses", "full", "add a range")
SAID = Condition(CONDITION, "False", "PoolFull", "full: add a range")
GIVEN = Assigned(addresses("192.0.2.1"), "p")


def shown(**changes: Any) -> Any:
    return service("a", resource_version="7", **changes)


def test_address_and_annotation_go_in_one_patch_with_a_precondition() -> None:
    assert patch_for(shown(), GIVEN, "now") == {
        "metadata": {"resourceVersion": "7", "annotations": {POOL_ANNOTATION: "p"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}},
    }


@pytest.mark.parametrize(
    ("there", "outcome"),
    [
        pytest.param({"ingress": ["192.0.2.1"], "annotations": TAG}, GIVEN, id="all is shown"),
        pytest.param({"conditions": (SAID,)}, FULL, id="the reason is said"),
        pytest.param({"type": "ClusterIP"}, NotOurs(), id="nothing to clear"),
        pytest.param(
            {"ingress": ["192.0.2.1"], "load_balancer_class": "x"}, NotOurs(), id="another class"
        ),
        pytest.param(
            {"ingress": ["192.0.2.1"], "annotations": TAG},
            Assigned(
                addresses("192.0.2.1"), "p", Pending(Reason.MOVES_SOON, "Service a", "", "", "")
            ),
            id="it only moves soon",
        ),
    ],
)
def test_nothing_is_written_when(there: dict[str, Any], outcome: Any) -> None:
    assert patch_for(shown(**there), outcome, "now") is None


def test_host_name_in_the_status_is_overwritten() -> None:
    there = shown(ingress=["192.0.2.1"], annotations=TAG, ingress_complete=False)

    patch = patch_for(there, GIVEN, "now")

    assert patch is not None
    assert patch["status"]["loadBalancer"] == {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}


def test_cleared_service_loses_address_and_annotation_and_says_why() -> None:
    patch = patch_for(shown(ingress=["192.0.2.1"], annotations=TAG), FULL, "now")

    assert patch == {
        "metadata": {"resourceVersion": "7", "annotations": {POOL_ANNOTATION: None}},
        "status": {
            "loadBalancer": None,
            "conditions": [
                {
                    "type": CONDITION,
                    "status": "False",
                    "reason": "PoolFull",
                    "message": "full: add a range",
                    "lastTransitionTime": "now",
                }
            ],
        },
    }


def test_condition_goes_when_the_address_comes() -> None:
    patch = patch_for(shown(conditions=(SAID,)), GIVEN, "now")

    assert patch is not None
    assert patch["status"]["conditions"] == [{"$patch": "delete", "type": CONDITION}]


def test_words_of_a_condition_are_renewed_for_a_change_but_not_for_a_restart() -> None:
    older = Condition(CONDITION, "False", "PoolFull", "full: other words")

    assert patch_for(shown(conditions=(older,)), FULL, "now", fresh=False) is None
    assert patch_for(shown(conditions=(older,)), FULL, "now") is not None


def test_annotation_alone_is_corrected() -> None:
    there = shown(ingress=["192.0.2.1"], annotations={POOL_ANNOTATION: "renamed"})

    assert patch_for(there, GIVEN, "now") == {
        "metadata": {"resourceVersion": "7", "annotations": {POOL_ANNOTATION: "p"}}
    }


def test_annotation_stays_while_the_pool_of_the_address_is_unknown() -> None:
    there = shown(ingress=["192.0.2.1"], annotations=TAG)

    assert patch_for(there, Assigned(addresses("192.0.2.1"), ""), "now") is None
