"""rtnetlink: the node's links and addresses, now and as they change. Bytes only; see l2/links.

Reading needs no capability. A dump takes a socket of its own and is answered by the kernel within
the call, so it is read at once; changes come on the monitor's socket.
"""

import errno
import socket
import struct
from collections.abc import Mapping

from speaker.l2.ethernet import Mac
from speaker.l2.links import (
    Address,
    Done,
    Event,
    LinkTable,
    Neighbour,
    NetlinkError,
    Route,
    parse_netlink,
)

_GET_LINK, _GET_ADDRESS, _GET_ROUTE, _GET_NEIGHBOUR = 18, 22, 26, 30
_REQUEST_DUMP = 0x1 | 0x300
_GROUPS = 0x1 | 0x10 | 0x100
"RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR."
_SOL_NETLINK, _NETLINK_GET_STRICT_CHK = 270, 12
_RTA_OIF, _NDA_IFINDEX = 4, 8
_MAIN_TABLE = 254
_DATAGRAM = 1 << 16
_DUMP_TIMEOUT_S = 1.0


class Monitor:
    """Keeps a LinkTable in step with the kernel."""

    def __init__(self) -> None:
        self.table = LinkTable()
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE
        )
        self._socket.bind((0, _GROUPS))  # before the dump: no change falls between them
        self.reload()

    def fileno(self) -> int:
        """Return the descriptor, for the loop."""
        return self._socket.fileno()

    def reload(self) -> None:
        """Read everything anew."""
        table = LinkTable()
        events = _dump(_GET_LINK, struct.pack("=BxHiII", 0, 0, 0, 0, 0))
        events += _dump(_GET_ADDRESS, struct.pack("=BBBBI", 0, 0, 0, 0, 0))
        for event in events:
            table.apply(event)
        self.table.links = table.links

    def read(self) -> bool:
        """Take in what the kernel tells; tell whether a link is different now.

        When it tells that changes were lost, everything is read anew, but only once the queue is
        empty: what lies there is older, and until then the kernel adds nothing to it.
        """
        changed = lost = False
        while True:
            try:
                received = self._socket.recv(_DATAGRAM)
            except BlockingIOError:
                if lost:
                    self.reload()
                return changed or lost
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                lost = True
                continue
            for event in parse_netlink(received):
                changed |= self.table.apply(event)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def gateways(index: int) -> Mapping[Address, Mac]:
    """Return the MACs of the default routers behind a NIC, as far as the kernel knows them."""
    routes: list[Event] = []
    for family in (socket.AF_INET, socket.AF_INET6):
        message = struct.pack("=BBBBBBBBI", family, 0, 0, 0, _MAIN_TABLE, 0, 0, 0, 0)
        routes += _dump(_GET_ROUTE, message + struct.pack("=HHi", 8, _RTA_OIF, index))
    wanted = {e.gateway for e in routes if isinstance(e, Route) and e.index == index}
    if not wanted:
        return {}
    return {address: mac for address, mac in neighbours(index).items() if address in wanted}


def neighbours(index: int) -> Mapping[Address, Mac]:
    """Return the stations behind a NIC whose MACs the kernel knows."""
    message = struct.pack("=BxxxiHBB", 0, 0, 0, 0, 0)
    events = _dump(_GET_NEIGHBOUR, message + struct.pack("=HHi", 8, _NDA_IFINDEX, index))
    return {e.address: e.mac for e in events if isinstance(e, Neighbour) and e.index == index}


def _dump(kind: int, body: bytes) -> list[Event]:
    """Return the events of one dump; nothing when the kernel refuses it."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asked:
        asked.settimeout(_DUMP_TIMEOUT_S)
        asked.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        asked.bind((0, 0))
        asked.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST_DUMP, 1, 0) + body)
        events: list[Event] = []
        while True:
            new = parse_netlink(asked.recv(_DATAGRAM))
            events += new
            if any(isinstance(event, Done | NetlinkError) for event in new):
                return events
