from ipaddress import ip_address

from speaker.hello.packet import DropReason
from speaker.l2.arp import Operation, arp_announcement, arp_request
from speaker.l2.ethernet import FrameDrop
from speaker.l2.ndp import advertisement, solicitation
from speaker.seam.codec import LINE_LIMIT, encode
from speaker.seam.messages import Counters
from speaker.wire.counters import (
    PART,
    AddressCounts,
    address_counters,
    asked_address,
    in_parts,
    interface_counters,
    labelled,
    told_address,
)
from tests.speaker.l2.vectors import CLIENT, CLIENT4, CLIENT6, NODE, VIP4


def test_a_nics_counters_are_named_and_labelled() -> None:
    made = dict(
        interface_counters("lan0", {"hellos_sent": 3}, {FrameDrop.TTL: 2, DropReason.BAD_HMAC: 1})
    )

    assert made == {
        "herald_wire_hellos_sent:interface=lan0": 3,
        "herald_wire_dropped:interface=lan0,part=frame,reason=ttl": 2,
        "herald_wire_dropped:interface=lan0,part=hello,reason=bad-hmac": 1,
    }


def test_values_become_labels() -> None:
    assert dict(labelled("failures", "what", {"open": 1})) == {"herald_wire_failures:what=open": 1}


def test_addresses_are_counted_over_all_nics_under_the_names_the_brain_knows() -> None:
    lan, mgmt = AddressCounts(), AddressCounts()
    lan.requests[VIP4.packed] += 2
    mgmt.requests[VIP4.packed] += 1
    lan.answers[CLIENT6.packed] += 1

    assert dict(address_counters([lan, mgmt])) == {
        "herald_wire_address_requests:ip=192.168.4.10": 3,
        "herald_wire_address_answers:ip=fd00:4::2": 1,
    }


def test_an_unwanted_address_is_counted_no_more() -> None:
    counts = AddressCounts()
    counts.gratuitous[VIP4.packed] += 1
    counts.forget(VIP4)
    counts.forget(CLIENT6)

    assert dict(address_counters([counts])) == {}


def test_the_address_is_found_in_every_kind_of_frame() -> None:
    assert asked_address(arp_request(VIP4, mac=NODE, sender=CLIENT4)) == VIP4.packed
    assert asked_address(solicitation(CLIENT6, mac=CLIENT, sender=CLIENT6)) == CLIENT6.packed
    assert told_address(arp_announcement(VIP4, NODE, Operation.REPLY)) == VIP4.packed
    assert told_address(advertisement(CLIENT6, NODE)) == CLIENT6.packed


def test_counters_of_any_number_of_addresses_go_in_lines_of_the_seam() -> None:
    counts = AddressCounts()
    for number in range(7000):
        packed = ip_address(0x0A000000 + number).packed
        counts.requests[packed] = counts.answers[packed] = counts.gratuitous[packed] = 1000
    whole = dict(address_counters([counts]))
    parts = list(in_parts(address_counters([counts])))

    assert len(encode(Counters(whole))) > LINE_LIMIT - 50_000
    assert max(len(encode(part)) for part in parts) < LINE_LIMIT / 20
    assert [part.part for part in parts] == list(range(len(parts)))
    assert [part.more for part in parts] == [True] * (len(parts) - 1) + [False]
    assert {name: value for part in parts for name, value in part.values.items()} == whole


def test_few_counters_are_one_message_and_so_are_none() -> None:
    few = {str(number): 1.0 for number in range(PART)}

    assert list(in_parts(few.items())) == [Counters(few)]
    assert list(in_parts(())) == [Counters({})]
