"""On which NICs an address is at home: where its subnet is.

An address is answered for on every NIC that an advertisement wants, each NIC with an owner of its
own. What users ask for is the owner where the address belongs; the others matter only when the
node has no NIC with the address's subnet.
"""

from collections.abc import Iterable
from ipaddress import ip_interface

from speaker.seam.messages import Address, InterfaceReport


def at_home(address: Address, interface: str, reports: Iterable[InterfaceReport]) -> bool:
    """Tell whether ownership on this NIC counts for the address."""
    homes = {
        each.interface
        for each in reports
        if each.usable and any(address in ip_interface(own).network for own in each.addresses)
    }
    return not homes or interface in homes
