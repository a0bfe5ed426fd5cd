"""The hello datagram: values, parser and serializer; no state.

Layout, big endian. What comes before the TLVs is judged before the HMAC is computed, so a
neighbouring cluster on the same segment costs no SHA-256.

    0   magic "HRLD"            8   cluster id, 16 bytes (truncated SHA-256 of its text)
    4   version (1)             24  TLVs: type u8, length u16, value; unknown types are skipped
    5   reserved (0)            end HMAC-SHA256 over all that precedes it, 32 bytes
    6   key id u16

TLVs; SENDER and TABLE are required, none but ECHOES may come twice:

    1 SENDER   boot id u64, sequence u64, interval u16 ms, freshness u16 s, flags u8, node name
    2 ECHOES   n of: boot id u64, low 32 bits of its highest sequence heard, table version held u32
    3 TABLE    version u32, number of entries u32
    4 CHANGES  base version u32, version u32, lines: applies to a table that has reached `base`
    5 CHUNK    version u32, index u16, total u16, lines: part of the whole table at that version
    6 DOUBLES  n of: flags u8, address, claimant's boot id u64, generation u64: the better of two
    7 KEYS     n of: key id u16, those the sender accepts
"""

import hashlib
import hmac
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from speaker.hello.entry import IPV6, PROVISIONAL, Line, MalformedError, address_of, decode_lines
from speaker.seam.messages import Address

MAGIC = b"HRLD"
VERSION = 1
HEADER = struct.Struct("!4sBBH16s")
DIGEST_SIZE = 32
MAX_PAYLOAD = 1252
"""Bytes of UDP payload we send: with the IPv4 and UDP headers 1280, the least MTU that IPv6 works
on, and that of many tunnels. A longer frame than the NIC's MTU never leaves, and the neighbours'
copy of the table would stay incomplete for ever."""
MAX_ACCEPTED = 1472
"""The largest UDP/IPv4 payload of an unfragmented Ethernet frame."""
MAX_ECHOES = 50
"""Echoes a datagram: all of a segment of 50 nodes, and a quarter of it is left for the table."""

SENDER, ECHOES, TABLE, CHANGES, CHUNK, DOUBLES, KEYS = range(1, 8)
STARTING, DRAINING, STALLED, PASSIVE, PARTIAL = 1, 2, 4, 8, 16

_TLV = struct.Struct("!BH")
_SENDER = struct.Struct("!QQHHB")
_ECHO = struct.Struct("!QII")
_TABLE = struct.Struct("!II")
_CHUNK = struct.Struct("!IHH")
_DOUBLE_TAIL = struct.Struct("!QQ")
_NODE = re.compile(rb"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")  # RFC 1123 subdomain


class DropReason(Enum):
    """Why a datagram was not used; also the metric's label."""

    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    BAD_MAGIC = "bad-magic"
    BAD_VERSION = "bad-version"
    OTHER_CLUSTER = "other-cluster"
    UNKNOWN_KEY = "unknown-key"
    BAD_HMAC = "bad-hmac"
    MALFORMED = "malformed"
    NO_IDENTITY = "no-identity"
    OWN = "own"
    TWIN = "twin"
    REPLAYED = "replayed"
    OLD_BOOT = "old-boot"
    TABLE_FULL = "table-full"
    LINK_DOWN = "link-down"


