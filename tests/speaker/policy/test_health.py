"""Verdicts on a virtual clock: what keeps, what expires, what is asked when."""

import pytest

from speaker.policy.health import (
    BURST,
    FIRST_PAUSE_S,
    KEEP_S,
    LAST_PAUSE_S,
    NODE_PORT,
    PROBES_PER_S,
    PROVE_AFTER_START_S,
    PROVE_NEW_PORT_S,
    Health,
    Outcome,
    Verdict,
)

PORT = 31000
OK, NOT_OK, SILENCE = Outcome.OK, Outcome.REFUSED_SERVICE, Outcome.NO_ANSWER


def asking(*ports: int, now: float = 0.0) -> Health:
    health = Health(start=0.0)
    health.want(ports or (PORT,), now)
    return health


def ask(health: Health, outcome: Outcome, now: float, port: int = PORT) -> None:
    assert port in health.take_due(now)
    health.tell(port, outcome, now)


@pytest.mark.parametrize(
    ("outcome", "verdict"), [(OK, Verdict.OPEN), (NOT_OK, Verdict.FAILED)], ids=["200", "503"]
)
def test_an_answer_is_the_verdict(outcome: Outcome, verdict: Verdict) -> None:
    health = asking()
    ask(health, outcome, 0.0)

    assert health.verdict(PORT, 0.0) is verdict


@pytest.mark.parametrize(
    ("outcome", "verdict"), [(OK, Verdict.OPEN), (NOT_OK, Verdict.FAILED)], ids=["200", "503"]
)
def test_silence_keeps_the_last_verdict_for_a_minute(outcome: Outcome, verdict: Verdict) -> None:
    health = asking()
    ask(health, outcome, 0.0)
    ask(health, SILENCE, 1.0)

    assert health.verdict(PORT, 1.0 + KEEP_S - 0.001) is verdict
    assert health.verdict(PORT, 1.0 + KEEP_S) is Verdict.SILENT


def test_a_silence_begins_with_its_first_probe_and_ends_with_an_answer() -> None:
    health = asking()
    ask(health, OK, 0.0)
    ask(health, SILENCE, 1.0)
    ask(health, SILENCE, 50.0)
    assert health.verdict(PORT, 62.0) is Verdict.SILENT

    ask(health, OK, 62.0)
    ask(health, SILENCE, 63.0)
    assert health.verdict(PORT, 64.0) is Verdict.OPEN


def test_what_never_answered_opens_after_the_start_is_over() -> None:
    health = asking()
    ask(health, SILENCE, 0.0)

    assert health.verdict(PORT, PROVE_AFTER_START_S - 0.001) is Verdict.UNPROVEN
    assert health.verdict(PORT, PROVE_AFTER_START_S) is Verdict.OPEN


def test_a_new_port_is_given_less_where_the_proxy_has_answered() -> None:
    health = asking(NODE_PORT)
    ask(health, OK, 0.0, NODE_PORT)
    health.want((NODE_PORT, PORT), 100.0)

    assert health.verdict(PORT, 100.0 + PROVE_NEW_PORT_S - 0.001) is Verdict.UNPROVEN
    assert health.verdict(PORT, 100.0 + PROVE_NEW_PORT_S) is Verdict.OPEN


def test_a_new_port_is_open_at_once_where_no_proxy_ever_answered() -> None:
    health = asking(NODE_PORT)
    ask(health, SILENCE, 0.0, NODE_PORT)
    health.want((NODE_PORT, PORT), 100.0)

    assert health.verdict(PORT, 100.0) is Verdict.OPEN


def test_a_port_that_is_not_wanted_is_forgotten() -> None:
    health = asking()
    ask(health, OK, 0.0)
    health.want((), 1.0)

    assert health.verdict(PORT, 1.0) is Verdict.UNPROVEN
    health.tell(PORT, OK, 1.0)
    assert not health.verdicts(1.0)


def test_probes_grow_rarer_and_a_touch_makes_them_frequent_again() -> None:
    health = asking()
    times, now = [], 0.0
    for _ in range(9):
        ask(health, OK, now)
        deadline = health.next_deadline(now)
        assert deadline is not None
        times.append(deadline - now)
        now = deadline
    assert times[0] == FIRST_PAUSE_S
    assert times[1] == pytest.approx(2 * FIRST_PAUSE_S)
    assert times[-1] == pytest.approx(LAST_PAUSE_S)

    health.touch((PORT,), now)
    ask(health, OK, now)
    assert health.next_deadline(now) == pytest.approx(now + FIRST_PAUSE_S)


def test_a_changed_answer_is_looked_at_again_soon() -> None:
    health, now = asking(), 0.0
    for _ in range(9):
        ask(health, OK, now)
        now += LAST_PAUSE_S
    ask(health, NOT_OK, now)

    assert health.next_deadline(now) == pytest.approx(now + FIRST_PAUSE_S)


def test_a_port_is_asked_once_at_a_time() -> None:
    health = asking()

    assert health.take_due(0.0) == [PORT]
    assert health.take_due(9.0) == []


def test_probes_are_bounded_per_second() -> None:
    ports = range(31000, 31000 + 400)
    health = asking(*ports)

    first = health.take_due(0.0)
    assert len(first) == int(BURST)
    assert health.take_due(0.0) == []
    deadline = health.next_deadline(0.0)
    assert deadline is not None
    assert deadline > 0.0
    later = [port for step in range(1, 101) for port in health.take_due(step / 100)]
    assert len(later) == pytest.approx(PROBES_PER_S, abs=2)
    assert not set(first) & set(later)


def test_the_deadline_is_also_when_a_verdict_changes_by_itself() -> None:
    health = asking()
    ask(health, OK, 0.0)
    ask(health, SILENCE, 1.0)
    assert health.take_due(5.0) == [PORT]

    assert health.next_deadline(5.0) == 1.0 + KEEP_S
    assert Health(start=0.0).next_deadline(0.0) is None
