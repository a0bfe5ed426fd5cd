"""A cut of known length has to be measured as that long, by whatever machine."""

import pytest

from netns_lab.drill.budget import breaches
from netns_lab.drill.measure import measure_run, with_machine
from netns_lab.drill.scenarios import CALIBRATION
from netns_lab.drill.series import KnownCut
from tests.netns_lab.drill.series_of import client, flow


def problems(gap_s: float, cut: KnownCut, **waits_s: float) -> list[str]:
    clients = {"lan": client(flow(3, (1.0, 1.0 + gap_s)))}
    figures = with_machine(measure_run(clients, None, None, 1.0), waits_s, cut)
    return breaches([figures], CALIBRATION.must)


@pytest.mark.parametrize("gap_s", [0.5, 0.53, 0.46])
def test_a_cut_that_is_measured_as_long_as_it_was_is_right(gap_s: float) -> None:
    assert not problems(gap_s, KnownCut(0.499, 0.502))


@pytest.mark.parametrize("gap_s", [0.4, 0.6])
def test_a_cut_that_is_measured_shorter_or_longer_than_it_was_is_wrong(gap_s: float) -> None:
    assert problems(gap_s, KnownCut(0.499, 0.502))


def test_a_cut_that_ended_late_must_be_measured_as_long_as_it_became() -> None:
    assert not problems(0.9, KnownCut(0.88, 0.91))
    assert problems(0.5, KnownCut(0.88, 0.91))


def test_what_the_machine_was_late_lengthens_a_gap_and_never_shortens_it() -> None:
    assert not problems(0.7, KnownCut(0.499, 0.502), supervisor=0.09)
    assert problems(0.4, KnownCut(0.499, 0.502), supervisor=0.09)


def test_without_a_cut_there_is_nothing_to_be_right_about() -> None:
    clients = {"lan": client(flow(1))}

    assert breaches([measure_run(clients, None, None, 0.5)], CALIBRATION.must)
