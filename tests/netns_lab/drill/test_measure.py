from dataclasses import replace

import pytest

from netns_lab.drill.measure import (
    arp_silence_ms,
    dual_answer_ms,
    longest_gap_ms,
    measure_client,
    measure_run,
)
from netns_lab.drill.series import ClientSeries, Connection, ExpectedChange, RouteChange
from tests.netns_lab.drill.series_of import STEP_S, client, flow, watcher

STEP_MS = STEP_S * 1000


def test_a_flow_without_loss_has_no_gap() -> None:
    assert longest_gap_ms(flow(2)) == 0


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        pytest.param((1.0, 1.5), 500, id="in the middle: last echo before to first echo after"),
        pytest.param((0.0, 0.5), 500, id="at the start: from the first datagram"),
        pytest.param((1.5, 2.0), 500, id="at the end: to the last datagram"),
        pytest.param((1.0, 1.01), 10, id="a single datagram counts"),
    ],
)
def test_a_gap_reaches_from_echo_to_echo(lost: tuple[float, float], expected: float) -> None:
    assert longest_gap_ms(flow(2, lost)) == pytest.approx(expected, abs=2 * STEP_MS)


def test_a_datagram_that_waited_for_the_whole_outage_does_not_hide_it() -> None:
    whole = flow(2, (1.0, 1.5))
    queued = replace(whole, echoed_s=(*whole.echoed_s[:100], 1.5, *whole.echoed_s[101:]))

    assert longest_gap_ms(queued) == pytest.approx(500, abs=2 * STEP_MS)


def test_a_clients_figures_are_sums_but_for_its_worst_gap() -> None:
    figures = measure_client(client(flow(2), flow(2, (1.0, 1.1)), flow(2, (1.0, 1.3))))

    assert figures.sent == 600
    assert figures.lost == 40
    assert figures.flows_hit == 2
    assert figures.longest_gap_ms == pytest.approx(300, abs=2 * STEP_MS)


def test_silence_is_the_longest_time_between_two_answers() -> None:
    assert arp_silence_ms(watcher(3, old=(0, 1.0), new=(1.3, 3))) == pytest.approx(305, abs=1)


def test_an_address_that_nobody_answers_is_silent_all_the_time() -> None:
    assert arp_silence_ms(watcher(1)) == pytest.approx(995)


def test_double_answers_last_as_long_as_requests_have_two_owners() -> None:
    assert dual_answer_ms(watcher(3, old=(0, 1.1), new=(1.0, 3))) == pytest.approx(100, abs=5)
    assert dual_answer_ms(watcher(3, old=(0, 1.0), new=(1.0, 3))) == 0


def test_a_run_is_as_bad_as_its_worst_client_and_has_its_marks() -> None:
    route = (RouteChange(0.2, ("a", "b")), RouteChange(1.08, ("b",)))

    run = measure_run(
        {"lan": client(flow(3, (1.0, 1.4))), "routed": client(flow(3))},
        watcher(3, old=(0, 1.0), new=(1.35, 3)),
        route,
        fault_s=1.0,
        path=ExpectedChange("a"),
    )

    assert run.lost == 40
    assert run.longest_gap_ms == pytest.approx(400, abs=2 * STEP_MS)
    assert run.route_change_ms == pytest.approx(80)
    assert run.marks["first_reply"] == pytest.approx(350, abs=5)
    assert run.marks["announced"] == pytest.approx(350, abs=5)
    assert run.tcp_broken is None


def test_what_was_not_watched_is_none() -> None:
    run = measure_run({"lan": client(flow(1))}, None, None, fault_s=0.5)

    assert (run.arp_silence_ms, run.dual_answer_ms, run.route_change_ms) == (None, None, None)


def test_broken_connections_are_counted_where_there_were_any() -> None:
    series = ClientSeries((flow(1),), (Connection(0.6, "reset"), Connection(None)))

    assert measure_run({"lan": series}, None, None, fault_s=0.5).tcp_broken == 1


def test_what_the_probes_cannot_see_is_a_mark_too() -> None:
    run = measure_run({}, None, None, 1.0, known_s={"detected": 1.3, "taken": 1.301})
    assert run.marks == {"detected": 300.0, "taken": 301.0}


def test_a_path_that_the_fault_brings_is_there_when_the_router_has_it() -> None:
    route = (RouteChange(1.2, ("b", "c")), RouteChange(2.1, ("a", "b", "c")))

    run = measure_run({}, None, route, 1.0, ExpectedChange("a", arrives=True))

    assert run.route_change_ms == pytest.approx(1100)
