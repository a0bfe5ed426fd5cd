"""The names of the wire process's counters: from what its parts count to `name:label=value`."""

from collections.abc import Iterator, Mapping

from speaker.hello.packet import DropReason
from speaker.l2.ethernet import FrameDrop


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
