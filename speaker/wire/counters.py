"""What the wire process counts, and under which names: `name:label=value`. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from itertools import islice

from speaker.hello.packet import DropReason
from speaker.l2.ethernet import FrameDrop
from speaker.seam.messages import Counters

Address = IPv4Address | IPv6Address

PART = 256
"""Counters told at once: some 20 kB, named and written in about 1 ms."""


@dataclass(slots=True)
class AddressCounts:
    """Frames by address, as MetalLB counts them; keyed by the packed address for speed."""

    requests: Counter[bytes] = field(default_factory=Counter)
    "Questions for an address answered for here."
    answers: Counter[bytes] = field(default_factory=Counter)
    gratuitous: Counter[bytes] = field(default_factory=Counter)

    def forget(self, address: Address) -> None:
        """Drop an address that is no longer wanted."""
        for each in (self.requests, self.answers, self.gratuitous):
            each.pop(address.packed, None)


def asked_address(frame: bytes) -> bytes:
    """Return the packed address that an ARP request or a solicitation asks for."""
    return frame[38:42] if frame[12:14] == b"\x08\x06" else frame[62:78]


def told_address(frame: bytes) -> bytes:
    """Return the packed address that a gratuitous frame of ours tells of."""
    return frame[28:32] if frame[12:14] == b"\x08\x06" else frame[62:78]


def address_counters(of: Iterable[AddressCounts]) -> Iterator[tuple[str, float]]:
    """Name the counters by address, summed over the NICs when the first is taken."""
    total = AddressCounts()
    for each in of:
        total.requests.update(each.requests)
        total.answers.update(each.answers)
        total.gratuitous.update(each.gratuitous)
    for name, counts in (
        ("requests", total.requests),
        ("answers", total.answers),
        ("gratuitous", total.gratuitous),
    ):
        for packed, count in counts.items():
            yield f"herald_wire_address_{name}:ip={_text(packed)}", count


@lru_cache(maxsize=16_384)
def _text(packed: bytes) -> str:
    """Return the address of 4 or 16 octets as text; it is asked for three times a scrape."""
    return str(IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed))


def in_parts(counters: Iterable[tuple[str, float]]) -> Iterator[Counters]:
    """Give the counters as messages, at least one; each takes only what it holds."""
    rest = iter(counters)
    part, values = 0, dict(islice(rest, PART))
    while following := dict(islice(rest, PART)):
        yield Counters(values, part, more=True)
        part, values = part + 1, following
    yield Counters(values, part)


def interface_counters(
    interface: str, counts: Mapping[str, int], drops: Mapping[FrameDrop | DropReason, int]
) -> Iterator[tuple[str, float]]:
    """Name one NIC's counters; a dropped frame's label says which parser dropped it."""
    label = f"interface={interface}"
    for name, count in counts.items():
        yield f"herald_wire_{name}:{label}", count
    for reason, count in drops.items():
        part = "frame" if isinstance(reason, FrameDrop) else "hello"
        yield f"herald_wire_dropped:{label},part={part},reason={reason.value}", count


def labelled(name: str, label: str, values: Mapping[str, int]) -> Iterator[tuple[str, float]]:
    """Name counters that differ in one label only."""
    for value, count in values.items():
        yield f"herald_wire_{name}:{label}={value}", count
