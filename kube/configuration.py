"""Herald's configuration as both daemons use it: only good objects, parsed, references resolved.

Made by `kube.validation.usable`. Everything is sorted by name, so that equal input gives equal
values. References by name that lead nowhere are left out here and reported as faults there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address

from kube.crds import PreferredNodeSelector, ServiceAllocation
from kube.objects import EMPTY, Address
from kube.ranges import AddressRange, RangeIndex
from kube.selectors import LabelSelector


@dataclass(frozen=True, slots=True)
class Pool:
    """An IPAddressPool whose ranges overlap with no other's."""

    name: str
    ranges: tuple[AddressRange, ...]
    "One for each entry of `spec.addresses`, in their order."
    auto_assign: bool = True
    avoid_buggy_ips: bool = False
    labels: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    allocation: ServiceAllocation | None = None
    "None: for every Service."

    def __contains__(self, address: Address) -> bool:
        return any(address in each for each in self.ranges)


@dataclass(frozen=True, slots=True)
class L2Ad:
    """A good L2Advertisement; no selectors means no restriction, no interfaces means all."""

    name: str
    pools: frozenset[str]
    "Names of the pools it covers, selectors applied."
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    interfaces: tuple[str, ...] = ()
    "Sorted."
    preferred_node_selectors: tuple[PreferredNodeSelector, ...] = ()


@dataclass(frozen=True, slots=True)
class BGPAd:
    """A good BGPAdvertisement."""

    name: str
    pools: frozenset[str]
    node_selectors: tuple[LabelSelector, ...] = ()
    service_selectors: tuple[LabelSelector, ...] = ()
    aggregation_length: int = 32
    aggregation_length_v6: int = 128
    local_pref: int = 0
    communities: tuple[str, ...] = ()
    "`a:b` or `large:a:b:c`, aliases resolved, sorted."
    peers: frozenset[str] = frozenset()
    "Names of BGPPeers; empty means all."


@dataclass(frozen=True, slots=True)
class BFDTimers:
    """A good BFDProfile, defaults filled in."""

    name: str
    receive_ms: int = 300
    transmit_ms: int = 300
    multiplier: int = 3
    passive: bool = False
    minimum_ttl: int = 254


@dataclass(frozen=True, slots=True)
class Peer:
    """A good BGPPeer, its password and BFD profile looked up."""

    name: str
    address: Address
    my_asn: int
    peer_asn: int
    port: int = 179
    source_address: Address | None = None
    router_id: IPv4Address | None = None
    hold_time_s: int = 90
    keepalive_s: int = 30
    node_selectors: tuple[LabelSelector, ...] = ()
    password: str = field(default="", repr=False)
    bfd: BFDTimers | None = None
    multihop: bool = False
    graceful_restart: bool = False


@dataclass(frozen=True)
class Configuration:
    """All good objects. An object refused now keeps its last good version, if it had one."""

    pools: tuple[Pool, ...] = ()
    refused_pools: tuple[Pool, ...] = ()
    """Pools refused without a last good version, with the ranges that could be read: nothing new
    is given from them, but what is there stays and is announced."""
    l2: tuple[L2Ad, ...] = ()
    bgp: tuple[BGPAd, ...] = ()
    peers: tuple[Peer, ...] = ()
    profiles: tuple[BFDTimers, ...] = ()

    def pool_of(self, address: Address) -> Pool | None:
        """Return the pool that holds the address, good ones first, or None."""
        found = self._index.find(address)
        if found is not None:
            return found
        return next((pool for pool in self.refused_pools if address in pool), None)

    @cached_property
    def _index(self) -> RangeIndex[Pool]:
        return RangeIndex((each, pool) for pool in self.pools for each in pool.ranges)
