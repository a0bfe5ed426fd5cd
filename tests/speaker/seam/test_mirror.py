"""A receiver's copy: old until End, then exactly what was said."""

from ipaddress import ip_address, ip_network

import pytest

from speaker.seam.messages import (
    AddressIntent,
    AddressRemoved,
    Begin,
    BfdForgotten,
    BfdIntent,
    BfdReport,
    BfdState,
    BgpFault,
    Drain,
    End,
    Freshness,
    Message,
    RouteIntent,
    RouteRemoved,
    SessionForgotten,
    SessionReport,
    SessionState,
)
from speaker.seam.mirror import GONE, KEYS, Mirror, SyncFault

A = AddressIntent(ip_address("192.168.4.10"), ("uid-a",), ip_address("192.168.4.10"))
B = AddressIntent(ip_address("192.168.4.11"), ("uid-b",), ip_address("192.168.4.11"))
UNFIT_A = AddressIntent(A.address, A.service_uids, A.rank_key, fit=False)
BFD = BfdIntent(ip_address("192.168.4.1"))
ROUTER = SessionReport("router", SessionState.UP)
REFUSED = BgpFault("router", "BGPPeer router: no route to its address")
SECOND = SessionReport("second", SessionState.DOWN)
PATH = BfdReport(BFD.peer, BfdState.UP)


def told(*messages: Message) -> Mirror:
    mirror = Mirror()
    say(mirror, Begin("0"), *messages, End("0"))
    return mirror


def say(mirror: Mirror, *messages: Message) -> list[Message]:
    changes: list[Message] = []
    for message in messages:
        result = mirror.receive(message)
        assert not isinstance(result, SyncFault)
        changes += result
    return changes


def test_nothing_comes_into_force_before_end() -> None:
    mirror = told(A)

    assert say(mirror, Begin("1"), B) == []
    assert list(mirror.of(AddressIntent)) == [A]
    assert say(mirror, End("1")) == [AddressRemoved(A.address), B, End("1")]
    assert list(mirror.of(AddressIntent)) == [B]


def test_a_lost_connection_before_end_leaves_everything() -> None:
    mirror = told(A)
    say(mirror, Begin("1"), B)

    mirror.lose_connection()

    assert list(mirror.of(AddressIntent)) == [A]
    assert mirror.receive(End("1")) is SyncFault.OUT_OF_STEP


def test_a_sync_says_only_what_differs() -> None:
    mirror = told(A, B)

    assert say(mirror, Begin("1"), UNFIT_A, B, End("1")) == [UNFIT_A, End("1")]


def test_what_the_sender_cannot_speak_about_stays() -> None:
    mirror = told(A, BFD)

    assert say(mirror, Begin("1", unknown=("AddressIntent",)), End("1"))[:-1] == [
        GONE[BfdIntent](BFD)
    ]
    assert list(mirror.of(AddressIntent)) == [A]


def test_changes_after_end_are_told_once() -> None:
    mirror = told(A)

    assert say(mirror, UNFIT_A, UNFIT_A) == [UNFIT_A]
    assert say(mirror, AddressRemoved(A.address), AddressRemoved(A.address)) == [
        AddressRemoved(A.address)
    ]


def test_a_change_and_its_removal_inside_a_sync_leave_no_trace() -> None:
    mirror = told(A)

    changes = say(mirror, Begin("1"), A, B, AddressRemoved(B.address), Drain(True), End("1"))

    assert changes == [Drain(True), End("1")]


def test_freshness_passes_between_begin_and_end() -> None:
    mirror = told()

    assert say(mirror, Begin("1"), Freshness(3.0)) == [Freshness(3.0)]


@pytest.mark.parametrize("kind", GONE)
def test_every_removal_names_a_held_kind(kind: type) -> None:
    assert kind in KEYS


def test_a_removed_route_is_gone_by_its_prefix() -> None:
    prefix = ip_network("192.168.4.10/32")
    mirror = told(RouteIntent(prefix, ("router",)))

    assert say(mirror, Begin("1"), End("1"))[0] == RouteRemoved(prefix)
    assert not mirror.held


def test_what_was_said_otherwise_meanwhile_is_not_in_force() -> None:
    mirror = told(A)
    assert mirror.in_force(A)

    say(mirror, UNFIT_A)
    assert not mirror.in_force(A)
    assert mirror.in_force(UNFIT_A)

    say(mirror, AddressRemoved(A.address))
    assert mirror.in_force(AddressRemoved(A.address))
    say(mirror, A)
    assert not mirror.in_force(AddressRemoved(A.address))
    assert mirror.in_force(Freshness(1.0))


def test_a_forgotten_session_takes_its_fault_with_it() -> None:
    mirror = told(ROUTER, REFUSED, SECOND)

    assert say(mirror, SessionForgotten("router"), SessionForgotten("router")) == [
        SessionForgotten("router")
    ]
    assert list(mirror.held.values()) == [SECOND]


def test_a_session_that_is_not_said_again_is_forgotten_and_said_to_be() -> None:
    mirror = told(ROUTER, REFUSED, SECOND, PATH)

    changes = say(mirror, Begin("1"), SECOND, End("1"))

    assert changes == [SessionForgotten("router"), BfdForgotten(BFD.peer), End("1")]
    assert all(mirror.in_force(change) for change in changes[:-1])
    assert list(mirror.held.values()) == [SECOND]


def test_a_session_forgotten_inside_a_sync_leaves_no_trace() -> None:
    mirror = told(SECOND)
    begun = (Begin("1"), SECOND, ROUTER, REFUSED, PATH)

    changes = say(mirror, *begun, SessionForgotten("router"), BfdForgotten(BFD.peer), End("1"))

    assert changes == [End("1")]
    assert list(mirror.held.values()) == [SECOND]


def test_a_session_that_comes_again_is_not_forgotten() -> None:
    mirror = told(ROUTER)

    say(mirror, SessionForgotten("router"), ROUTER)

    assert not mirror.in_force(SessionForgotten("router"))
    assert list(mirror.of(SessionReport)) == [ROUTER]
