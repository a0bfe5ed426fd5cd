"""All sockets of one NIC, opened and closed together.

Requests and what concerns the wanted addresses otherwise come in on two ARP sockets, so that each
kernel filter is one search and the answering path parses nothing.
"""

import contextlib
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv6Address

from speaker.l2.ethernet import EtherType
from speaker.l2.filter import (
    COARSE_LIMIT,
    LIMIT,
    arp_from,
    arp_requests_for,
    hellos,
    ndp_about,
)
from speaker.l2.links import Link
from speaker.l2.ndp import multicast_mac, solicited_node
from speaker.l2.udp import GROUP_MAC
from speaker.wire.sockets import FrameSocket, GroupSockets, attach_best

Address = IPv4Address | IPv6Address


class SegmentSockets:
    """The four packet sockets of a NIC and its group memberships."""

    def __init__(self, link: Link) -> None:
        self._groups = GroupSockets(link.index)
        self._joined: dict[IPv6Address, bool] = {}
        with contextlib.ExitStack() as opened:

            def open_socket(ether_type: EtherType) -> FrameSocket:
                made = FrameSocket(link.name, link.index, ether_type)
                opened.callback(made.close)
                return made

            self.requests = open_socket(EtherType.ARP)
            self.sightings = open_socket(EtherType.ARP)
            self.ndp = open_socket(EtherType.IPV6)
            self.hellos = open_socket(EtherType.IPV4)
            self.hellos.join(GROUP_MAC)
            self.hellos.attach(hellos())
            opened.pop_all()

    def __iter__(self) -> Iterator[FrameSocket]:
        return iter((self.requests, self.sightings, self.ndp, self.hellos))

    def refilter(
        self, answered: Collection[Address], watched: Collection[Address], *, exact: bool
    ) -> None:
        """Let in requests for the one set and what others say about the other.

        An exact filter of thousands of addresses takes tens of ms to make, so it is left for when
        the sets have come to rest; a coarse one lets in some frames in between.
        """
        limit = LIMIT if exact else COARSE_LIMIT
        requested = [a for a in answered if isinstance(a, IPv4Address)]
        seen = [a for a in watched if isinstance(a, IPv4Address)]
        targets = [a for a in (*answered, *watched) if isinstance(a, IPv6Address)]
        attach_best(self.requests, lambda limit: arp_requests_for(requested, limit), limit)
        attach_best(self.sightings, lambda limit: arp_from(seen, limit), limit)
        attach_best(self.ndp, lambda limit: ndp_about(targets, limit), limit)
        self._follow_groups({solicited_node(a) for a in answered if isinstance(a, IPv6Address)})

    def _follow_groups(self, wanted: set[IPv6Address]) -> None:
        """Be in the groups of all candidates' addresses before owning them: no MLD wait then."""
        for group in wanted - self._joined.keys():
            self._joined[group] = self._groups.join(group)
            if not self._joined[group]:
                self.ndp.join(multicast_mac(group))
        for group in self._joined.keys() - wanted:
            if self._joined.pop(group):
                self._groups.leave(group)
            else:
                self.ndp.leave(multicast_mac(group))

    def send(self, frame: bytes) -> bool:
        """Send a frame by the socket of its type; tell whether it left."""
        if frame[12:14] == b"\x08\x06":
            return self.sightings.send(frame)
        return (self.hellos if frame[12:14] == b"\x08\x00" else self.ndp).send(frame)

    def drain(self) -> int:
        """Drop all that is queued; return how many frames that were."""
        return sum(each.drain() for each in self)

    def close(self) -> None:
        """Close everything."""
        for each in self:
            each.close()
        self._groups.close()
