import pytest

from speaker.l2.ethernet import (
    BROADCAST,
    UNKNOWN,
    EtherType,
    Mac,
    header,
    internet_checksum,
    shows_another_host,
)
from tests.speaker.l2.vectors import ARP_REQUEST, NODE


def test_a_mac_is_read_and_written_alike() -> None:
    assert str(Mac.parse("02:00:5e:AB:cd:ef")) == "02:00:5e:ab:cd:ef"


@pytest.mark.parametrize(
    "text", ["", "02:00:5e:ab:cd", "02:00:5e:ab:cd:ef:00", "2:0:5e:ab:cd:ef", "zz:00:5e:ab:cd:ef"]
)
def test_what_is_no_mac_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"MAC|hexadecimal"):
        Mac.parse(text)


def test_only_a_station_has_a_unicast_mac() -> None:
    assert Mac.parse("02:00:00:00:00:01").is_unicast
    assert not BROADCAST.is_unicast
    assert not UNKNOWN.is_unicast
    assert not Mac.parse("01:00:5e:00:00:fe").is_unicast


def test_the_header_is_destination_source_type() -> None:
    made = header(BROADCAST, Mac.parse("02:00:00:00:00:01"), EtherType.ARP)

    assert made.hex() == "ffffffffffff0200000000010806"


def test_the_checksum_is_that_of_the_example_in_rfc_1071() -> None:
    assert internet_checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


def test_octets_with_their_checksum_sum_to_zero_whatever_their_length() -> None:
    for length in (2, 20, 24, 1500, 65_534):
        octets = bytes(i * 7 & 0xFF for i in range(length))
        total = internet_checksum(octets).to_bytes(2, "big")

        assert internet_checksum(octets + total) == 0


def test_another_hosts_frame_shows_that_the_segment_lives() -> None:
    spanning_tree = bytes.fromhex("0180c2000000") + ARP_REQUEST[6:]

    assert shows_another_host(ARP_REQUEST, {b"\x02\0\0\0\0\1"})
    assert not shows_another_host(ARP_REQUEST, {NODE.octets})
    assert not shows_another_host(spanning_tree, set())
    assert not shows_another_host(ARP_REQUEST[:13], set())
