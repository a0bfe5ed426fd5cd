"""The process is ready when the routers have its routes, so that an update may go on."""

import pytest

from speaker.bgp.readiness import PATIENCE_S, Readiness
from speaker.seam.messages import SessionReport, SessionState


def report(state: SessionState, pending: int = 0) -> dict[str, SessionReport]:
    return {"router": SessionReport("router", state, pending=pending)}


@pytest.mark.parametrize(
    ("reports", "ready"),
    [
        pytest.param({}, False, id="nothing is known of the peer yet"),
        pytest.param(report(SessionState.CONNECTING), False, id="no session yet"),
        pytest.param(report(SessionState.UP, pending=3), False, id="routes have not left yet"),
        pytest.param(report(SessionState.UP), True, id="the router has all"),
        pytest.param(report(SessionState.HELD_DOWN), True, id="BFD says that the path has failed"),
        pytest.param(report(SessionState.DOWN), True, id="the peer can't be had"),
    ],
)
def test_ready_when_no_peer_is_waited_for(reports: dict[str, SessionReport], ready: bool) -> None:
    missing = Readiness().missing(["router"], reports, 7.0)

    assert missing == ("" if ready else "not all routes at router yet")


def test_no_peers_are_none_to_wait_for() -> None:
    assert Readiness().missing([], {}, 7.0) == ""


def test_a_router_that_is_away_stops_no_update_for_good() -> None:
    readiness, away = Readiness(), report(SessionState.CONNECTING)
    assert readiness.missing(["router"], away, 7.0)
    assert readiness.missing(["router"], away, 7.0 + PATIENCE_S - 1)

    assert readiness.missing(["router"], away, 7.0 + PATIENCE_S) == ""


def test_a_session_that_fails_later_changes_nothing() -> None:
    readiness = Readiness()
    assert readiness.missing(["router"], report(SessionState.UP), 7.0) == ""

    assert readiness.missing(["router"], report(SessionState.CONNECTING), 8.0) == ""
