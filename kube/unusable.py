"""Addresses that no Service can have, or only one whose owner surely means them.

A pool of nothing but loopback, multicast, unspecified or mapped addresses is a mistake. A larger
range may hold some: they are left out of it. Link-local, reserved and IPv4-compatible addresses
work where somebody has set up a network for them: a range of nothing else is taken at its word, as
in MetalLB, and from a larger one they are left out too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network

from kube.objects import Address
from kube.ranges import AddressRange


@dataclass(frozen=True, slots=True)
class _Block:
    range: AddressRange
    word: str
    on_purpose: bool = False
    "A range of nothing else is meant so."


def _block(cidr: str, word: str, *, on_purpose: bool = False) -> _Block:
    network = ip_network(cidr)
    range_ = AddressRange(network.network_address, network.broadcast_address)
    return _Block(range_, word, on_purpose)


MAPPED = "IPv4-mapped"
BLOCKS: Mapping[int, tuple[_Block, ...]] = {
    4: (
        _block("0.0.0.0/8", "unspecified"),
        _block("127.0.0.0/8", "loopback"),
        _block("169.254.0.0/16", "link-local", on_purpose=True),
        _block("224.0.0.0/4", "multicast"),
        _block("240.0.0.0/4", "reserved", on_purpose=True),
        _block("255.255.255.255/32", "broadcast"),
    ),
    6: (
        _block("::/96", "IPv4-compatible", on_purpose=True),
        _block("::/128", "unspecified"),
        _block("::1/128", "loopback"),
        # The API server refuses them in a status.
        _block("::ffff:0:0/96", MAPPED),
        _block("fe80::/10", "link-local", on_purpose=True),
        _block("ff00::/8", "multicast"),
    ),
}
"""Ascending by version; RFC 6890 and RFC 4291 have the reasons."""


def usable_parts(range_: AddressRange) -> tuple[AddressRange, ...]:
    """Return what Services can have of the range, ascending."""
    kind = IPv4Address if range_.version == 4 else IPv6Address
    parts, start, last = [], int(range_.first), int(range_.last)
    for block in BLOCKS[range_.version]:
        if not _left_out(block, range_):
            continue
        if start < int(block.range.first):
            parts.append((start, min(last, int(block.range.first) - 1)))
        start = max(start, int(block.range.last) + 1)
    if start <= last:
        parts.append((start, last))
    return tuple(AddressRange(kind(a), kind(b)) for a, b in parts)


def unusable_words(range_: AddressRange) -> str:
    """Return why no Service can have any address of the range, empty when some can be had."""
    if usable_parts(range_):
        return ""
    words = [b.word for b in BLOCKS[range_.version] if b.range.overlaps(range_)]
    remedy = "write a range of addresses that are free in your network"
    if words == [MAPPED]:
        plain = AddressRange(_plain(range_.first), _plain(range_.last))
        remedy = f"write {plain.spelled()}"
    return f"no Service can have an address that is {' or '.join(words)}: {remedy}"


def _left_out(block: _Block, range_: AddressRange) -> bool:
    if not block.range.overlaps(range_):
        return False
    within = range_.first in block.range and range_.last in block.range
    return not (block.on_purpose and within)


def _plain(address: Address) -> Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)
