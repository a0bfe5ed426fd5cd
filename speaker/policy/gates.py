"""Why an address may be withheld, and what would open it.

Every refusal in Herald is a `Withheld`: the gate that closed, the object and the field that would
open it, and a sentence for people. Log, Event, status, metric label, `herald explain` and tests
read that one value, so they cannot disagree.
"""

from dataclasses import dataclass
from enum import Enum


class Protocol(Enum):
    """How an address is announced; the value is MetalLB's metric label."""

    LAYER2 = "layer2"
    BGP = "bgp"


class Gate(Enum):
    """Every condition that must hold, in the order in which they are looked at."""

    CLASS = "load-balancer-class"
    POOL = "pool"
    ADVERTISEMENT = "advertisement"
    SERVICE_SELECTED = "service-selected"
    SHARED_SELECTORS = "shared-ip-with-service-selectors"
    DOUBLE = "held-by-older-service"
    NODE_KNOWN = "node-known"
    NODE_SELECTED = "node-selected"
    NODE_NETWORK = "node-network"
    NODE_NOT_EXCLUDED = "node-not-excluded"
    NODE_NOT_DRAINING = "node-not-draining"
    INTERFACE = "interface"
    CONSISTENT = "advertisements-consistent"
    PEER = "peer"
    ENDPOINT = "endpoint"
    LOCAL_ENDPOINT = "local-endpoint"
    SHARERS = "shared-with-fitter-node"
    HEALTH = "health-check"


EVERYWHERE = frozenset(
    {
        Gate.CLASS,
        Gate.POOL,
        Gate.ADVERTISEMENT,
        Gate.SERVICE_SELECTED,
        Gate.SHARED_SELECTORS,
        Gate.DOUBLE,
    }
)
"""Closed on one node they are closed on all: nobody wants the address announced so."""

MEANINGS = {
    Gate.CLASS: "the Service's load balancer class is the one this Herald serves",
    Gate.POOL: "the address belongs to a pool",
    Gate.ADVERTISEMENT: "an advertisement selects the pool",
    Gate.SERVICE_SELECTED: "an advertisement of the pool selects the Service",
    Gate.SHARED_SELECTORS: "no service selector stands against sharing the address",
    Gate.DOUBLE: "no older Service has the address that may not share it",
    Gate.NODE_KNOWN: "the API server knows the node",
    Gate.NODE_SELECTED: "an advertisement selects the node",
    Gate.NODE_NETWORK: "the node's network is available",
    Gate.NODE_NOT_EXCLUDED: "the node is not excluded from external load balancers",
    Gate.NODE_NOT_DRAINING: "the node is not being drained of addresses",
    Gate.INTERFACE: "the node has a usable NIC that an advertisement wants",
    Gate.CONSISTENT: "its advertisements don't contradict each other",
    Gate.PEER: "a peer of the address's family takes it from this node",
    Gate.ENDPOINT: "the Service has a usable endpoint",
    Gate.LOCAL_ENDPOINT: "under policy Local a usable endpoint is on the node; "
    "under policy Cluster the node needs none",
    Gate.SHARERS: "no other node suits more of the Services that share the address",
    Gate.HEALTH: "no health check of the node's service proxy stands against it: "
    "under policy Local the Service's own, under policy Cluster the proxy's (10256)",
}
"""What an open gate means, for `herald explain`."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """One closed gate."""

    gate: Gate
    object: str
    "Kind and name of the object that would open it."
    field: str
    "Path of the field in it."
    sentence: str
    "What is wrong and what to do."
