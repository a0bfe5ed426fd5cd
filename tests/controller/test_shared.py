"""Addresses in use by key and backend: what the index finds is what a look at each finds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.ledger import Holding, Ledger
from controller.numbers import to_address
from controller.shared import Shared
from controller.sharing import Terms, clash, strangers
from tests.builders import name, pool
from tests.controller.test_pools import pools

SPACES = ("red", "blue", "green")
PORTS = st.sets(st.tuples(st.sampled_from(("TCP", "UDP")), st.integers(80, 82)), max_size=3)
CONSENTS = st.sets(st.sampled_from((*SPACES, "*")), max_size=2)


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    return Terms(
        key=draw(st.sampled_from(("k", "k", "k", "l", ""))),
        backend=draw(st.sampled_from(("", "", "app=x"))),
        ports=frozenset(draw(PORTS)),
        namespace=draw(st.sampled_from(SPACES)),
        allows=frozenset(draw(CONSENTS)),
    )


SHARERS = st.lists(st.tuples(st.integers(0, 3), terms()), max_size=12)


@given(SHARERS, st.lists(st.integers(0, 11), max_size=12), terms())
@settings(max_examples=80, deadline=None)
def test_open_addresses_are_found_by_ports_and_namespace(
    joined: list[tuple[int, Terms]], leaving: list[int], asks: Terms
) -> None:
    shared, users = Shared(), list(joined)
    for value, each in joined:
        shared.join(value, each)
    for index in leaving:
        if index < len(users):
            value, _ = users.pop(index)
            shared.leave(value, [each for at, each in users if at == value])

    used = {value: [each for at, each in users if at == value] for value in {at for at, _ in users}}
    free = [
        value
        for value, there in sorted(used.items())
        if not any(each.ports & asks.ports for each in there)
    ]
    spaces = {value: {each.namespace for each in there} for value, there in used.items()}

    mine = [value for value in free if spaces[value] == {asks.namespace}]
    assert list(shared.open_to(asks)) == (free if asks.allows else mine)
    assert list(shared.open_to(asks, "red")) == [
        value for value in (free if asks.allows else mine) if "red" in spaces[value]
    ]
    for value in range(4):
        there = used.get(value, [])
        assert shared.use(value).tenants == len(there)


@given(SHARERS, terms(), st.integers(0, 3), st.integers(0, 12), st.booleans())
@settings(max_examples=80, deadline=None)
def test_obstacle_is_what_a_look_at_each_tenant_finds(
    held: list[tuple[int, Terms]], asks: Terms, value: int, who: int, settled: bool
) -> None:
    ledger = Ledger()
    ledger.replace_pools(pools(pool("p", "0.0.0.0-255.255.255.255")), frozenset(), 0.0)
    base = int(to_address(4, 0x0A000000))
    for number, (at, each) in enumerate(held):
        ledger.seat(Holding(name(f"s{number}"), (to_address(4, base + at),), each), 0.0)
    me, address = name(f"s{who}"), to_address(4, base + value)

    others = [tenant for tenant in ledger.tenants(address) if tenant.service != me]
    bad = [
        each
        for each in others
        if clash(asks, each.terms) or (not settled and strangers(asks, each.terms))
    ]

    found = ledger.obstacle(me, asks, address, settled=settled)
    assert (found is None) is (not bad)
    assert found is None or found[1] == bad[0]
