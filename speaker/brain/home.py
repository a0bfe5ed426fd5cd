"""On which NICs an address is at home: where its subnet is.

An address is answered for on every NIC that an advertisement wants, each NIC with an owner of its
own. What users ask for is the owner where the address belongs; the others matter only when the
node has no NIC with the address's subnet.
"""

from collections.abc import Iterable
from ipaddress import ip_interface

from speaker.seam.messages import Address, InterfaceReport


class Homes:
    """The subnets of the NICs that take part."""

    def __init__(self, reports: Iterable[InterfaceReport]) -> None:
        self._networks = [
            (each.interface, ip_interface(own).network)
            for each in reports
            if each.usable
            for own in each.addresses
        ]

    def counts(self, address: Address, interface: str) -> bool:
        """Tell whether ownership on this NIC counts for the address."""
        homes = {nic for nic, network in self._networks if address in network}
        return not homes or interface in homes
