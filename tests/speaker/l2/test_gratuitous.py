from bisect import bisect_left
from collections import Counter
from ipaddress import IPv4Address, IPv6Address

import pytest

from speaker.l2.arp import ArpPacket, Operation, parse_arp
from speaker.l2.ethernet import BROADCAST, Mac
from speaker.l2.gratuitous import BURST, RATE_PER_S, Address, Gratuitous
from speaker.l2.ndp import ALL_NODES, Advertisement, multicast_mac, parse_ndp

MINE = Mac.parse("02:00:00:00:00:66")
ROUTER = Mac.parse("02:00:00:00:00:01")
SECOND_ROUTER = Mac.parse("02:00:00:00:00:02")
ROUTER4 = IPv4Address("192.168.4.1")
ROUTER6 = IPv6Address("fe80::1")
VIP = IPv4Address("192.168.4.10")
VIP6 = IPv6Address("fd00:4::10")
NOW = 1000.0

Sent = list[tuple[float, bytes]]


@pytest.fixture
def core() -> Gratuitous:
    return Gratuitous(MINE, NOW)


def run(core: Gratuitous, until: float, start: float = NOW) -> Sent:
    """Go from deadline to deadline; return what was sent and when."""
    sent: Sent = []
    now = start
    for _ in range(100_000):
        sent += [(now, frame) for frame in core.frames_to_send(now)]
        deadline = core.next_deadline()
        if deadline is None or deadline > until:
            return sent
        assert deadline > now or not sent or sent[-1][0] <= now
        now = max(deadline, now)
    raise AssertionError("it spins")


def after_ms(sent: Sent) -> list[int]:
    return [round((at - NOW) * 1000) for at, _ in sent]


def arp(frame: bytes) -> ArpPacket:
    packet = parse_arp(frame)
    assert isinstance(packet, ArpPacket)
    return packet


def about(frame: bytes) -> Address:
    if frame[12:14] == b"\x08\x06":
        return arp(frame).sender
    packet = parse_ndp(frame)
    assert isinstance(packet, Advertisement)
    return packet.target


def test_an_address_is_announced_six_times_in_both_forms(core: Gratuitous) -> None:
    core.announce(VIP, NOW)
    sent = run(core, NOW + 100)

    assert after_ms(sent) == [0, 0, 100, 100, 300, 300, 1400, 1400, 2500, 2500, 3600, 3600]
    forms = [arp(frame).operation for _, frame in sent]
    assert forms == [Operation.REQUEST, Operation.REPLY] * 6
    assert {arp(frame).destination for _, frame in sent} == {BROADCAST}
    assert core.next_deadline() is None


def test_the_reply_form_has_the_senders_mac_as_target_and_the_request_form_has_not(
    core: Gratuitous,
) -> None:
    core.announce(VIP, NOW)
    request, reply = (arp(frame) for frame in core.frames_to_send(NOW))

    assert (request.target_mac, reply.target_mac) == (Mac(bytes(6)), MINE)
    assert request.is_announcement
    assert reply.is_announcement


def test_ipv6_has_at_most_three_unsolicited_advertisements(core: Gratuitous) -> None:
    core.announce(VIP6, NOW)
    sent = run(core, NOW + 100)

    assert after_ms(sent) == [0, 100, 300]
    assert {frame[:6] for _, frame in sent} == {multicast_mac(ALL_NODES).octets}


def test_gateways_are_told_first_and_by_unicast(core: Gratuitous) -> None:
    core.set_gateways({ROUTER4: ROUTER, ROUTER6: SECOND_ROUTER})
    core.announce(VIP, NOW)
    core.announce(VIP6, NOW)
    sent = [frame for _, frame in run(core, NOW + 0.05)]

    assert [frame[:6] for frame in sent[:2]] == [ROUTER.octets, SECOND_ROUTER.octets]
    assert arp(sent[0]).operation is Operation.REPLY
    assert len(sent) == 5


def test_each_address_has_its_first_frame_before_any_has_its_second(core: Gratuitous) -> None:
    vips = [IPv4Address(int(VIP) + i) for i in range(1000)]
    for vip in vips:
        core.announce(vip, NOW)
    sent = run(core, NOW + 20)
    first_thousand = Counter(about(frame) for _, frame in sent[:1000])

    assert first_thousand == Counter(vips)
    assert len(sent) == 12 * 1000
    assert sent[999][0] - NOW < 1.0


def test_no_window_of_time_has_more_frames_than_the_bucket_gives(core: Gratuitous) -> None:
    core.set_gateways({ROUTER4: ROUTER, IPv4Address("192.168.4.254"): SECOND_ROUTER})
    for i in range(500):
        core.announce(IPv4Address(int(VIP) + i), NOW)
    times = [at for at, _ in run(core, NOW + 30)]

    for length_s in (0.01, 0.1, 1.0):
        allowed = BURST + RATE_PER_S * length_s + 1
        for i, start in enumerate(times):
            assert bisect_left(times, start + length_s) - i <= allowed


def test_a_silenced_address_is_announced_no_more(core: Gratuitous) -> None:
    core.announce(VIP, NOW)
    core.frames_to_send(NOW)
    core.silence(VIP)

    assert run(core, NOW + 100) == []
    assert core.next_deadline() is None


def test_announcing_again_starts_the_schedule_anew(core: Gratuitous) -> None:
    core.announce(VIP, NOW)
    core.frames_to_send(NOW)
    core.announce(VIP, NOW + 0.05)
    sent = run(core, NOW + 100, start=NOW + 0.05)

    assert after_ms(sent)[::2] == [50, 150, 350, 1450, 2550, 3650]


def test_a_refresh_is_one_frame_and_comes_after_what_is_urgent(core: Gratuitous) -> None:
    other = IPv4Address("192.168.4.11")
    core.refresh(other, NOW)
    core.announce(VIP, NOW)
    sent = [about(frame) for _, frame in run(core, NOW + 0.05)]

    assert sent == [VIP, VIP, other]


def test_a_refresh_does_not_cut_a_running_schedule(core: Gratuitous) -> None:
    core.announce(VIP, NOW)
    core.refresh(VIP, NOW)

    assert len(run(core, NOW + 100)) == 13


def test_clear_forgets_everything(core: Gratuitous) -> None:
    for i in range(200):
        core.announce(IPv4Address(int(VIP) + i), NOW)
    core.frames_to_send(NOW)
    core.clear()

    assert core.frames_to_send(NOW + 10) == []
    assert core.next_deadline() is None


def test_many_gateways_do_not_block_everybody_else(core: Gratuitous) -> None:
    routers: dict[Address, Mac] = {
        IPv4Address(i): Mac(b"\x02\0\0\0\0" + bytes([i])) for i in range(1, 101)
    }
    core.set_gateways(routers)
    core.announce(VIP, NOW)
    sent = run(core, NOW + 1)

    assert any(frame[:6] == BROADCAST.octets for _, frame in sent)
