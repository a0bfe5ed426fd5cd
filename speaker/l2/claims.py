"""Which of several claims to an address is the better one."""

import hashlib

from speaker.hello.entry import Claim
from speaker.l2.ground import Ground
from speaker.l2.record import Record


def beats(one: tuple[str, Claim], other: tuple[str, Claim], key: str) -> bool:
    """Return whether the first claim is the better one.

    A claim taken while alone yields to one that was not; then the later generation, so that what
    happened after a partition counts; then rank, where the hash alone is known to both sides.
    """
    mine, theirs = one[1], other[1]
    if mine.provisional != theirs.provisional:
        return theirs.provisional
    if mine.generation != theirs.generation:
        return mine.generation > theirs.generation
    return _digest(one[0], key) < _digest(other[0], key)


def _digest(node: str, key: str) -> bytes:
    return hashlib.sha256(f"{node}#{key}".encode()).digest()


def best_claim(ground: Ground, record: Record, now: float) -> tuple[str, Claim] | None:
    """Return the best claim by another node that counts, with its node; None without any."""
    best: tuple[str, Claim] | None = None
    for each in ground.claims(record, now):
        if best is None or beats(each, best, record.key):
            best = each
    return best
