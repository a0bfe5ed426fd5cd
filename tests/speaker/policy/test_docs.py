"""The operator's page names every gate."""

from pathlib import Path

from speaker.policy.gates import EVERYWHERE, Gate

PAGE = Path(__file__).parents[3] / "docs" / "policy.md"


def test_the_page_has_a_row_for_every_gate_and_no_other() -> None:
    table = PAGE.read_text().split("## Gates")[1].split("\n\n")[2]
    rows = [line.split("|") for line in table.splitlines()[2:]]

    assert [row[1].strip(" `") for row in rows] == [gate.value for gate in Gate]
    everywhere = {row[1].strip(" `") for row in rows if row[3].strip() == "closed on all"}
    assert everywhere == {gate.value for gate in EVERYWHERE}
