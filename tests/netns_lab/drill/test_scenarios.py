from pathlib import Path

import pytest

from netns_lab.drill.report_markdown import render_budgets
from netns_lab.drill.scenarios import SCENARIOS, SUITES, Scenario, find

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)


def test_a_suite_holds_its_drills_and_all_holds_every_one() -> None:
    assert find((), "all") == SCENARIOS
    assert {each.suite for each in find((), "bgp")} == {"bgp"}
    assert sum(len(find((), suite)) for suite in SUITES) == len(SCENARIOS)


def test_drills_are_found_by_name_in_their_own_order() -> None:
    found = find(("bgp-drain", "l2-drain"), None)

    assert [each.name for each in found] == ["l2-drain", "bgp-drain"]


@pytest.mark.parametrize(
    ("names", "suite", "words"),
    [
        pytest.param(("l2-crash",), None, "did you mean l2-node-crash", id="nearly right"),
        pytest.param(("frobnicate",), None, "there are l2-node-crash", id="no such drill"),
        pytest.param((), "l3", "there are all, l2", id="no such suite"),
    ],
)
def test_what_there_is_not_is_refused_with_what_there_is(
    names: tuple[str, ...], suite: str | None, words: str
) -> None:
    with pytest.raises(LookupError, match=words):
        find(names, suite)


@each_scenario
def test_every_drill_must_hold_something_and_has_a_control_that_can_fail(
    scenario: Scenario,
) -> None:
    assert scenario.budgets
    assert scenario.control.must
    if not scenario.control.calibration:
        assert set(scenario.control.must) <= set(scenario.budgets)


def test_the_documents_promise_what_the_drills_check() -> None:
    """Written by `herald drill list -o markdown`."""
    figures = Path(__file__).parents[3] / "docs" / "figures.md"

    assert render_budgets(SCENARIOS) in figures.read_text()
