"""Whether a lab of wires notices that the machine had no time for one of them."""

import asyncio
import signal

import pytest

from tests.lab.attempts import StarvedError, once_more_when_starved, starved_runs
from tests.lab.lateness import LATE_MS
from tests.lab.wire_lab import VIP, WireLab, intent, until, wire_lab

pytestmark = pytest.mark.netns

STOOD_S = 0.5
LATE_AT_LEAST_MS = (STOOD_S - 0.1) * 1000
"""An owner's hello is due within 0.1 s."""


async def stand_still(lab: WireLab) -> None:
    """Give the owner no time, as a busy machine does: the lab must not know it from the test."""
    owner = await lab.one_owner()
    owner.signal(signal.SIGSTOP)
    await asyncio.sleep(STOOD_S)
    owner.signal(signal.SIGCONT)
    owner.disturbed = False
    await until(lambda: lab.late_ms() > LATE_AT_LEAST_MS, "a hello after it")


async def test_a_wire_that_had_no_time_is_seen_by_its_hellos() -> None:
    async with wire_lab(1, intent(VIP)) as lab:
        await stand_still(lab)

        assert lab.late_ms() > LATE_MS


async def test_a_failure_of_a_starved_lab_is_another_than_one_of_the_code() -> None:
    async def fail_in_a_starved_lab() -> None:
        async with wire_lab(1, intent(VIP)) as lab:
            await stand_still(lab)
            raise AssertionError("the owner is another")

    with pytest.raises(StarvedError, match="no time for"):
        await fail_in_a_starved_lab()


async def test_a_starved_run_is_told_of_and_the_last_one_counts() -> None:
    runs: list[int] = []
    told: list[str] = []

    @once_more_when_starved
    async def failing_twice() -> None:
        runs.append(len(runs))
        if len(runs) < 3:
            raise StarvedError("late") from AssertionError("the owner is another")

    await failing_twice(record_property=lambda _, said: told.append(str(said)))
    assert len(runs) == 3
    assert told == ["late: the owner is another"] * 2


def test_the_summary_names_each_run_that_did_not_count() -> None:
    properties = [("starved", "late: the owner\nis another"), ("other", "1")]
    report = pytest.TestReport(
        "t.py::test", ("t.py", 1, "test"), {}, "passed", None, "call", user_properties=properties
    )
    assert list(starved_runs([report])) == ["t.py::test: once more, late: the owner"]
