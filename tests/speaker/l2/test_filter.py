import itertools
import random
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.l2.arp import Operation, arp_announcement, arp_request
from speaker.l2.ethernet import Mac
from speaker.l2.filter import (
    DROP_ALL,
    MODEST_LIMIT,
    Program,
    anything_heard,
    arp_from,
    arp_requests_for,
    encode,
    hellos,
    ndp_about,
    ranges,
)
from speaker.l2.ndp import advertisement, solicitation
from speaker.l2.udp import hello_frame
from tests.speaker.l2.bpf import check, passes, steps
from tests.speaker.l2.vectors import (
    ARP_PROBE,
    ARP_REQUEST,
    CLIENT,
    CLIENT4,
    CLIENT6,
    NODE,
    NODE4,
    NODE6,
    NS_DAD,
    NS_MULTICAST,
    NS_UNICAST,
    VIP4,
)

LOW = st.integers(0, 2**32 - 1)


def scattered(count: int) -> list[IPv4Address]:
    """Addresses no two of which are neighbours."""
    return [IPv4Address(0x0A000000 + 3 * i) for i in range(count)]


def asked(address: IPv4Address) -> bytes:
    return arp_request(address, mac=CLIENT, sender=CLIENT4)


def longest_path(program: Program, addresses: Iterable[IPv4Address]) -> int:
    return max(steps(program, asked(address))[1] for address in addresses)


def test_requests_for_a_wanted_target_pass_and_no_others() -> None:
    program = arp_requests_for([VIP4])

    assert passes(program, asked(VIP4))
    assert passes(program, ARP_PROBE)
    assert not passes(program, ARP_REQUEST)
    assert not passes(program, arp_announcement(VIP4, CLIENT, Operation.REPLY))


def test_anything_a_wanted_sender_says_passes_and_nothing_else() -> None:
    program = arp_from([VIP4])

    assert passes(program, arp_announcement(VIP4, CLIENT, Operation.REPLY))
    assert passes(program, arp_request(CLIENT4, mac=CLIENT, sender=VIP4))
    assert not passes(program, asked(VIP4))


def test_no_address_lets_nothing_in() -> None:
    for program in (arp_requests_for([]), arp_from([]), ndp_about([]), DROP_ALL):
        for frame in (asked(VIP4), NS_MULTICAST, hello_frame(b"", mac=NODE, sender=NODE4)):
            assert not passes(program, frame)


@pytest.mark.parametrize("frame", [NS_MULTICAST, NS_DAD])
def test_solicitations_for_a_wanted_target_pass(frame: bytes) -> None:
    assert passes(ndp_about([CLIENT6]), frame)
    assert not passes(ndp_about([NODE6, IPv6Address("fd00:4:0:1::2")]), frame)


def test_advertisements_of_a_wanted_target_pass() -> None:
    assert passes(ndp_about([NODE6]), advertisement(NODE6, CLIENT))
    assert passes(ndp_about([NODE6]), NS_UNICAST)
    assert not passes(ndp_about([NODE6]), advertisement(CLIENT6, CLIENT))


def test_other_icmp_and_other_protocols_over_ipv6_do_not_pass() -> None:
    router_advertisement = NS_MULTICAST[:54] + b"\x86" + NS_MULTICAST[55:]
    udp = NS_MULTICAST[:20] + b"\x11" + NS_MULTICAST[21:]

    assert not passes(ndp_about([CLIENT6]), router_advertisement)
    assert not passes(ndp_about([CLIENT6]), udp)


def test_hellos_pass_also_behind_ip_options() -> None:
    frame = hello_frame(b"hello", mac=NODE, sender=NODE4)
    with_options = frame[:14] + b"\x46" + frame[15:34] + b"\x94\x04\0\0" + frame[34:]

    assert passes(hellos(), frame)
    assert passes(hellos(), with_options)


@pytest.mark.parametrize(
    ("at", "octets"),
    [
        pytest.param(23, b"\x06", id="tcp"),
        pytest.param(30, b"\xe0\0\0\x01", id="other-group"),
        pytest.param(20, b"\x20\0", id="fragment"),
        pytest.param(36, b"\0\x35", id="port"),
    ],
)
def test_what_is_no_hello_does_not_pass(at: int, octets: bytes) -> None:
    frame = hello_frame(b"hello", mac=NODE, sender=NODE4)

    assert not passes(hellos(), frame[:at] + octets + frame[at + len(octets) :])


@pytest.mark.parametrize(("packet_type", "wanted"), [(0, True), (1, True), (2, True), (3, False)])
def test_frames_for_another_station_do_not_pass(packet_type: int, wanted: bool) -> None:
    for program, frame in (
        (arp_requests_for([VIP4]), asked(VIP4)),
        (arp_from([VIP4]), arp_announcement(VIP4, CLIENT, Operation.REPLY)),
        (ndp_about([CLIENT6]), NS_DAD),
        (hellos(), hello_frame(b"", mac=NODE, sender=NODE4)),
    ):
        assert passes(program, frame, packet_type) is wanted


