"""Every message there and back; every junk line a fault and never an exception."""

import dataclasses
import json
from ipaddress import ip_address, ip_network
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.seam.codec import LINE_LIMIT, SeamFault, decode, encode
from speaker.seam.messages import (
    AddressIntent,
    Begin,
    BfdIntent,
    BfdReport,
    BfdState,
    Counters,
    Expected,
    ExpectedNode,
    Freshness,
    HelloKey,
    Identity,
    Message,
    OnConflict,
    RouteIntent,
    RouteVariant,
    SessionReport,
    SessionState,
)

VIP = ip_address("192.168.4.10")
VIP6 = ip_address("fd00:4::10")
ROUTE = RouteIntent(
    ip_network("fd00:4::/64"), ("a",), ("64512:1",), 100, variants=(RouteVariant(("b",)),)
)
MESSAGES: list[Message] = [
    Identity("node1", "uid", (HelloKey(1, "ab"), HelloKey(2, "cd"))),
    AddressIntent(
        VIP,
        ("u1", "u2"),
        VIP6,
        ("lan0",),
        False,
        ("endpoint",),
        weight=-3,
        on_conflict=OnConflict.IGNORE,
    ),
    Expected((ExpectedNode("node2", (VIP, VIP6)), ExpectedNode("node3", ()))),
    Freshness(0.25),
    BfdIntent(VIP, VIP6),
    BfdReport(VIP6, BfdState.UP, "none"),
    Counters({"frames:kind=arp": 3.0}),
    Counters({"frames:kind=arp": 3.0}, 7, more=True),
    ROUTE,
    SessionReport("router", SessionState.UP, announced=(ip_network("10.0.0.0/24"),)),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_a_message_survives_its_line(message: Message) -> None:
    line = encode(message)

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.startswith(b'{"v":1,"t":"' + type(message).__name__.encode())
    assert decode(line) == message


def test_every_message_type_is_known() -> None:
    for kind in get_args(Message):
        line = json.dumps({"v": 1, "t": kind.__name__}).encode()
        needs = any(f.default is dataclasses.MISSING for f in dataclasses.fields(kind))
        assert decode(line) == (SeamFault.MISSING_FIELD if needs else kind())


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_every_truncation_is_a_fault(message: Message) -> None:
    line = encode(message).rstrip()

    for length in range(len(line)):
        assert isinstance(decode(line[:length]), SeamFault)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        pytest.param({"v": 2, "t": "Freshness", "age_s": 1}, SeamFault.WRONG_VERSION, id="newer"),
        pytest.param({"v": True, "t": "Freshness", "age_s": 1}, SeamFault.WRONG_VERSION, id="bool"),
        pytest.param({"t": "Freshness", "age_s": 1}, SeamFault.WRONG_VERSION, id="none"),
        pytest.param({"v": 1, "t": "Nonsense"}, SeamFault.UNKNOWN_TYPE, id="type"),
        pytest.param({"v": 1, "t": ["Freshness"]}, SeamFault.UNKNOWN_TYPE, id="type no text"),
        pytest.param({"v": 1, "t": "Freshness"}, SeamFault.MISSING_FIELD, id="missing"),
        pytest.param(
            {"v": 1, "t": "Freshness", "age_s": 1, "x": 1}, SeamFault.UNKNOWN_FIELD, id="unknown"
        ),
        pytest.param({"v": 1, "t": "Freshness", "age_s": "1"}, SeamFault.BAD_VALUE, id="text"),
        pytest.param({"v": 1, "t": "Freshness", "age_s": True}, SeamFault.BAD_VALUE, id="truth"),
        pytest.param({"v": 1, "t": "Drain", "active": 1}, SeamFault.BAD_VALUE, id="number"),
        pytest.param(
            {"v": 1, "t": "AddressRemoved", "address": 7}, SeamFault.BAD_VALUE, id="int address"
        ),
        pytest.param(
            {"v": 1, "t": "RouteRemoved", "prefix": "10.0.0.1/8"}, SeamFault.BAD_VALUE, id="host"
        ),
        pytest.param(
            {"v": 1, "t": "BfdReport", "peer": "::1", "state": "UP"}, SeamFault.BAD_VALUE, id="enum"
        ),
        pytest.param(
            {"v": 1, "t": "Identity", "node": "n", "cluster_id": "c", "keys": [{}]},
            SeamFault.BAD_VALUE,
            id="nested",
        ),
    ],
)
def test_a_wrong_line_says_what_is_wrong(values: dict[str, Any], fault: SeamFault) -> None:
    assert decode(json.dumps(values).encode()) is fault


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"v":1,"t":"Freshness","age_s":NaN}', id="NaN"),
        pytest.param(b'{"v":1,"t":"Freshness","age_s":1e999}', id="infinity"),
        pytest.param(b'{"v":1,"t":"Freshness","age_s":' + b"9" * 400 + b"}", id="huge"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b"x" * (LINE_LIMIT + 1), id="long"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"null", id="null"),
    ],
)
def test_hostile_lines_are_faults(line: bytes) -> None:
    assert isinstance(decode(line), SeamFault)


@given(st.binary(max_size=200))
@settings(max_examples=100)
def test_random_bytes_are_faults(junk: bytes) -> None:
    assert isinstance(decode(junk), SeamFault)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3),
    )
)
@settings(max_examples=100)
def test_any_value_in_a_field_is_a_message_or_a_fault(value: Any) -> None:
    line = json.dumps({"v": 1, "t": "AddressIntent", "address": value}).encode()

    assert isinstance(decode(line), SeamFault)


def test_secrets_do_not_show_in_reprs() -> None:
    assert "ab" not in repr(HelloKey(1, "ab"))


def test_begin_names_its_sender() -> None:
    assert decode(encode(Begin("1", "brain"))) == Begin("1", "brain")
