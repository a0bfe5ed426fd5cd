"""Who is answered: a lookup of the asked address among those this node answers for.

One responder a NIC. The reply to an ARP request is prebuilt but for the asker's own addresses, so
a request costs a few slices. Neighbour solicitations are parsed whole, since their checksum and
hop limit must be checked (RFC 4861 7.1.1).
"""

from ipaddress import IPv4Address, IPv6Address

from speaker.l2.arp import ARP_BYTES, reply_frame, reply_middle
from speaker.l2.ethernet import HEADER_BYTES, FrameDrop, Mac
from speaker.l2.ndp import ALL_NODES, Solicitation, advertisement, multicast_mac

Address = IPv4Address | IPv6Address

_ARP_REQUEST = bytes.fromhex("0806 0001 0800 06 04 0001")


class Responder:
    """Answers for a set of addresses with one MAC."""

    def __init__(self, mac: Mac) -> None:
        self._mac = mac
        self._middles: dict[bytes, bytes] = {}
        self._targets: set[IPv6Address] = set()

    def __contains__(self, address: Address) -> bool:
        if isinstance(address, IPv4Address):
            return address.packed in self._middles
        return address in self._targets

    def __len__(self) -> int:
        return len(self._middles) + len(self._targets)

    def answer(self, address: Address) -> None:
        """Answer for `address` from now on."""
        if isinstance(address, IPv4Address):
            self._middles[address.packed] = reply_middle(address, self._mac)
        else:
            self._targets.add(address)

    def silence(self, address: Address) -> None:
        """Answer for `address` no more."""
        if isinstance(address, IPv4Address):
            self._middles.pop(address.packed, None)
        else:
            self._targets.discard(address)

    def reply_to_arp(self, frame: bytes) -> bytes | FrameDrop:
        """Return the reply to a request for an address of ours.

        A probe (RFC 5227: sender 0.0.0.0) is answered, that is how the address is defended. An
        announcement by another station is no question; who owns is settled elsewhere.
        """
        if len(frame) < HEADER_BYTES + ARP_BYTES:
            return FrameDrop.TRUNCATED
        middle = self._middles.get(frame[38:42])
        if middle is None:
            return FrameDrop.NOT_ASKED
        if frame[12:22] != _ARP_REQUEST:
            return FrameDrop.ARP_OPERATION
        asker_mac, asker = frame[22:28], frame[28:32]
        if asker_mac == self._mac.octets:
            return FrameDrop.OWN
        if asker_mac[0] & 1 or not any(asker_mac):
            return FrameDrop.ARP_SENDER
        if asker == frame[38:42]:
            return FrameDrop.NOT_ASKED
        return reply_frame(middle, asker_mac, asker)

    def reply_to_solicitation(self, asked: Solicitation) -> bytes | FrameDrop:
        """Return the advertisement that answers a solicitation for an address of ours.

        Sent to whoever asks, from any source, with or without the source option (RFC 4861 7.2.4);
        a DAD probe is answered to all nodes, its sender having no address yet (RFC 4862 5.4.3).
        """
        if asked.target not in self._targets:
            return FrameDrop.NOT_ASKED
        if asked.source == self._mac:
            return FrameDrop.OWN
        if asked.is_dad:
            return advertisement(asked.target, self._mac, to=multicast_mac(ALL_NODES))
        to = asked.link_layer or asked.source
        return advertisement(asked.target, self._mac, destination=asked.sender, to=to)
