"""Ports for the programs that a test starts on this machine, beside whatever else runs there.

A port is free when it is chosen and bound a moment later. From the range that the kernel takes the
ports of connections from, anybody's next connection may have it by then; so they are from below.
"""

import random
import socket
from contextlib import ExitStack
from pathlib import Path

FIRST, LAST = 12_000, 30_000
RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Return as many different ports that nobody uses now."""
    below = int(RANGE.read_text().split()[0])
    last = min(below - 1, LAST) if below > FIRST + 1000 else LAST
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            port = random.randint(FIRST, last)
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("", port))
            except OSError:
                continue
            found.append(port)
    return found


def free_port() -> int:
    """Return one."""
    (port,) = free_ports(1)
    return port