def test_a_sign_of_life_is_anything_that_comes_in() -> None:
    for packet_type, wanted in ((0, True), (1, True), (2, True), (3, False), (4, False)):
        assert passes(anything_heard(), ARP_REQUEST, packet_type) is wanted


def test_no_truncation_passes() -> None:
    frame = hello_frame(b"", mac=NODE, sender=NODE4)
    for program, whole in (
        (arp_requests_for([VIP4]), ARP_PROBE),
        (ndp_about([CLIENT6]), NS_DAD[:78]),
        (hellos(), frame[:38]),
    ):
        assert passes(program, whole)
        for length in range(len(whole)):
            assert not passes(program, whole[:length])


@given(st.sets(LOW, max_size=300), st.sets(LOW, max_size=20))
@settings(max_examples=25)
def test_a_set_that_fits_is_judged_exactly(wanted: set[int], others: set[int]) -> None:
    program = arp_requests_for(map(IPv4Address, wanted))
    check(program)
    nearby = {(each + step) % 2**32 for each in wanted for step in (-1, 0, 1)}
    for number in nearby | others:
        assert steps(program, asked(IPv4Address(number)))[0] is (number in wanted)


def test_nearly_two_thousand_scattered_addresses_are_judged_exactly_and_fast() -> None:
    wanted = scattered(1950)
    program = arp_requests_for(wanted)
    check(program)

    assert all(steps(program, asked(address))[0] for address in wanted)
    assert not any(steps(program, asked(IPv4Address(int(a) + 1)))[0] for a in wanted)
    assert longest_path(program, wanted) < 32


def test_more_scattered_addresses_are_covered_with_few_others() -> None:
    numbers = random.Random(7).sample(range(0x0A000000, 0x0A0FFFFF), 5000)
    wanted = [IPv4Address(number) for number in numbers]
    program = arp_from(wanted)
    check(program)
    others = random.Random(8).sample(range(0x0B000000, 0xFFFFFFFF), 500)

    assert all(
        steps(program, arp_announcement(a, CLIENT, Operation.REPLY))[0] for a in wanted[:500]
    )
    assert not any(
        steps(program, arp_announcement(IPv4Address(n), CLIENT, Operation.REPLY))[0] for n in others
    )


def test_a_pool_of_consecutive_addresses_costs_one_range() -> None:
    program = arp_requests_for(IPv4Address(0x0A000000 + i) for i in range(65_536))

    assert len(program) < 15


def test_a_modest_kernel_gets_a_program_it_can_hold() -> None:
    for made in (arp_requests_for(scattered(5000), MODEST_LIMIT), arp_from(scattered(5000), 500)):
        check(made)

    assert len(arp_requests_for(scattered(5000), MODEST_LIMIT)) <= MODEST_LIMIT
    assert len(arp_from(scattered(5000), 500)) <= 500


@pytest.mark.parametrize("prefixes", [1, 2, 60, 200])
def test_ipv6_targets_in_many_prefixes_all_pass_in_a_valid_program(prefixes: int) -> None:
    wanted = [
        IPv6Address((0x20010DB8 << 96) | (prefix << 64) | (number * 5 + 1))
        for prefix in range(prefixes)
        for number in range(3000 // prefixes)
    ]
    program = ndp_about(wanted)
    check(program)
    asked_for = [solicitation(a, mac=CLIENT, sender=CLIENT6) for a in wanted[::37]]
    foreign = IPv6Address((0x20010DB8 << 96) | (1 << 90) | 0xFFFF0000)

    assert all(steps(program, frame)[0] for frame in asked_for)
    assert not steps(program, solicitation(foreign, mac=CLIENT, sender=CLIENT6))[0]


@given(st.lists(LOW, max_size=60), st.integers(1, 20))
@settings(max_examples=40)
def test_ranges_cover_all_values_in_order_and_apart(values: list[int], limit: int) -> None:
    made = ranges(values, limit)

    assert len(made) <= limit
    assert all(any(first <= v <= last for first, last in made) for v in values)
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(made))


def test_the_smallest_gaps_are_closed_first() -> None:
    assert ranges([1, 2, 4, 100, 103, 900], 3) == [(1, 4), (100, 103), (900, 900)]


def test_the_kernels_layout_is_eight_octets_an_instruction() -> None:
    assert encode(DROP_ALL) == bytes.fromhex("0600000000000000")


def test_a_mac_that_looks_like_an_address_does_not_pass() -> None:
    mac = Mac(b"\x02\x00" + VIP4.packed)

    assert not passes(arp_requests_for([VIP4]), arp_request(CLIENT4, mac=mac, sender=NODE4))
