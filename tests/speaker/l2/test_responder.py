from ipaddress import IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speaker.l2.arp import ArpPacket, Operation, arp_announcement, arp_request, parse_arp
from speaker.l2.ethernet import BROADCAST, FrameDrop, Mac
from speaker.l2.ndp import (
    ALL_NODES,
    UNSPECIFIED,
    Advertisement,
    advertisement,
    multicast_mac,
    parse_ndp,
    solicitation,
)
from speaker.l2.responder import Responder
from tests.speaker.l2.replies import reply_to_ndp
from tests.speaker.l2.vectors import (
    ARP_PROBE,
    ARP_REQUEST,
    CLIENT,
    CLIENT4,
    CLIENT6,
    CLIENT_LINK_LOCAL,
    NA_WITHOUT_OPTION,
    NODE,
    NODE4,
    NODE6,
    NS_DAD,
    NS_MULTICAST,
    NS_UNICAST,
    VIP4,
    with_checksum,
)

MINE = Mac.parse("02:00:00:00:00:66")


@pytest.fixture
def responder() -> Responder:
    made = Responder(MINE)
    for address in (VIP4, CLIENT4, CLIENT6, NODE6):
        made.answer(address)
    return made


def replied(frame: bytes | FrameDrop) -> ArpPacket:
    assert isinstance(frame, bytes)
    packet = parse_arp(frame)
    assert isinstance(packet, ArpPacket)
    return packet


def advertised(frame: bytes | FrameDrop) -> Advertisement:
    assert isinstance(frame, bytes)
    packet = parse_ndp(frame)
    assert isinstance(packet, Advertisement)
    return packet


def test_a_request_is_answered_to_its_sender_alone(responder: Responder) -> None:
    assert replied(responder.reply_to_arp(ARP_REQUEST)) == ArpPacket(
        Operation.REPLY, MINE, CLIENT4, NODE, NODE4, source=MINE, destination=NODE
    )


def test_a_unicast_request_is_answered_as_a_broadcast_one_is(responder: Responder) -> None:
    asked = arp_request(VIP4, mac=CLIENT, sender=CLIENT4, destination=MINE)

    assert replied(responder.reply_to_arp(asked)).sender == VIP4


def test_a_probe_is_answered_since_that_defends_the_address(responder: Responder) -> None:
    assert replied(responder.reply_to_arp(ARP_PROBE)).sender_mac == MINE


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        pytest.param(
            arp_request(NODE4, mac=CLIENT, sender=CLIENT4), FrameDrop.NOT_ASKED, id="not-ours"
        ),
        pytest.param(
            arp_announcement(VIP4, CLIENT, Operation.REQUEST), FrameDrop.NOT_ASKED, id="announced"
        ),
        pytest.param(
            arp_announcement(VIP4, CLIENT, Operation.REPLY), FrameDrop.ARP_OPERATION, id="reply"
        ),
        pytest.param(arp_request(VIP4, mac=MINE, sender=NODE4), FrameDrop.OWN, id="looped-back"),
        pytest.param(
            arp_request(VIP4, mac=BROADCAST, sender=NODE4), FrameDrop.ARP_SENDER, id="to-everybody"
        ),
        pytest.param(ARP_REQUEST[:41], FrameDrop.TRUNCATED, id="truncated"),
    ],
)
def test_what_is_no_question_to_us_gets_no_answer(
    responder: Responder, frame: bytes, reason: FrameDrop
) -> None:
    assert responder.reply_to_arp(frame) is reason


def test_a_silenced_address_is_answered_no_more(responder: Responder) -> None:
    responder.silence(CLIENT4)
    responder.silence(CLIENT6)

    assert responder.reply_to_arp(ARP_REQUEST) is FrameDrop.NOT_ASKED
    assert reply_to_ndp(responder, NS_MULTICAST) is FrameDrop.NOT_ASKED
    assert (VIP4 in responder, CLIENT4 in responder, CLIENT6 in responder) == (True, False, False)
    assert len(responder) == 2


def test_a_multicast_solicitation_is_answered_to_its_sender(responder: Responder) -> None:
    reply = reply_to_ndp(responder, NS_MULTICAST)

    assert advertised(reply) == Advertisement(
        CLIENT6, CLIENT6, MINE, MINE, solicited=True, override=True
    )
    assert isinstance(reply, bytes)
    assert (reply[:6], reply[38:54]) == (NODE.octets, NODE6.packed)


def test_unreachability_detection_is_answered_with_the_option_or_without(
    responder: Responder,
) -> None:
    without = solicitation(NODE6, mac=CLIENT, sender=CLIENT_LINK_LOCAL, to=MINE)[:78]
    length = (24).to_bytes(2, "big")
    without = without[:18] + length + without[20:]
    for asked in (NS_UNICAST, with_checksum(without)):
        reply = reply_to_ndp(responder, asked)
        assert advertised(reply).solicited
        assert isinstance(reply, bytes)
        assert reply[:6] == CLIENT.octets


def test_a_dad_probe_is_answered_to_all_nodes(responder: Responder) -> None:
    reply = reply_to_ndp(responder, NS_DAD)

    assert not advertised(reply).solicited
    assert isinstance(reply, bytes)
    assert (reply[:6], reply[38:54]) == (multicast_mac(ALL_NODES).octets, ALL_NODES.packed)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        pytest.param(advertisement(NODE6, CLIENT), FrameDrop.NOT_ASKED, id="advertisement"),
        pytest.param(NA_WITHOUT_OPTION, FrameDrop.NOT_ASKED, id="advertisement-of-linux"),
        pytest.param(
            solicitation(NODE6, mac=MINE, sender=CLIENT6), FrameDrop.OWN, id="looped-back"
        ),
        pytest.param(
            solicitation(IPv6Address("fd00:4::99"), mac=CLIENT, sender=UNSPECIFIED),
            FrameDrop.NOT_ASKED,
            id="not-ours",
        ),
        pytest.param(NS_MULTICAST[:70], FrameDrop.TRUNCATED, id="truncated"),
    ],
)
def test_what_is_no_solicitation_to_us_gets_no_answer(
    responder: Responder, frame: bytes, reason: FrameDrop
) -> None:
    assert reply_to_ndp(responder, frame) is reason


@given(st.binary(max_size=60))
@settings(max_examples=60)
def test_random_bytes_never_raise_and_never_make_more_than_one_frame(body: bytes) -> None:
    responder = Responder(MINE)
    responder.answer(VIP4)
    for frame in (body, ARP_PROBE[:22] + body, ARP_PROBE[:14] + body):
        reply = responder.reply_to_arp(frame)
        assert isinstance(reply, FrameDrop) or len(reply) == 60
    assert isinstance(reply_to_ndp(responder, body), FrameDrop)
