"""scapy as an independent judge of every kind of frame that the speaker sends.

Strictly: no layer is left undissected but padding and the hello's payload, and a rebuild with all
lengths and checksums cleared gives the same bytes, so scapy computes what we computed.
"""

from importlib.util import find_spec
from ipaddress import IPv4Address, IPv6Address, ip_interface

import pytest

from speaker.bfd.packet import ControlPacket, Diagnostic, State, encode_packet
from speaker.l2.arp import Operation, arp_announcement, arp_request
from speaker.l2.enquiry import question
from speaker.l2.ethernet import FrameDrop, Mac
from speaker.l2.links import Link
from speaker.l2.ndp import UNSPECIFIED, advertisement, solicitation
from speaker.l2.responder import Responder
from speaker.l2.udp import hello_frame
from tests.lab.required import skip_without
from tests.speaker.l2.dissector import dissected, rebuilt, undissected
from tests.speaker.l2.replies import reply_to_ndp
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

pytestmark = skip_without(find_spec("scapy"), "scapy comes with the extra [lab]")
LINK = Link(2, "lan0", NODE, addresses=(ip_interface("192.168.4.101/24"),))
MINE = Mac.parse("02:00:00:00:00:66")
HELLO = b"HRLD" + bytes(range(200))


def answers() -> Responder:
    made = Responder(MINE)
    for address in (VIP4, CLIENT4, CLIENT6, NODE6):
        made.answer(address)
    return made


def frame_of(made: bytes | FrameDrop | None) -> bytes:
    assert isinstance(made, bytes)
    return made


FRAMES = {
    "arp-request": arp_request(VIP4, mac=NODE, sender=NODE4),
    "arp-witness": arp_request(VIP4, mac=NODE, sender=NODE4, destination=CLIENT),
    "arp-probe": arp_request(VIP4, mac=NODE, sender=IPv4Address(0)),
    "arp-announcement": arp_announcement(VIP4, NODE, Operation.REQUEST),
    "arp-gratuitous-reply": arp_announcement(VIP4, NODE, Operation.REPLY),
    "arp-to-gateway": arp_announcement(VIP4, NODE, Operation.REPLY, CLIENT),
    "arp-reply-to-probe": frame_of(answers().reply_to_arp(ARP_PROBE)),
    "ns": solicitation(CLIENT6, mac=NODE, sender=NODE6),
    "ns-witness": solicitation(CLIENT6, mac=NODE, sender=NODE6, to=CLIENT),
    "ns-probe": solicitation(CLIENT6, mac=NODE, sender=UNSPECIFIED),
    "ns-without-address": frame_of(question(IPv6Address("fd00:4::10"), LINK)),
    "na-unsolicited": advertisement(CLIENT6, NODE),
    "na-to-gateway": advertisement(CLIENT6, NODE, to=CLIENT),
    "na-to-multicast-ns": frame_of(reply_to_ndp(answers(), NS_MULTICAST)),
    "na-to-unicast-ns": frame_of(reply_to_ndp(answers(), NS_UNICAST)),
    "na-to-dad": frame_of(reply_to_ndp(answers(), NS_DAD)),
    "hello": hello_frame(HELLO, mac=NODE, sender=NODE4),
    "hello-without-address": hello_frame(HELLO, mac=NODE, sender=IPv4Address(0)),
    "hello-odd": hello_frame(HELLO + b"!", mac=NODE, sender=NODE4),
}


def packet(state: State, diagnostic: Diagnostic = Diagnostic.NONE, **flags: bool) -> ControlPacket:
    return ControlPacket(
        state=state,
        detect_multiplier=3,
        my_discriminator=0x01020304,
        your_discriminator=0 if state is State.DOWN else 0xFFFFFFFE,
        desired_min_tx_us=100_000,
        required_min_rx_us=300_000,
        diagnostic=diagnostic,
        **flags,
    )


@pytest.mark.parametrize(
    "said",
    [
        packet(State.DOWN),
        packet(State.DOWN, Diagnostic.CONTROL_DETECTION_TIME_EXPIRED),
        packet(State.INIT),
        packet(State.UP),
        packet(State.UP, poll=True),
        packet(State.UP, final=True),
        packet(State.ADMIN_DOWN, Diagnostic.ADMINISTRATIVELY_DOWN),
    ],
    ids=["down", "down-expired", "init", "up", "poll", "final", "admin-down"],
)
def test_a_bfd_packet_says_to_the_dissector_what_it_means(said: ControlPacket) -> None:
    from scapy.contrib.bfd import BFD

    payload = encode_packet(said)
    read = BFD(payload)

    assert not read.payload
    assert (read.version, read.len, read.detect_mult) == (1, len(payload), said.detect_multiplier)
    assert (read.sta, read.diag) == (said.state.value, said.diagnostic)
    assert str(read.flags) == "P" * said.poll + "F" * said.final
    assert (read.my_discriminator, read.your_discriminator) == (
        said.my_discriminator, said.your_discriminator,
    )  # fmt: skip
    assert (read.min_tx_interval, read.min_rx_interval, read.echo_rx_interval) == (
        said.desired_min_tx_us, said.required_min_rx_us, 0,
    )  # fmt: skip
    del read.len
    read.raw_packet_cache = None
    assert bytes(read) == payload


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_every_layer_is_known_to_an_independent_dissector(frame: bytes) -> None:
    assert undissected(frame) == set()


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_rebuild_with_checksums_cleared_gives_the_same_bytes(frame: bytes) -> None:
    assert rebuilt(frame) == frame


def test_arp_replies_say_what_they_must_to_the_dissector() -> None:
    arp = dissected(frame_of(answers().reply_to_arp(ARP_REQUEST)))["ARP"]

    assert (arp.op, arp.hwsrc, arp.psrc) == (2, str(MINE), str(CLIENT4))
    assert (arp.hwdst, arp.pdst) == (str(NODE), str(NODE4))


@pytest.mark.parametrize("kind", ["hello", "ns", "na-unsolicited"])
def test_the_judge_finds_a_wrong_byte(kind: str) -> None:
    frame = FRAMES[kind]
    wrong = frame[:-1] + bytes((frame[-1] ^ 1,))

    assert rebuilt(wrong) != wrong