@dataclass(frozen=True, slots=True)
class Changes:
    """Lines changed after `base` up to `version`, each as it is now."""

    base: int
    version: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Part `index` of `total` of the whole table as it was at `version`."""

    version: int
    index: int
    total: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Double:
    """The sender hears two claimants of the address; this is the better claim."""

    address: Address
    boot_id: int
    generation: int
    provisional: bool


@dataclass(frozen=True, slots=True)
class Hello:
    """One datagram."""

    node: str
    boot_id: int
    sequence: int
    interval_ms: int
    freshness_s: int = 0
    starting: bool = False
    draining: bool = False
    stalled: bool = False
    passive: bool = False
    "Another NIC of the node takes part in this segment."
    partial: bool = False
    "Goes on where the one before ended: it lists no echoes, doubles and keys."
    version: int = 0
    "Of the sender's table."
    count: int = 0
    "Entries of the sender's table."
    echoes: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Neighbours that the sender hears: boot id to (low 32 bits of the highest sequence heard,
    version of its table held). A dict, since 500 a second come in and one line of each matters."""
    changes: Changes | None = None
    chunk: Chunk | None = None
    doubles: tuple[Double, ...] = ()
    keys: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Keyring:
    """The cluster and the keys in force, by id."""

    cluster: bytes
    keys: Mapping[int, bytes] = field(repr=False)


def cluster_digest(cluster_id: str) -> bytes:
    """Return the 16 bytes that stand for the cluster's id."""
    return hashlib.sha256(cluster_id.encode()).digest()[:16]


def parse_hello(payload: bytes, ring: Keyring) -> Hello | DropReason:
    """Return the hello, or why it can't be one of ours; never raise."""
    if len(payload) < HEADER.size + DIGEST_SIZE:
        return DropReason.TOO_SHORT
    if len(payload) > MAX_ACCEPTED:
        return DropReason.TOO_LONG
    magic, version, _reserved, key_id, cluster = HEADER.unpack_from(payload)
    if magic != MAGIC:
        return DropReason.BAD_MAGIC
    if version != VERSION:
        return DropReason.BAD_VERSION
    if cluster != ring.cluster:
        return DropReason.OTHER_CLUSTER
    key = ring.keys.get(key_id)
    if key is None:
        return DropReason.UNKNOWN_KEY
    signed, digest = payload[:-DIGEST_SIZE], payload[-DIGEST_SIZE:]
    if not hmac.compare_digest(hmac.digest(key, signed, "sha256"), digest):
        return DropReason.BAD_HMAC
    try:
        return _hello(_tlvs(signed))
    except (MalformedError, struct.error):
        return DropReason.MALFORMED


def _tlvs(signed: bytes) -> dict[int, bytes]:
    """Return the values by type; raise MalformedError if the list is broken or repeats a type."""
    found: dict[int, bytes] = {}
    at = HEADER.size
    while at < len(signed):
        kind, length = _TLV.unpack_from(signed, at)
        at += _TLV.size
        if at + length > len(signed):
            raise MalformedError
        value = signed[at : at + length]
        if kind in found and kind != ECHOES:
            raise MalformedError
        found[kind] = found[kind] + value if kind in found else value
        at += length
    return found


def _hello(tlvs: dict[int, bytes]) -> Hello:
    sender, table = tlvs.get(SENDER, b""), tlvs.get(TABLE, b"")
    boot_id, sequence, interval_ms, freshness_s, flags = _SENDER.unpack_from(sender)
    node = sender[_SENDER.size :]
    if not _NODE.fullmatch(node) or not interval_ms or not sequence:
        raise MalformedError
    version, count = _TABLE.unpack_from(table)
    return Hello(
        node=node.decode(),
        boot_id=boot_id,
        sequence=sequence,
        interval_ms=interval_ms,
        freshness_s=freshness_s,
        starting=bool(flags & STARTING),
        draining=bool(flags & DRAINING),
        stalled=bool(flags & STALLED),
        passive=bool(flags & PASSIVE),
        partial=bool(flags & PARTIAL),
        version=version,
        count=count,
        echoes={
            boot_id: (heard, held)
            for boot_id, heard, held in _ECHO.iter_unpack(tlvs.get(ECHOES, b""))
        },
        changes=_changes(tlvs[CHANGES]) if CHANGES in tlvs else None,
        chunk=_chunk(tlvs[CHUNK]) if CHUNK in tlvs else None,
        doubles=_doubles(tlvs.get(DOUBLES, b"")),
        keys=tuple(key for (key,) in struct.iter_unpack("!H", tlvs.get(KEYS, b""))),
    )


