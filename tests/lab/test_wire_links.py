"""What the kernel tells of links, when it tells more than the queue holds."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from netns_lab.netns import inside
from speaker.wire.netlink import Monitor
from tests.lab.wire_lab import run

pytestmark = pytest.mark.netns


@contextmanager
def a_node_with_a_nic() -> Iterator[str]:
    namespace = f"herald-wiret{os.getpid()}-links"
    run("ip", "netns", "add", namespace)
    try:
        cable = ["type", "veth", "peer", "name", "far"]
        run("ip", "-n", namespace, "link", "add", "lan0", *cable)
        yield namespace
    finally:
        run("ip", "netns", "del", namespace)


def test_news_from_before_the_lost_ones_do_not_outlive_the_reading_anew() -> None:
    with a_node_with_a_nic() as namespace:
        with inside(namespace):
            monitor = Monitor()
        # The kernel's least: one message, and what comes after it is lost.
        monitor._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        run("ip", "-n", namespace, "link", "set", "lan0", "mtu", "1400")
        run("ip", "-n", namespace, "link", "set", "lan0", "mtu", "1300")
        with inside(namespace):
            while monitor.read():
                pass
        assert monitor.table.by_name()["lan0"].mtu == 1300
        run("ip", "-n", namespace, "link", "set", "lan0", "mtu", "1200")
        with inside(namespace):
            assert monitor.read()
        monitor.close()
        assert monitor.table.by_name()["lan0"].mtu == 1200
