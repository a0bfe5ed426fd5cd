"""Ranges: what pools may write, and finding the one that holds an address."""

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.ranges import AddressRange, RangeError, RangeIndex, parse_range


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        pytest.param("192.168.4.0/30", "192.168.4.0", "192.168.4.3", id="CIDR"),
        pytest.param("192.168.4.10/24", "192.168.4.0", "192.168.4.255", id="host bits"),
        pytest.param("10.0.0.1-10.0.0.9", "10.0.0.1", "10.0.0.9", id="range"),
        pytest.param(" 10.0.0.1 - 10.0.0.9 ", "10.0.0.1", "10.0.0.9", id="spaces"),
        pytest.param("10.0.0.1-10.0.0.1", "10.0.0.1", "10.0.0.1", id="one address"),
        pytest.param("fd00::/126", "fd00::", "fd00::3", id="IPv6"),
        pytest.param("0.0.0.0/0", "0.0.0.0", "255.255.255.255", id="everything"),
    ],
)
def test_range_is_read(text: str, first: str, last: str) -> None:
    assert parse_range(text) == AddressRange(ip_address(first), ip_address(last))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "invalid CIDR"),
        ("10.0.0.1", "write a CIDR such as 10.0.0.1/32"),
        ("10.0.0.0/33", 'invalid CIDR.*length of an IPv4 prefix is 0 to 32, not "33"'),
        ("fd00::/x", 'length of an IPv6 prefix is 0 to 128, not "x"'),
        ("fd00::/", "length of an IPv6 prefix is 0 to 128, not nothing"),
        ("10.0.0.0/255.255.255.0", 'length of an IPv4 prefix is 0 to 32, not "255.255.255.0"'),
        ("10.0.0.0/0.0.0.0", "length of an IPv4 prefix"),
        ("10.0.0.0/0.0.0.255", "length of an IPv4 prefix"),
        ("10.0.0.0/-1", "length of an IPv4 prefix"),
        ("10.0.0.0/٢٤", "length of an IPv4 prefix"),
        ("::ffff:10.7.0.0/16", "nothing to do with 10.7.0.0: write 10.7.0.0/16"),
        ("::ffff:10.7.0.0/64", "write 10.7.0.0/32"),
        ("fd00::1", "write a CIDR such as fd00::1/128"),
        ("gateway", "write a CIDR such as 192.168.4.0/24"),
        ("10.0.0.300/24", '"10.0.0.300" is not an IP address: write a CIDR such as 192.168.4.0/24'),
        ("10.0.0.0/24/8", "invalid CIDR.*write"),
        ("10.0.0.9-10.0.0.1", "swap them"),
        ("10.0.0.1-fd00::1", "different families: write one range for each"),
        ("10.0.0.1-x", 'invalid IP range.*"x" is not an IP address: write'),
        ("a-b", "invalid IP range"),
        ("10.0.0.1-10.0.0.2-10.0.0.3", "invalid IP range"),
    ],
)
def test_bad_range_says_what_to_write(text: str, words: str) -> None:
    with pytest.raises(RangeError, match=words):
        parse_range(text)


@pytest.mark.parametrize("text", ["x" * 5000, "x" * 5000 + "/24", "10.0.0.0/" + "9" * 5000])
def test_long_text_does_not_cut_off_the_remedy(text: str) -> None:
    with pytest.raises(RangeError, match="write a CIDR") as caught:
        parse_range(text)

    assert len(str(caught.value)) < 500


V4 = st.integers(0, 400)
SPANS = st.lists(st.tuples(V4, st.integers(0, 20), st.booleans()), max_size=12)


def disjoint(spans: list[tuple[int, int, bool]]) -> list[AddressRange]:
    found: list[AddressRange] = []
    for start, length, six in spans:
        base = int(ip_address("fd00::" if six else "10.0.0.0"))
        kind = type(ip_address("fd00::" if six else "10.0.0.0"))
        range_ = AddressRange(kind(base + start), kind(base + start + length))
        if not any(range_.overlaps(each) for each in found):
            found.append(range_)
    return found


@given(SPANS, V4, st.booleans())
@settings(max_examples=80, deadline=None)
def test_index_finds_what_a_look_at_each_finds(
    spans: list[tuple[int, int, bool]], offset: int, six: bool
) -> None:
    ranges = disjoint(spans)
    address = ip_address("fd00::" if six else "10.0.0.0") + offset
    index = RangeIndex((each, str(each)) for each in ranges)
    expected = next((str(each) for each in ranges if address in each), None)
    assert index.find(address) == expected


@given(SPANS, V4, st.integers(0, 20))
@settings(max_examples=80, deadline=None)
def test_index_finds_an_overlap_if_there_is_one(
    spans: list[tuple[int, int, bool]], start: int, length: int
) -> None:
    ranges = disjoint(spans)
    wanted = AddressRange(ip_address("10.0.0.0") + start, ip_address("10.0.0.0") + start + length)
    found = RangeIndex((each, str(each)) for each in ranges).overlapping(wanted)
    assert (found is not None) is any(each.overlaps(wanted) for each in ranges)
    assert found is None or found[0].overlaps(wanted)


@given(V4, st.integers(1, 300))
@settings(max_examples=80, deadline=None)
def test_spelled_range_means_the_same(start: int, size: int) -> None:
    first = ip_address("10.0.0.0") + start
    range_ = AddressRange(first, first + size - 1)
    assert parse_range(range_.spelled()) == range_