def _changes(value: bytes) -> Changes:
    base, version = _TABLE.unpack_from(value)
    if base > version:
        raise MalformedError
    return Changes(base, version, tuple(decode_lines(value[_TABLE.size :])))


def _chunk(value: bytes) -> Chunk:
    version, index, total = _CHUNK.unpack_from(value)
    if index >= total:
        raise MalformedError
    return Chunk(version, index, total, tuple(decode_lines(value[_CHUNK.size :])))


def _doubles(value: bytes) -> tuple[Double, ...]:
    doubles, at = [], 0
    while at < len(value):
        flags = value[at]
        after = at + 1 + (16 if flags & IPV6 else 4)
        boot_id, generation = _DOUBLE_TAIL.unpack_from(value, after)
        address = address_of(value[at + 1 : after])
        doubles.append(Double(address, boot_id, generation, bool(flags & PROVISIONAL)))
        at = after + _DOUBLE_TAIL.size
    return tuple(doubles)


def build_hello(hello: Hello, ring: Keyring, key_id: int, lines: bytes = b"") -> bytes:
    """Return the datagram, signed with the key. `lines` are those of `changes` or `chunk`.

    The lines come encoded, since whoever fills a datagram has to count their bytes anyway.
    """
    parts = [HEADER.pack(MAGIC, VERSION, 0, key_id, ring.cluster), _sender(hello)]
    parts.append(_tlv(TABLE, _TABLE.pack(hello.version, hello.count)))
    if hello.keys:
        parts.append(_tlv(KEYS, struct.pack(f"!{len(hello.keys)}H", *hello.keys)))
    if hello.echoes:
        packed = (_ECHO.pack(boot_id, *echo) for boot_id, echo in hello.echoes.items())
        parts.append(_tlv(ECHOES, b"".join(packed)))
    if hello.doubles:
        parts.append(_tlv(DOUBLES, b"".join(_double(each) for each in hello.doubles)))
    if (changes := hello.changes) is not None:
        parts.append(_tlv(CHANGES, _TABLE.pack(changes.base, changes.version) + lines))
    if (chunk := hello.chunk) is not None:
        parts.append(_tlv(CHUNK, _CHUNK.pack(chunk.version, chunk.index, chunk.total) + lines))
    signed = b"".join(parts)
    return signed + hmac.digest(ring.keys[key_id], signed, "sha256")


def room_for_lines(hello: Hello) -> int:
    """Return how many bytes of lines fit beside what the hello holds already."""
    used = HEADER.size + DIGEST_SIZE + len(_sender(hello)) + _TLV.size + _TABLE.size
    used += _TLV.size + 2 * len(hello.keys) + _TLV.size + _ECHO.size * len(hello.echoes)
    used += _TLV.size + sum(len(_double(each)) for each in hello.doubles)
    return MAX_PAYLOAD - used - _TLV.size - _CHUNK.size


def _tlv(kind: int, value: bytes) -> bytes:
    return _TLV.pack(kind, len(value)) + value


def _sender(hello: Hello) -> bytes:
    flags = STARTING * hello.starting | DRAINING * hello.draining
    flags |= STALLED * hello.stalled | PASSIVE * hello.passive | PARTIAL * hello.partial
    age_s = min(hello.freshness_s, 0xFFFF)
    fixed = _SENDER.pack(hello.boot_id, hello.sequence, hello.interval_ms, age_s, flags)
    return _tlv(SENDER, fixed + hello.node.encode())


def _double(double: Double) -> bytes:
    flags = (IPV6 if double.address.version == 6 else 0) | PROVISIONAL * double.provisional
    tail = _DOUBLE_TAIL.pack(double.boot_id, double.generation)
    return bytes((flags,)) + double.address.packed + tail
