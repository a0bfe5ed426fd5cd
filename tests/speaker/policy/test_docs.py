"""The operator's page names every gate."""

from pathlib import Path

import pytest

from kube.objects import TrafficPolicy
from speaker.policy.gates import EVERYWHERE, MEANINGS, Gate

PAGE = Path(__file__).parents[3] / "docs" / "policy.md"


@pytest.mark.parametrize("gate", [Gate.LOCAL_ENDPOINT, Gate.HEALTH])
def test_a_gate_that_checks_by_traffic_policy_says_what_under_each(gate: Gate) -> None:
    assert all(f"policy {policy.value}" in MEANINGS[gate] for policy in TrafficPolicy)


def test_the_page_has_a_row_for_every_gate_and_no_other() -> None:
    table = PAGE.read_text().split("## Gates")[1].split("\n\n")[2]
    rows = [line.split("|") for line in table.splitlines()[2:]]

    assert [row[1].strip(" `") for row in rows] == [gate.value for gate in Gate]
    everywhere = {row[1].strip(" `") for row in rows if row[3].strip() == "closed on all"}
    assert everywhere == {gate.value for gate in EVERYWHERE}
