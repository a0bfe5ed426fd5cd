import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from netns_lab.drill import report_html, report_junit, report_markdown
from netns_lab.drill.budget import Budget, Key, breaches, summarise
from netns_lab.drill.drawing import WIDTH
from netns_lab.drill.measure import RunFigures, measure_run
from netns_lab.drill.results import ControlResult, DrillResult, Run, control_words, to_json
from netns_lab.drill.timeline import Span, Timeline, draw
from tests.netns_lab.drill.series_of import client, flow, watcher

CRASH = Budget(Key.LONGEST_GAP_MS, median=400, worst=800)


def run_with_gap(gap_s: float) -> Run:
    clients = {"lan": client(flow(3, (1.0, 1.0 + gap_s)))}
    arp = watcher(3, old=(0, 1.0), new=(1.0 + gap_s, 3))
    figures = measure_run(clients, arp, None, fault_s=1.0)
    return Run(figures, draw(clients, arp, (), 1.0, figures.marks, {"old": "node1"}))


def figures(gap_ms: float) -> RunFigures:
    return replace(run_with_gap(0.1).figures, longest_gap_ms=gap_ms)


def drill(*gaps_s: float, control_gap_s: float = 2.0, calibration: bool = False) -> DrillResult:
    bound = Budget(Key.LONGEST_GAP_MS, least=450, worst=600) if calibration else CRASH
    return DrillResult(
        name="l2-node-crash",
        summary="The owner's node dies.",
        control_plane="embedded",
        nodes=2,
        budgets=(CRASH,),
        aims=(Budget(Key.LONGEST_GAP_MS, median=250),),
        runs=tuple(run_with_gap(gap) for gap in gaps_s),
        control=ControlResult(
            "successors frozen", run_with_gap(control_gap_s), (bound,), calibration
        ),
    )


@pytest.mark.parametrize(
    ("gaps", "broken"),
    [
        pytest.param((300, 350, 790), 0, id="the worst may be twice the median"),
        pytest.param((300, 350, 801), 1, id="the worst has its own bound"),
        pytest.param((401, 402, 403), 1, id="the median too"),
        pytest.param((401, 402, 900), 2, id="each bound is told"),
    ],
)
def test_bounds_hold_for_median_and_worst(gaps: tuple[float, ...], broken: int) -> None:
    assert len(breaches([figures(gap) for gap in gaps], [CRASH])) == broken


def test_a_figure_that_was_not_measured_breaks_its_bound() -> None:
    run = replace(figures(0), route_change_ms=None)

    assert breaches([run], [Budget(Key.ROUTE_CHANGE_MS, worst=80)])
    assert Key.ROUTE_CHANGE_MS not in summarise([run])


def test_a_drill_passes_when_budgets_hold_and_its_control_breaks_them() -> None:
    assert drill(0.2, 0.3, 0.3).passed


def test_a_control_that_does_no_harm_fails_the_drill() -> None:
    assert not drill(0.2, control_gap_s=0.1).passed


def test_a_calibration_must_be_measured_right() -> None:
    assert drill(0.2, control_gap_s=0.5, calibration=True).passed
    assert not drill(0.2, control_gap_s=1.0, calibration=True).passed


def test_a_run_that_could_not_be_measured_fails_the_drill() -> None:
    result = drill(0.2)
    broken = replace(result, runs=(replace(result.runs[0], error="no owner within 8 s"),))

    assert broken.problems[0] == "no owner within 8 s"


def test_a_control_that_could_not_be_measured_is_not_said_to_have_passed() -> None:
    result = drill(0.2)
    assert result.control is not None
    run = replace(result.control.run, error="no owner within 8 s")
    broken = replace(result, control=replace(result.control, run=run))

    assert not broken.passed
    shown = to_json([broken], "0.1.0", {})["drills"][0]["control"]
    assert control_words(shown) == "not measured"


def test_a_figure_without_a_unit_is_a_sentence_too() -> None:
    run = replace(figures(0), lost=234)

    assert breaches([run], [Budget(Key.LOST, worst=0)]) == ["lost: worst 234 over 0"]


def test_reports_say_the_same_in_every_form() -> None:
    report = to_json([drill(0.2), drill(0.9)], "0.1.0", {"cores": 2})

    assert [each["passed"] for each in report["drills"]] == [True, False]
    assert report["schema"] == 1
    assert [each["aims"][0]["met"] for each in report["drills"]] == [True, False]
    page = report_html.render(report)
    assert "1 of 2 passed" in page
    assert page.count("<svg") == 4
    assert page.count("failed as it must") == 2
    assert report_markdown.render(report).count("| failed as it must | yes |") == 1
    junit = ElementTree.fromstring(report_junit.render(report))
    assert (junit.get("tests"), junit.get("failures")) == ("2", "1")


def test_the_page_needs_no_other_file_and_fits_small_and_dark_screens() -> None:
    page = report_html.render(to_json([drill(0.2)], "0.1.0", {"cores": 2}))

    assert not re.search(r"""<script|<link|\ssrc=|url\(|href="(?!#)""", page)
    assert '<meta name="viewport"' in page
    assert "prefers-color-scheme:dark" in page
    assert page.count("<table>") + page.count("<svg") == page.count('<div class="wide">')


def test_the_times_under_a_drawing_are_whole() -> None:
    page = report_html.render(to_json([drill(0.2, 0.9)], "0.1.0", {"cores": 2}))
    times = re.findall(
        r'x="([\d.]+)" y="\d+" fill="currentColor" text-anchor="middle">(.+?)<', page
    )

    assert "500 ms" in {text for _, text in times}
    # Half of a letter is 4 wide, at most.
    assert max(float(x) + 4 * len(text) for x, text in times) <= WIDTH


def test_a_table_that_leaves_something_out_says_so() -> None:
    result = drill(0.2)
    spans = tuple(Span(at, at + 1, "1 datagrams") for at in range(60))
    run = replace(result.runs[0], timeline=Timeline((("lost by lan", spans),)))
    page = report_html.render(to_json([replace(result, runs=(run,))], "0.1.0", {}))

    assert "and 10 more: the JSON has them" in page
