"""Two tables on a virtual wire: coming up, failing, leaving, and what others may not do."""

from speaker.bfd.packet import State
from speaker.seam.messages import BfdState
from tests.speaker.bfd.wire import RIGHT, Wire


def test_two_ends_come_up() -> None:
    wire = Wire()
    wire.want()

    assert wire.run_until(wire.both_up) <= 3.0
    assert wire.right.states == [BfdState.DOWN, BfdState.INIT, BfdState.UP]


def test_intervals_become_fast_once_both_polls_are_answered() -> None:
    wire = Wire()
    wire.want()
    wire.run_until(wire.both_up)
    wire.run(1.0)

    assert wire.left.session.detection_time_s == 0.3
    before = len(wire.left.sent)
    wire.run(10.0)
    assert len(wire.left.sent) - before == 100


def test_cut_wire_is_detected_within_detection_time() -> None:
    wire = Wire()
    wire.want()
    wire.run_until(wire.both_up)
    wire.run(5.05)
    wire.cut = True
    wire.run(0.5)

    at, report = wire.left.reports[-1]
    assert report.state is BfdState.DOWN
    assert report.diagnostic == "control-detection-time-expired"
    last_heard = max(t for t, _ in wire.right.sent if t <= wire.now - 0.5)
    assert at - last_heard < 0.3 + 1e-6


def test_session_comes_back_after_a_cut() -> None:
    wire = Wire()
    wire.want()
    wire.run_until(wire.both_up)
    wire.cut = True
    wire.run(5.0)
    wire.cut = False
    wire.run_until(wire.both_up)

    assert wire.left.session.state is State.UP
    assert wire.left.reports[-1][1].diagnostic == ""


def test_removed_session_tells_the_neighbour_and_is_forgotten() -> None:
    wire = Wire()
    wire.want()
    wire.run_until(wire.both_up)
    wire.left.table.unwant(RIGHT, wire.now)
    wire.run(5.0)

    assert wire.right.reports[-1][1].state is BfdState.ADMIN_DOWN
    assert wire.left.table.session(RIGHT) is None
