"""The questions this node asks the segment: who has an address, and is anybody there.

Pure; when to ask is the ownership's to say. IPv6 questions come from the NIC's link-local address
where it has one; a NIC without any address asks as a probe does (RFC 5227 2.1.1, RFC 4862 5.4.2).
"""

from ipaddress import IPv4Address, IPv6Address

from speaker.l2.arp import arp_request
from speaker.l2.ethernet import BROADCAST, Mac
from speaker.l2.links import Link
from speaker.l2.ndp import UNSPECIFIED, solicitation

Address = IPv4Address | IPv6Address

_NOBODY = IPv4Address(0)


def question(address: Address, link: Link, to: Mac | None = None) -> bytes | None:
    """Return the frame that asks who has `address`: all, or one station alone.

    None on a NIC without a MAC. A unicast question from no address would be no valid solicitation
    (RFC 4861 7.1.1), so such a NIC asks the group.
    """
    if link.mac is None:
        return None
    if isinstance(address, IPv4Address):
        sender = link.address(4)
        asker = sender if isinstance(sender, IPv4Address) else _NOBODY
        return arp_request(address, mac=link.mac, sender=asker, destination=to or BROADCAST)
    own = link.address(6)
    source = own if isinstance(own, IPv6Address) else UNSPECIFIED
    return solicitation(
        address, mac=link.mac, sender=source, to=None if source == UNSPECIFIED else to
    )
