"""Memberships in IPv6 groups on the loopback NIC, where the kernel sends no reports of them."""

import os
import socket
from ipaddress import IPv6Address

import pytest

from speaker.wire.sockets import GROUPS_A_SOCKET, GroupSockets

GROUP = int(IPv6Address("ff02::1:ff00:0"))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_groups_that_come_and_go_need_no_more_sockets_than_there_are_groups_for() -> None:
    groups = GroupSockets(socket.if_nametoindex("lo"))
    alive = 3 * GROUPS_A_SOCKET // 2
    before = descriptors()
    if not groups.join(IPv6Address(GROUP)):
        pytest.skip("no IPv6 here")
    for number in range(1, 10 * alive):
        assert groups.join(IPv6Address(GROUP + number))
        if number >= alive:
            groups.leave(IPv6Address(GROUP + number - alive))

    assert descriptors() - before <= 2
    groups.close()
    assert descriptors() <= before
