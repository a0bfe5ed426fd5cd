"""In which order nodes take a vacant address.

Grade first: a subnet orders but never excludes when no live node has it, as in MetalLB. Then the
preference, then SHA-256 of `node#key`, the order that MetalLB uses; the key is the first address of
the oldest Service that holds the address, so that a migration from MetalLB moves nothing.
"""

import hashlib
from typing import TypeAlias

from speaker.hello.entry import Entry, Grade
from speaker.l2.actions import Link
from speaker.seam.messages import Address, AddressIntent

Rank: TypeAlias = tuple[int, int, bytes]
"""Lower is earlier."""


def rank_of(node: str, key: str, grade: Grade, weight: int) -> Rank:
    """Return the node's place for an address whose rank key is the text `key`."""
    return (-grade, -weight, hashlib.sha256(f"{node}#{key}".encode()).digest())


def ranks_before(entry: Entry, node: str, mine: Rank, key: str) -> bool:
    """Return whether the node that says `entry` comes before my rank; hash only if need be."""
    grade, weight, digest = mine
    theirs = (-entry.grade, -entry.weight)
    if theirs != (grade, weight):
        return theirs < (grade, weight)
    return hashlib.sha256(f"{node}#{key}".encode()).digest() < digest


def grade_of(intent: AddressIntent, link: Link, *, owning: bool) -> Grade:
    """Return how fit this node is, which only it can know: NIC, subnet and gates."""
    if not owning and not intent.may_begin:
        return Grade.REFUSED
    if not intent.fit:
        return Grade.LAST_RESORT if intent.last_resort else Grade.REFUSED
    return Grade.ON_SUBNET if on_subnet(intent.address, link) else Grade.OFF_SUBNET


def on_subnet(address: Address, link: Link) -> bool:
    """Return whether the address lies in one of the NIC's prefixes."""
    return any(address in each.network for each in link.prefixes if each.version == address.version)


def uid_hash(intent: AddressIntent) -> int:
    """Return 32 bits that stand for the Services behind the address."""
    digest = hashlib.sha256("\n".join(intent.service_uids).encode()).digest()
    return int.from_bytes(digest[:4], "big")
