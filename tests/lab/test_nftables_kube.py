"""The real kube-proxy in nftables mode, its usual one here: Local traffic, and a restart."""

import pytest

from tests.lab.test_iptables_kube import (
    _applied,
    test_a_local_endpoint_that_goes_takes_the_route_along,
    test_a_restarted_kube_proxy_moves_nothing,
    test_local_traffic_goes_to_nodes_with_an_endpoint_and_keeps_its_source,
)

__all__ = [
    "_applied",
    "test_a_local_endpoint_that_goes_takes_the_route_along",
    "test_a_restarted_kube_proxy_moves_nothing",
    "test_local_traffic_goes_to_nodes_with_an_endpoint_and_keeps_its_source",
]
pytestmark = pytest.mark.netns

CONTROL_PLANES = ("kube",)
PROXY_MODE = "nftables"
LAB_NODES = 3
