"""The order of taking: grade, preference, then MetalLB's hash order."""

import hashlib
from ipaddress import ip_address, ip_interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.hello.entry import Claim, Entry, Grade
from speaker.l2.actions import Link, Mac
from speaker.l2.claims import beats
from speaker.l2.rank import grade_of, rank_of, ranks_before, uid_hash
from speaker.seam.messages import AddressIntent
from tests.virtual_segment import intent

IPV6 = ip_address("fd00:4::10")
ELSEWHERE = ip_address("10.0.0.1")
LINK = Link(
    up=True,
    mac=Mac(bytes(6)),
    prefixes=(ip_interface("192.168.4.101/24"), ip_interface("fd00:4::101/64")),
)


@pytest.mark.parametrize(
    ("wanted", "owning", "grade"),
    [
        pytest.param(intent(), False, Grade.ON_SUBNET, id="in the NIC's prefix"),
        pytest.param(intent(IPV6), False, Grade.ON_SUBNET, id="the same for IPv6"),
        pytest.param(intent(ELSEWHERE), False, Grade.OFF_SUBNET, id="in no prefix: allowed"),
        pytest.param(intent(fit=False), True, Grade.REFUSED, id="a gate is closed"),
        pytest.param(
            intent(fit=False, last_resort=True), True, Grade.LAST_RESORT, id="a health gate alone"
        ),
        pytest.param(intent(may_begin=False), False, Grade.REFUSED, id="health unknown: no taking"),
        pytest.param(intent(may_begin=False), True, Grade.ON_SUBNET, id="health unknown: keeping"),
    ],
)
def test_each_node_grades_itself(wanted: AddressIntent, owning: bool, grade: Grade) -> None:
    assert grade_of(wanted, LINK, owning=owning) is grade


@settings(max_examples=30)
@given(st.sets(st.from_regex(r"[a-z]{1,8}", fullmatch=True), min_size=2, max_size=6))
def test_among_equals_the_order_is_the_one_that_metallb_uses(nodes: set[str]) -> None:
    ranked = sorted(nodes, key=lambda each: rank_of(each, "192.168.4.10", Grade.ON_SUBNET, 0))
    expected = sorted(
        nodes, key=lambda each: hashlib.sha256(f"{each}#192.168.4.10".encode()).digest()
    )
    assert ranked == expected


def test_grade_comes_before_preference_and_preference_before_hash() -> None:
    one = rank_of("a", "k", Grade.ON_SUBNET, 0)
    assert one < rank_of("b", "k", Grade.OFF_SUBNET, 100)
    assert rank_of("b", "k", Grade.ON_SUBNET, 1) < one


@given(
    st.sampled_from([each for each in Grade if each]),
    st.integers(-2, 2),
    st.sampled_from([each for each in Grade if each]),
    st.integers(-2, 2),
)
def test_ranks_before_agrees_with_the_ranks(
    grade: Grade, weight: int, other_grade: Grade, other_weight: int
) -> None:
    mine = rank_of("me", "k", grade, weight)
    other = rank_of("you", "k", other_grade, other_weight)
    assert ranks_before(Entry(other_grade, other_weight), "you", mine, "k") is (other < mine)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(Claim(1), Claim(9, provisional=True), id="not provisional"),
        pytest.param(Claim(9), Claim(8), id="later generation"),
        pytest.param(Claim(9, provisional=True), Claim(8, provisional=True), id="both alone"),
    ],
)
def test_the_better_claim(one: Claim, other: Claim) -> None:
    assert beats(("b", one), ("a", other), "k")
    assert not beats(("a", other), ("b", one), "k")


def test_equal_claims_are_told_apart_by_rank() -> None:
    claim = Claim(5)
    assert beats(("a", claim), ("b", claim), "k") is not beats(("b", claim), ("a", claim), "k")


def test_the_hash_of_the_services_depends_on_each_of_them() -> None:
    hashes = {uid_hash(intent(service_uids=each)) for each in [("a",), ("b",), ("a", "b"), ()]}
    assert len(hashes) == 4
