"""Sessions by ExaBGP's events, and what the brain is told of them."""

from dataclasses import replace

from speaker.bgp.commands import Negotiated, Session
from speaker.bgp.plan import Planner
from speaker.bgp.routes import Delta
from speaker.bgp.sessions import Sessions, faults, session_reports
from speaker.seam.messages import BfdState, SessionState
from tests.speaker.bgp.samples import neighbour
from tests.speaker.bgp.test_plan import WORLD, failed
from tests.speaker.bgp.test_routes import delta_of

SELECTOR = neighbour().selector
BOTH = frozenset({4, 6})


def up() -> Sessions:
    """The first peer's session is up."""
    sessions = Sessions()
    sessions.apply(Negotiated(SELECTOR, BOTH))
    sessions.apply(Session(SELECTOR, "up"))
    return sessions


def test_only_up_means_up() -> None:
    sessions = Sessions()
    sessions.apply(Session(SELECTOR, "connected"))
    assert sessions.up == set()
    sessions.apply(Session(SELECTOR, "up"))
    assert sessions.up == sessions.owed_end_of_rib == {SELECTOR}


def test_a_session_that_ends_is_owed_nothing_and_says_why() -> None:
    sessions = up()
    sessions.apply(Session(SELECTOR, "down", "peer reset"))
    assert sessions == Sessions(reasons={SELECTOR: "peer reset"})


def test_a_lost_event_is_healed() -> None:
    sessions = up()
    sessions.sync({})
    assert sessions.up == set()
    sessions.sync({SELECTOR: BOTH})
    assert (sessions.up, sessions.agreed) == ({SELECTOR}, {SELECTOR: BOTH})
    assert sessions.owed_end_of_rib == {SELECTOR}


def test_a_known_session_is_not_owed_again() -> None:
    sessions = up()
    sessions.owed_end_of_rib.clear()
    sessions.sync({SELECTOR: BOTH})
    assert sessions.owed_end_of_rib == set()


def test_a_removed_neighbour_is_forgotten() -> None:
    sessions = up()
    sessions.keep([])
    assert sessions == Sessions()


def test_a_report_names_what_was_announced_and_what_lacks() -> None:
    plan = Planner().plan(WORLD)
    delta = delta_of(plan.routes)
    batch = delta.next_batch()
    assert batch is not None
    delta.done(batch)
    reports = session_reports(["router", "second"], plan, up(), delta)

    assert reports["router"].state is SessionState.UP
    assert len(reports["router"].announced) == 1
    assert reports["router"].pending == 1
    assert reports["second"].state is SessionState.CONNECTING


def test_a_session_that_is_down_announces_nothing() -> None:
    plan = Planner().plan(WORLD)
    delta = delta_of(plan.routes, plan.routes)
    sessions = Sessions(reasons={SELECTOR: "peer reset"})
    report = session_reports(["router"], plan, sessions, delta)["router"]

    assert (report.announced, report.reason) == ((), "peer reset")


def test_a_held_peer_is_reported_as_held() -> None:
    plan = Planner().plan(failed(BfdState.DOWN))
    report = session_reports(["router"], plan, Sessions(), Delta())["router"]
    assert report.state is SessionState.HELD_DOWN


def test_a_peer_that_cannot_be_is_down_with_its_reason() -> None:
    plan = Planner().plan(replace(WORLD, paths={}))
    report = session_reports(["router"], plan, Sessions(), Delta())["router"]
    assert report.state is SessionState.DOWN
    assert "no route to its address" in report.reason


def test_refused_routes_are_a_fault_of_their_peer() -> None:
    plan = Planner().plan(WORLD)
    key = next(iter(plan.routes))
    delta = delta_of(plan.routes)
    delta.refused[key] = plan.routes[key]
    found = faults(["router", "second"], plan, delta)

    assert found["router"].text == f"BGPPeer router: ExaBGP refuses {key[1]}"
    assert found["second"].text == ""
