"""The router's kernel route for one address, noted at each change by netlink.

Runs as a process in the router's namespace (`python -m netns_lab.drill.route_watch`) until standard
input ends; then prints one JSON line. The kernel tells an IPv4 route with all its next hops in one
message.
"""

import argparse
import select
import socket
import struct
import sys
import time
from ipaddress import ip_address
from typing import Any

from netns_lab import netns
from netns_lab.drill.probe import say_ready, say_report

RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE = 0x40, 0x400
RTM_NEWROUTE, RTM_DELROUTE = 24, 25
NLMSG_HEADER = struct.Struct("=IHHII")
RTMSG_BYTES = 12
RTA_DST, RTA_GATEWAY, RTA_MULTIPATH = 1, 5, 9
RTNH_BYTES = 8


class RouteWatch:
    """Listens for changes of the route to one address."""

    def __init__(self, target: str) -> None:
        self.target = ip_address(target)
        groups = RTMGRP_IPV4_ROUTE if self.target.version == 4 else RTMGRP_IPV6_ROUTE
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.sock.bind((0, groups))
        self.sock.setblocking(False)
        self.changes: list[tuple[float, list[str]]] = []

    def run(self) -> None:
        """Note changes until standard input ends."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        poll.register(sys.stdin, select.POLLIN | select.POLLHUP)
        say_ready()
        while True:
            ended = any(fd != self.sock.fileno() for fd, _ in poll.poll())
            # Also at the end: what has changed by then is part of the run.
            while self._receive(time.monotonic()):
                pass
            if ended:
                return

    def _receive(self, now: float) -> bool:
        """Note what one message says; return whether there was one."""
        try:
            data = self.sock.recv(65536)
        except OSError:
            return False
        while len(data) >= NLMSG_HEADER.size:
            length, kind, *_ = NLMSG_HEADER.unpack_from(data)
            if kind in (RTM_NEWROUTE, RTM_DELROUTE):
                self._note(now, kind, data[NLMSG_HEADER.size : length])
            data = data[(length + 3) & ~3 :]
        return True

    def _note(self, now: float, kind: int, body: bytes) -> None:
        prefix_length = body[1]
        attributes = dict(_attributes(body[RTMSG_BYTES:]))
        if attributes.get(RTA_DST) != self.target.packed:
            return
        if prefix_length != self.target.max_prefixlen:
            return
        gone = kind == RTM_DELROUTE
        self.changes.append((now, [] if gone else _next_hops(attributes)))

    def report(self) -> dict[str, Any]:
        """Return what was seen as JSON."""
        return {"changes": self.changes}


def _attributes(data: bytes) -> list[tuple[int, bytes]]:
    found = []
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found.append((kind & 0x3FFF, data[4:length]))
        data = data[(length + 3) & ~3 :]
    return found


def _next_hops(attributes: dict[int, bytes]) -> list[str]:
    if RTA_GATEWAY in attributes:
        return [str(ip_address(attributes[RTA_GATEWAY]))]
    hops = []
    data = attributes.get(RTA_MULTIPATH, b"")
    while len(data) >= RTNH_BYTES:
        (length,) = struct.unpack_from("=H", data)
        if length < RTNH_BYTES:
            break
        inner = dict(_attributes(data[RTNH_BYTES:length]))
        if RTA_GATEWAY in inner:
            hops.append(str(ip_address(inner[RTA_GATEWAY])))
        data = data[(length + 3) & ~3 :]
    return sorted(hops)


def main() -> None:
    """Run the watch."""
    parser = argparse.ArgumentParser(prog="python -m netns_lab.drill.route_watch")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--target", required=True)
    chosen = parser.parse_args()
    netns.enter(chosen.namespace)
    watch = RouteWatch(chosen.target)
    watch.run()
    say_report(watch.report())


if __name__ == "__main__":
    main()
