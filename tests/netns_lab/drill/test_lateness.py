"""How late a probe was is known from what it sent, whatever came back."""

from collections.abc import Mapping

from netns_lab.drill.lateness import lateness
from netns_lab.drill.measure import measure_run, with_machine
from netns_lab.drill.series import ArpSeries, ClientSeries, Flow
from tests.netns_lab.drill.series_of import STEP_S, client, flow, watcher


def late_ms(clients: Mapping[str, ClientSeries], arp: ArpSeries | None) -> float:
    return lateness(clients, arp)[1]


def sent(*times: float) -> Flow:
    return Flow(times, tuple(0.0 for _ in times))


def test_probes_that_kept_their_step_were_late_by_no_more() -> None:
    clients = {"lan": client(flow(1)), "routed": client(flow(1))}

    assert late_ms(clients, watcher(1)) == STEP_S * 1000


def test_a_loss_makes_nobody_late() -> None:
    assert late_ms({"lan": client(flow(2, lost=(0.5, 1.5)))}, None) == STEP_S * 1000


def test_flows_of_one_client_are_sent_by_one_process() -> None:
    one_in_turn = ClientSeries((sent(0.0, 0.02, 0.04), sent(0.01, 0.03, 0.3)))

    assert late_ms({"lan": one_in_turn}, None) == 260.0


def test_the_latest_probe_counts() -> None:
    standing = ArpSeries((0.0, 0.005, 0.205, 0.21), ())

    assert lateness({"lan": client(flow(1))}, standing) == ("the probe arp", 200.0)


def test_a_probe_that_sent_nothing_was_not_late() -> None:
    assert late_ms({"lan": ClientSeries((sent(),))}, ArpSeries((), ())) == 0.0


def test_a_process_of_the_lab_that_got_no_processor_was_late_too() -> None:
    figures = measure_run({"lan": client(flow(1))}, watcher(1), None, 0.5)

    starved = with_machine(figures, {"bgpd (7)": 0.002, "bfdd (8)": 0.31}, None)

    assert (starved.late_who, starved.late_ms) == ("bfdd (8)", 310.0)
    assert with_machine(figures, {"bgpd (7)": 0.002}, None) == figures
