"""What the brain says: what this node wants to be true. An intent replaces the one of its key."""

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Prefix: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class HelloKey:
    """A key for the hello's HMAC; the highest id of those in force signs."""

    id: int
    secret_hex: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this speaker is on the segment. `cluster_id` is the UID of the namespace kube-system."""

    node: str
    cluster_id: str
    keys: tuple[HelloKey, ...]


class OnConflict(Enum):
    """What to do when a stranger answers for an address at its first use."""

    HOLD = "hold"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class AddressIntent:
    """What this node may do with one address in L2 mode; keyed by `address`."""

    address: Address
    service_uids: tuple[str, ...]
    "UIDs of the Services that hold the address, sorted."
    rank_key: Address
    "First ingress address of the oldest of them: what the rank is hashed over."
    interfaces: tuple[str, ...] = ()
    "NICs wanted; empty means all that qualify."
    fit: bool = True
    "False: this node refuses the address, for the reasons in `closed_gates`."
    closed_gates: tuple[str, ...] = ()
    "Values of `speaker.policy.gates.Gate`."
    weight: int = 0
    "Preference among nodes of the same grade; higher is better."
    may_begin: bool = True
    "False: keep it when it is this node's, but don't take it: its health is not known yet."
    last_resort: bool = False
    "With `fit` False: a holder answers on as long as no other node is fit (health gates only)."
    on_conflict: OnConflict = OnConflict.HOLD


@dataclass(frozen=True, slots=True)
class AddressRemoved:
    """The address is no longer wanted by anybody: withdraw it."""

    address: Address


@dataclass(frozen=True, slots=True)
class ExpectedNode:
    """A node that runs a speaker."""

    node: str
    internal_ips: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """All other nodes with a speaker Pod; replaces the earlier list."""

    nodes: tuple[ExpectedNode, ...]


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the brain's knowledge of the API is; sent once a second."""

    age_s: float


@dataclass(frozen=True, slots=True)
class Drain:
    """Hand everything over (True) or take part again (False)."""

    active: bool


@dataclass(frozen=True, slots=True)
class BfdIntent:
    """A BFD session wanted; keyed by `peer`."""

    peer: Address
    local: Address | None = None
    transmit_ms: int = 300
    receive_ms: int = 300
    multiplier: int = 3
    passive: bool = False
    multihop: bool = False
    minimum_ttl: int = 254


@dataclass(frozen=True, slots=True)
class BfdRemoved:
    """The BFD session with `peer` is no longer wanted."""

    peer: Address


@dataclass(frozen=True, slots=True)
class PeerIntent:
    """A BGP session wanted; keyed by `name`, the BGPPeer's."""

    name: str
    address: Address
    my_asn: int
    peer_asn: int
    port: int = 179
    local_address: Address | None = None
    "None: what the kernel chooses towards the peer."
    router_id: IPv4Address | None = None
    "None: the session's IPv4 address, else the NIC's, else a hash of the node's name."
    hold_time_s: int = 90
    keepalive_s: int = 30
    "At most a third of the hold time agreed on."
    password: str = field(default="", repr=False)
    multihop: bool = False
    "An external peer that isn't on a network of this node needs it."
    graceful_restart: bool = False
    bfd: bool = False
    "Withdraw and hold the peer down while wire's BfdReport says that its path has failed."


@dataclass(frozen=True, slots=True)
class PeerRemoved:
    """The session is no longer wanted."""

    name: str


@dataclass(frozen=True, slots=True)
class RouteVariant:
    """The attributes of a prefix towards some of its peers, where they differ from the others'."""

    peers: tuple[str, ...]
    communities: tuple[str, ...] = ()
    local_pref: int = 0


@dataclass(frozen=True, slots=True)
class RouteIntent:
    """A prefix to announce; keyed by `prefix`. De-preferring keeps the route up."""

    prefix: Prefix
    peers: tuple[str, ...]
    communities: tuple[str, ...] = ()
    "`a:b` or `large:a:b:c`, aliases already resolved, sorted."
    local_pref: int = 0
    "0: none given."
    de_preferred: bool = False
    may_begin: bool = True
    "False: keep it when it is announced already, but don't begin: health is not known yet."
    variants: tuple[RouteVariant, ...] = ()
    "Peers that get the prefix with other attributes; no peer is named twice."


@dataclass(frozen=True, slots=True)
class RouteRemoved:
    """Withdraw the prefix."""

    prefix: Prefix


@dataclass(frozen=True, slots=True)
class CountersWanted:
    """Ask for `Counters`."""
