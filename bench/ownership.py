"""What the ownership of addresses costs: starting, hearing hellos, and taking over from the dead.

Run as anybody: `python bench/ownership.py [--quick]`. Cores on a virtual segment, so the columns in
ms of fail-over are those of the protocol, and the columns of CPU are what this machine adds.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the virtual segment is the tests'

from speaker.l2.segment import SendHello
from speaker.seam.messages import Address
from tests.virtual_segment import Node, VirtualSegment, intent, vips

SIZES = ((3, 1000), (3, 5000), (20, 1000), (50, 500))
QUICK = ((3, 1000), (10, 500))


@dataclass
class Meter:
    """CPU time spent in the calls of one node's core."""

    total_s: float = 0.0
    worst_s: float = 0.0
    calls: dict[str, int] = field(default_factory=dict)

    def watch(self, node: Node) -> None:
        """Count the calls of the core from now on."""
        for name in ("receive_hello", "handle_deadline"):
            setattr(node.core, name, self._timed(name, getattr(node.core, name)))

    def _timed(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def timed(*arguments: object) -> object:
            begun = time.process_time()
            result = call(*arguments)
            spent_s = time.process_time() - begun
            self.total_s += spent_s
            self.worst_s = max(self.worst_s, spent_s)
            self.calls[name] = self.calls.get(name, 0) + 1
            return result

        return timed


def taken_last(segment: VirtualSegment, orphans: list[Address], died_at: float) -> float:
    """Return when the last orphan was answered again, in seconds after the death."""
    return max(
        min(at for at, who in segment.answers[each] if who and at > died_at) - died_at
        for each in orphans
    )


def measure(nodes: int, addresses: int) -> str:
    """Return one row of the table."""
    segment = VirtualSegment(nodes)
    wanted = vips(addresses)
    begun = time.process_time()
    segment.start(wanted=[intent(each) for each in wanted])
    segment.run(6)
    start_s = (time.process_time() - begun) / nodes
    meters = {name: Meter() for name in segment.nodes}
    for name, meter in meters.items():
        meter.watch(segment.nodes[name])
    segment.run(3)
    received = sum(each.calls.get("receive_hello", 0) for each in meters.values())
    hello_us = sum(each.total_s for each in meters.values()) / received * 1e6
    steady = sum(
        isinstance(each, SendHello) and at > segment.now - 1
        for node in segment.nodes.values()
        for at, each in node.actions
    )
    for meter in meters.values():
        meter.total_s = meter.worst_s = 0.0
    orphans = [each for each in wanted if "n1" in segment.owners(each)]
    died_at = segment.now
    segment.kill("n1")
    segment.run(1.5)
    others = [meter for name, meter in meters.items() if name != "n1"]
    return (
        f"{nodes:5} {addresses:9} {start_s:9.2f} {steady:9} {hello_us:9.0f} {len(orphans):7}"
        f" {taken_last(segment, orphans, died_at) * 1000:8.0f}"
        f" {max(each.total_s for each in others) * 1000:11.0f}"
        f" {max(each.worst_s for each in others) * 1000:10.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    sizes = QUICK if parser.parse_args().quick else SIZES
    gc.disable()  # as the wire process does while it works
    print("                 start      hellos   CPU a            last      CPU a node  longest")
    print("                 CPU/node   a second hello            taken     to take     call")
    print("nodes addresses         s        /s        us orphans       ms          ms         ms")
    for nodes, addresses in sizes:
        print(measure(nodes, addresses), flush=True)


if __name__ == "__main__":
    main()
