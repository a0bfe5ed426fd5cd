"""Address ranges of a pool: CIDRs and `start-end`, either family, never mixed.

Both daemons need them: the controller to give addresses, the speakers to tell whose advertisements
cover one. Ranges are inclusive at both ends.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Generic, TypeVar

from kube.objects import Address
from kube.quoting import quoted

T = TypeVar("T")


class RangeError(ValueError):
    """The text is not a range; the message says what is wrong and what to write instead."""


@dataclass(frozen=True, slots=True)
class AddressRange:
    """First and last address, both included, of one family, first <= last."""

    first: Address
    last: Address

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.first.version

    def __contains__(self, address: Address) -> bool:
        if address.version != self.version:
            return False
        return int(self.first) <= int(address) <= int(self.last)

    def __len__(self) -> int:
        return self.size

    @property
    def size(self) -> int:
        """How many addresses it holds; `len()` refuses what does not fit a machine word."""
        return int(self.last) - int(self.first) + 1

    def overlaps(self, other: "AddressRange") -> bool:
        """Tell whether any address is in both."""
        return (
            self.version == other.version
            and int(self.first) <= int(other.last)
            and int(other.first) <= int(self.last)
        )

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def spelled(self) -> str:
        """Return it as a CIDR where it is one, else as `start-end`."""
        size = int(self.last) - int(self.first) + 1
        if size & (size - 1) or int(self.first) % size:
            return str(self)
        return f"{self.first}/{self.first.max_prefixlen - size.bit_length() + 1}"


class RangeIndex(Generic[T]):
    """Finds which of many disjoint ranges holds an address, in O(log n)."""

    def __init__(self, entries: Iterable[tuple[AddressRange, T]]) -> None:
        self._entries = sorted(entries, key=lambda entry: _order(entry[0]))
        self._firsts = [_order(range_) for range_, _ in self._entries]

    def find(self, address: Address) -> T | None:
        """Return what belongs to the range that holds the address, or None."""
        position = bisect_right(self._firsts, (address.version, int(address)))
        if not position:
            return None
        range_, value = self._entries[position - 1]
        return value if address in range_ else None

    def overlapping(self, wanted: AddressRange) -> tuple[AddressRange, T] | None:
        """Return the first entry that shares an address with the range, or None."""
        position = bisect_right(self._firsts, _order(wanted))
        for entry in self._entries[max(0, position - 1) : position + 1]:
            if entry[0].overlaps(wanted):
                return entry
        return None


def _order(range_: AddressRange) -> tuple[int, int]:
    return range_.version, int(range_.first)


def parse_range(text: str) -> AddressRange:
    """Return the range of a CIDR (host bits are masked off, as in MetalLB) or of `start-end`."""
    if "%" in text:
        raise RangeError(
            f"invalid range {quoted(text)}: a zone is one machine's own name of a link: "
            "write it without"
        )
    if "/" in text:
        return _from_cidr(text)
    start, dash, end = text.partition("-")
    if not dash:
        raise RangeError(
            f"invalid CIDR {quoted(text)}: write a CIDR such as {_example(text)} or a range "
            "start-end"
        )
    first, last = _bound(start, text), _bound(end, text)
    if first.version != last.version:
        raise RangeError(
            f"invalid IP range {quoted(text)}: its ends are of different families: "
            "write one range for each family"
        )
    if int(first) > int(last):
        raise RangeError(
            f"invalid IP range {quoted(text)}: start IP {first} is after the end IP {last}: "
            "swap them"
        )
    return AddressRange(first, last)


def _from_cidr(text: str) -> AddressRange:
    address, _, length = text.strip().partition("/")
    try:
        # `ip_network` alone reads masks too: 10.0.0.0/0.0.0.0 is all there is.
        network = ip_network(f"{address}/{length}", strict=False) if length.isdecimal() else None
    except ValueError:
        network = None
    if network is None:
        raise RangeError(f"invalid CIDR {quoted(text)}: {_fault_of(address, length)}")
    if network.version == 6 and network.prefixlen < 96 and (mapped := _mapped(address)):
        raise RangeError(
            f"invalid CIDR {quoted(text)}: an IPv4-mapped address has a length of 96 to 128, "
            f"and this is a part of IPv6 that has nothing to do with {mapped}: write "
            f"{mapped}/{min(32, network.prefixlen)}"
        )
    return AddressRange(network.network_address, network.broadcast_address)


def _fault_of(address: str, length: str) -> str:
    """Return what is wrong with a CIDR, and what to write: Python's words name no remedy."""
    remedy = "write a CIDR such as 192.168.4.0/24 or a range start-end"
    try:
        parsed = ip_address(address)
    except ValueError:
        return f"{quoted(address)} is not an IP address: {remedy}"
    family = f"an IPv{parsed.version} prefix is 0 to {parsed.max_prefixlen}"
    return f"the length of {family}, not {quoted(length) if length else 'nothing'}: {remedy}"


def _mapped(address: str) -> IPv4Address | None:
    parsed = ip_address(address)
    return parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None


def _example(text: str) -> str:
    """Return the CIDR that an address alone may mean."""
    try:
        parsed = ip_address(text.strip())
    except ValueError:
        return "192.168.4.0/24"
    return f"{parsed}/{parsed.max_prefixlen}"


def _bound(text: str, whole: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text.strip())
    except ValueError as error:
        raise RangeError(
            f"invalid IP range {quoted(whole)}: {quoted(text.strip())} is not an IP address: write "
            "a range such as 192.168.4.10-192.168.4.20"
        ) from error
