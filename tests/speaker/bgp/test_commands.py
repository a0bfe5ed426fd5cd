"""ExaBGP's words, as version 5.0.15 was heard to say them."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.bgp import commands
from speaker.bgp.commands import (
    Acknowledged,
    AnswerLine,
    Negotiated,
    Reloaded,
    Session,
    parse_line,
    parse_neighbors,
    parse_pending,
    parse_routes,
)
from speaker.bgp.routes import Batch, Route
from tests.speaker.bgp.samples import neighbour

SELECTOR = "neighbor 10.9.0.2 local-ip 10.9.0.1 local-as 64512 peer-as 64513 router-id 10.9.0.1"
HEAD = '{ "exabgp": "5.0.0", "time": 1795230273.73, "host" : "vm", "pid" : 7, "ppid" : 6,'
ABOUT = (
    '"neighbor": { "address": { "local": "10.9.0.1", "peer": "10.9.0.2" },'
    ' "asn": { "local": 64512, "peer": 64513 }, "router-id": "10.9.0.1" ,'
)


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        pytest.param("done", Acknowledged(True), id="done"),
        pytest.param("error", Acknowledged(False), id="error"),
        pytest.param(
            f'{HEAD} "type": "state", {ABOUT} "state": "up" }} }}', Session(SELECTOR, "up"), id="up"
        ),
        pytest.param(
            f'{HEAD} "type": "state", {ABOUT} "state": "down", "reason": "peer reset" }} }}',
            Session(SELECTOR, "down", "peer reset"),
            id="down",
        ),
        pytest.param(
            f'{HEAD} "type": "negotiated", {ABOUT} "negotiated": {{ "hold_time": 90,'
            ' "families": ["ipv4 unicast", "ipv6 unicast"] } } }',
            Negotiated(SELECTOR, frozenset({4, 6})),
            id="negotiated",
        ),
        pytest.param(
            '{"type": "reload", "ok": false, "error": "line 3"}',
            Reloaded(False, "line 3"),
            id="reload",
        ),
        pytest.param(
            f'{HEAD} "type": "notification", "notification": "shutdown" }}', None, id="other"
        ),
        pytest.param("exabgp 5.0.15", AnswerLine("exabgp 5.0.15"), id="an answer"),
        pytest.param("{half", AnswerLine("{half"), id="half a line"),
    ],
)
def test_a_line_means(line: str, meaning: object) -> None:
    assert parse_line(line) == meaning


def test_the_selector_is_the_one_that_events_and_answers_use() -> None:
    assert neighbour().selector == SELECTOR


FULL = Route(
    ip_network("192.168.4.11/32"),
    ip_address("10.9.0.1"),
    as_path=(64512, 64512, 64512, 64512),
    med=4294967295,
    local_pref=0,
    communities=((64512, 7), (65535, 0)),
    large_communities=((64512, 1, 2),),
)


def test_a_batch_becomes_one_command() -> None:
    assert commands.apply_batch(Batch(SELECTOR, (FULL,), withdraw=False)) == (
        f"{SELECTOR} announce attributes next-hop 10.9.0.1 as-path [ 64512 64512 64512 64512 ]"
        " med 4294967295 local-preference 0 community [ 64512:7 65535:0 ]"
        " large-community [ 64512:1:2 ] nlri 192.168.4.11/32"
    )
    assert commands.apply_batch(Batch(SELECTOR, (FULL,), withdraw=True)) == (
        f"{SELECTOR} withdraw attributes next-hop 10.9.0.1 nlri 192.168.4.11/32"
    )


def test_routes_are_read_back_with_all_attributes() -> None:
    name = f"{SELECTOR} family-allowed in-open"
    said = [
        f"{name} ipv4 unicast 192.168.4.10/32 next-hop 10.9.0.1",
        f"{name} ipv4 unicast 192.168.4.11/32 next-hop 10.9.0.1 as-path ( 64512 64512 64512 64512 )"
        " med 4294967295 local-preference 0 community [ 64512:7 65535:0 ]"
        " large-community 64512:1:2",
        f"{name} ipv6 unicast fd00:4::10/128 next-hop fd09::1 community no-export",
    ]
    found = parse_routes(said)

    assert found[SELECTOR, FULL.prefix] == FULL
    assert found[SELECTOR, ip_network("192.168.4.10/32")].communities == ()
    assert found[SELECTOR, ip_network("fd00:4::10/128")].communities == ((65535, 65281),)


def test_pending_updates_are_counted_by_neighbour() -> None:
    said = [f"pending 3 {SELECTOR} family-allowed in-open", "pending 0 neighbor x family-allowed y"]
    assert parse_pending(said) == {SELECTOR: 3, "neighbor x": 0}


def test_only_established_neighbours_are_up() -> None:
    text = (
        '[{"state": "down", "fsm": "%s", "local": {"address": "10.9.0.1", "as": 64512,'
        ' "id": "10.9.0.1"}, "peer": {"address": "10.9.0.2", "as": 64513, "id": null},'
        ' "families": ["ipv4 unicast"]}]'
    )
    assert parse_neighbors([text % "ESTABLISHED"]) == {SELECTOR: frozenset({4})}
    assert parse_neighbors([text % "CONNECT"]) == {}
    assert parse_neighbors([]) == {}
    assert parse_neighbors(["half of an", "answer"]) is None


def test_lines_of_another_answer_are_passed_over() -> None:
    strays = ["", "done", "exabgp 5.0.15", f"pending x {SELECTOR}", "a family-allowed", "pending"]
    assert parse_routes(strays) == {}
    assert parse_pending(strays) == {}


@given(st.text(max_size=80))
@settings(max_examples=80, deadline=None)
def test_no_line_raises(text: str) -> None:
    parse_line(text)
