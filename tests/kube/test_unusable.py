"""Which addresses are left out of a pool, and which pools are refused for them."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.ranges import AddressRange, RangeError, parse_range
from kube.unusable import unusable_words, usable_parts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("::ffff:10.7.0.0/120", "IPv4-mapped.*write 10.7.0.0/24", id="mapped CIDR"),
        pytest.param("::ffff:10.7.0.1-::ffff:10.7.0.9", "write 10.7.0.1-10.7.0.9", id="mapped"),
        pytest.param("127.0.0.0/24", "loopback", id="loopback"),
        pytest.param("::1/128", "loopback", id="IPv6 loopback"),
        pytest.param("224.0.0.0/24", "multicast", id="multicast"),
        pytest.param("ff02::/120", "multicast", id="IPv6 multicast"),
        pytest.param("0.0.0.0/24", "unspecified", id="this network"),
        pytest.param("::/128", "unspecified", id="unspecified"),
        pytest.param("255.255.255.255/32", "broadcast", id="broadcast"),
        pytest.param("224.0.0.0/3", "multicast or reserved", id="nothing but two such blocks"),
    ],
)
def test_range_of_nothing_usable_is_refused(text: str, words: str) -> None:
    range_ = parse_range(text)

    assert usable_parts(range_) == ()
    with pytest.raises(RangeError, match=words):
        raise RangeError(unusable_words(range_))


@pytest.mark.parametrize(
    ("text", "first"),
    [
        pytest.param("0.0.0.0/0", "1.0.0.0", id="everything"),
        pytest.param("::/0", "::1:0:0", id="everything of IPv6"),
        pytest.param("126.255.255.255-128.0.0.1", "126.255.255.255", id="around loopback"),
        pytest.param("169.254.7.0/24", "169.254.7.0", id="link-local on purpose"),
        pytest.param("fe80::/64", "fe80::", id="IPv6 link-local on purpose"),
        pytest.param("240.1.0.0/16", "240.1.0.0", id="reserved on purpose"),
        pytest.param("1.2.3.0/31", "1.2.3.0", id="ordinary"),
    ],
)
def test_first_usable_address(text: str, first: str) -> None:
    range_ = parse_range(text)

    assert str(usable_parts(range_)[0].first) == first
    assert unusable_words(range_) == ""


NEVER = (
    ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32"),
    ("::/128", "::1/128", "::ffff:0:0/96", "ff00::/8"),
)
BORDERS = [
    parse_range(text)
    for text in (*NEVER[0], *NEVER[1], "169.254.0.0/16", "240.0.0.0/4", "fe80::/10", "10.0.0.0/8")
]


@given(st.sampled_from(BORDERS), st.booleans(), st.integers(-40, 40), st.integers(0, 80))
def test_parts_are_what_is_left_address_by_address(
    border: AddressRange, at_its_end: bool, offset: int, length: int
) -> None:
    kind, most = type(border.first), 2**border.first.max_prefixlen - 1
    first = min(most, max(0, int(border.last if at_its_end else border.first) + offset))
    last = min(most, first + length)
    whole = AddressRange(kind(first), kind(last))
    purpose = [parse_range(t) for t in ("169.254.0.0/16", "240.0.0.0/4", "::/96", "fe80::/10")]
    never = [parse_range(t) for texts in NEVER for t in texts]
    never += [each for each in purpose if not (whole.first in each and whole.last in each)]

    expected = [v for v in range(first, last + 1) if not any(kind(v) in each for each in never)]

    parts = usable_parts(whole)
    assert [v for p in parts for v in range(int(p.first), int(p.last) + 1)] == expected
    assert bool(unusable_words(whole)) == (not expected)


@pytest.mark.parametrize("text", ["fe80::1%eth0-fe80::9%eth0", "fe80::%eth0/64"])
def test_zone_is_refused(text: str) -> None:
    with pytest.raises(RangeError, match="zone"):
        parse_range(text)


def test_parts_of_both_families_keep_their_type() -> None:
    [part] = usable_parts(AddressRange(ip_address("0.0.0.0"), ip_address("1.0.0.0")))

    assert part == AddressRange(ip_address("1.0.0.0"), ip_address("1.0.0.0"))
