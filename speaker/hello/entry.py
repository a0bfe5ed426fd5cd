"""One line of a node's table: what it says about one address. Values and their bytes.

flags u8    bit 0 IPv6, 1 claim, 2 provisional, 3 leaving, 4 held, 5 absent, 6-7 grade
address     4 or 16 bytes
weight i16                                        unless absent
generation u64, hash of the Services' UIDs u32    if it is a claim
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from speaker.seam.messages import Address

IPV6, CLAIM, PROVISIONAL, LEAVING, HELD, ABSENT = 1, 2, 4, 8, 16, 32
GRADE_SHIFT = 6
WEIGHT_LIMIT = 0x7FFF
GENERATION_LIMIT = 0xFFFF_FFFF_FFFF_FFFF


class Grade(IntEnum):
    """How fit a node is for an address; higher is taken first, REFUSED never."""

    REFUSED = 0
    LAST_RESORT = 1
    "Fit only while no other node is."
    OFF_SUBNET = 2
    "The address is in no prefix of the NIC. That orders, but never excludes."
    ON_SUBNET = 3


GRADES = tuple(Grade)


@dataclass(frozen=True, slots=True)
class Claim:
    """The node answers for the address."""

    generation: int
    provisional: bool = False
    "Taken while alone: yields to any claim that is not."
    leaving: bool = False
    "Asks to be relieved; goes on answering until somebody does."
    uid_hash: int = 0
    "Of the UIDs of the Services behind the address."


@dataclass(frozen=True, slots=True)
class Entry:
    """What a node says about one address."""

    grade: Grade
    weight: int = 0
    claim: Claim | None = None
    held: bool = False
    "A stranger answers for it: nobody should take it for the first time."


Line: TypeAlias = tuple[Address, Entry | None]
"""An address with what is said of it; None: the sender no longer knows it."""


class MalformedError(ValueError):
    """The bytes break the format; `packet` turns it into a DropReason."""


@lru_cache(maxsize=16_384)
def address_of(packed: bytes) -> Address:
    """Return the address; the same object for the same bytes, since 50 tables hold each."""
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


@lru_cache(maxsize=1024)
def plain(grade: Grade, weight: int, held: bool) -> Entry:
    """Return the entry without a claim; most of a table's lines are one of a few."""
    return Entry(grade, weight, None, held)


_WEIGHT = struct.Struct("!h")
_CLAIMED = struct.Struct("!hQI")


def encode_line(address: Address, entry: Entry | None) -> bytes:
    """Return the bytes of one line."""
    flags = IPV6 if address.version == 6 else 0
    if entry is None:
        return bytes((flags | ABSENT,)) + address.packed
    flags |= entry.grade << GRADE_SHIFT | (HELD if entry.held else 0)
    weight = max(-WEIGHT_LIMIT, min(WEIGHT_LIMIT, entry.weight))
    claim = entry.claim
    if claim is None:
        return bytes((flags,)) + address.packed + _WEIGHT.pack(weight)
    flags |= CLAIM | (PROVISIONAL if claim.provisional else 0) | (LEAVING if claim.leaving else 0)
    tail = _CLAIMED.pack(weight, min(claim.generation, GENERATION_LIMIT), claim.uid_hash)
    return bytes((flags,)) + address.packed + tail


def decode_lines(payload: bytes) -> Iterator[Line]:
    """Yield the lines; raise MalformedError where they end early."""
    at, end = 0, len(payload)
    while at < end:
        flags = payload[at]
        at += 1
        after = at + (16 if flags & IPV6 else 4)
        packed = payload[at:after]
        if after > end:
            raise MalformedError
        at = after
        if flags & ABSENT:
            yield address_of(packed), None
            continue
        size = _CLAIMED.size if flags & CLAIM else _WEIGHT.size
        if at + size > end:
            raise MalformedError
        yield address_of(packed), _entry(flags, payload, at)
        at += size


def _entry(flags: int, payload: bytes, at: int) -> Entry:
    grade, held = GRADES[flags >> GRADE_SHIFT], bool(flags & HELD)
    if not flags & CLAIM:
        return plain(grade, _WEIGHT.unpack_from(payload, at)[0], held)
    weight, generation, uid_hash = _CLAIMED.unpack_from(payload, at)
    claim = Claim(generation, bool(flags & PROVISIONAL), bool(flags & LEAVING), uid_hash)
    return Entry(grade, weight, claim, held)


def encode_lines(lines: Iterable[Line], room: int) -> tuple[bytes, int]:
    """Return the bytes of the first lines that fit into `room` bytes, and how many those are."""
    parts: list[bytes] = []
    for line in lines:
        part = encode_line(*line)
        room -= len(part)
        if room < 0:
            break
        parts.append(part)
    return b"".join(parts), len(parts)
