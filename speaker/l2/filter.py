"""Classic BPF programs: the kernel drops the frames of others before they cost anything here.

A program is a list of instructions for SO_ATTACH_FILTER. The set of addresses becomes disjoint
ranges and a binary search over them, two instructions a range: consecutive addresses are one
range, so this is exact for all ordinary pools and for up to ~2,000 scattered addresses. Beyond,
the smallest gaps are closed: a few foreign frames then reach the process, where a dict lookup
drops them. Nothing that is wanted is ever dropped.

Frames that the kernel itself would not take are dropped first: those to another station's MAC,
which a promiscuous NIC and a flooding switch deliver too, and those of a VLAN this NIC is not in.

Conditional jumps are 8 bits wide, so ranges are searched in leaves of at most 120 with the two
verdicts at the end of each leaf, and the leaves in a tree of far jumps.
"""

import struct
from collections.abc import Iterable, Sequence
from heapq import nlargest
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import NamedTuple

from speaker.l2.udp import GROUP, HELLO_PORT

LIMIT = 4096
"""Instructions the kernel takes (BPF_MAXINSNS)."""
MODEST_LIMIT = 2048
"""What fits the 20 kB of option memory that kernels before 5.x give a socket."""

COARSE_LIMIT = 160
"""For a set that changes: some 64 ranges, made in a few ms however many addresses there are."""

_LAYOUT = struct.Struct("=HBBI")
_LEAF = 120
_GROUPS_LIMIT = 64
_ACCEPT_BYTES = 0x40000

_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30
_LOAD_HALF_INDEXED = 0x48
_LOAD_X_HEADER = 0xB1
_JUMP, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_FROM, _JUMP_ANY = 0x05, 0x15, 0x25, 0x35, 0x45
_RETURN = 0x06

_PACKET_TYPE = 0xFFFFF004
"The kernel's word on whom a frame is for (SKF_AD_OFF + SKF_AD_PKTTYPE)."
_MULTICAST, _OTHER_HOST = 2, 3

_ARP_OPERATION, _ARP_SENDER, _ARP_TARGET = 20, 28, 38
_NEXT_HEADER, _ICMP_TYPE, _NDP_TARGET = 20, 54, 62


class Instruction(NamedTuple):
    """One BPF instruction (`struct sock_filter`); a tuple, since a program has thousands."""

    code: int
    if_true: int
    if_false: int
    operand: int


Program = tuple[Instruction, ...]
Range = tuple[int, int]
"""First and last value, both in."""


def _op(code: int, operand: int = 0, if_true: int = 0, if_false: int = 0) -> Instruction:
    return Instruction(code, if_true, if_false, operand)


ACCEPT = _op(_RETURN, _ACCEPT_BYTES)
REJECT = _op(_RETURN, 0)
DROP_ALL: Program = (REJECT,)
_FOR_US = (_op(_LOAD_WORD, _PACKET_TYPE), _op(_JUMP_EQUAL, _OTHER_HOST, 0, 1), REJECT)


def encode(program: Program) -> bytes:
    """Return the program as the kernel's array of `struct sock_filter`."""
    return b"".join([_LAYOUT.pack(*instruction) for instruction in program])


def ranges(values: Iterable[int], limit: int) -> list[Range]:
    """Return at most `limit` disjoint ranges in order that cover all `values`, and least else."""
    ordered = sorted(set(values))
    if not ordered:
        return []
    gaps = [(b - a, i) for i, (a, b) in enumerate(pairwise(ordered), 1) if b - a > 1]
    if len(gaps) >= max(limit, 1):  # keep the widest gaps open
        gaps = nlargest(max(limit, 1) - 1, gaps)
    starts = [0, *sorted(i for _, i in gaps)]
    ends = [*starts[1:], len(ordered)]
    return [(ordered[start], ordered[end - 1]) for start, end in zip(starts, ends, strict=True)]


def _search(of: Sequence[Range]) -> list[Instruction]:
    """Return instructions that accept when A lies in a range, else reject; they always return."""
    if not of:
        return [REJECT]
    return [_op(_JUMP_FROM, of[0][0], 1, 0), REJECT, *_tree(of)]


def _tree(of: Sequence[Range]) -> list[Instruction]:
    """Search ranges, A being at least the first one's start."""
    if len(of) <= _LEAF:
        nodes = _leaf(of, tail=0)
        return [*nodes, ACCEPT, REJECT]
    middle = len(of) // 2
    low, high = _tree(of[:middle]), _tree(of[middle:])
    return [_op(_JUMP_FROM, of[middle][0], 0, 1), _op(_JUMP, len(low)), *low, *high]


def _leaf(of: Sequence[Range], tail: int) -> list[Instruction]:
    """Search up to _LEAF ranges; the verdicts stand `tail` instructions after these."""
    if len(of) == 1:
        return [_op(_JUMP_ABOVE, of[0][1], tail + 1, tail)]
    middle = len(of) // 2
    high = _leaf(of[middle:], tail)
    low = _leaf(of[:middle], tail + len(high))
    return [_op(_JUMP_FROM, of[middle][0], len(low), 0), *low, *high]


def _capacity(limit: int, overhead: int) -> int:
    """Return how many ranges fit: two instructions each, and four a leaf for verdicts and jump.

    Halving leaves leaves half empty at worst, hence one leaf for each _LEAF // 2 ranges.
    """
    return (limit - overhead) * (_LEAF // 2) // (2 * (_LEAF // 2) + 4)


def arp_requests_for(addresses: Iterable[IPv4Address], limit: int = LIMIT) -> Program:
    """Pass ARP requests whose target is one of `addresses`."""
    start = [
        *_FOR_US,
        _op(_LOAD_HALF, _ARP_OPERATION),
        _op(_JUMP_EQUAL, 1, 1, 0),
        REJECT,
        _op(_LOAD_WORD, _ARP_TARGET),
    ]
    covered = ranges(map(int, addresses), _capacity(limit, 12))
    return (*start, *_search(covered))


def arp_from(addresses: Iterable[IPv4Address], limit: int = LIMIT) -> Program:
    """Pass any ARP whose sender is one of `addresses`: conflicts, and answers to our probes."""
    covered = ranges(map(int, addresses), _capacity(limit, 12))
    return (*_FOR_US, _op(_LOAD_WORD, _ARP_SENDER), *_search(covered))


def ndp_about(addresses: Iterable[IPv6Address], limit: int = LIMIT) -> Program:
    """Pass solicitations and advertisements whose target is one of `addresses`."""
    start = [
        *_FOR_US,
        _op(_LOAD_BYTE, _NEXT_HEADER),
        _op(_JUMP_EQUAL, 58, 1, 0),
        REJECT,
        _op(_LOAD_BYTE, _ICMP_TYPE),
        _op(_JUMP_EQUAL, 135, 2, 0),
        _op(_JUMP_EQUAL, 136, 1, 0),
        REJECT,
    ]
    groups: dict[int, list[int]] = {}
    for address in addresses:
        groups.setdefault(int(address) >> 32, []).append(int(address) & 0xFFFFFFFF)
    if len(groups) > _GROUPS_LIMIT:  # a prefix each: judge by the last 32 bits alone
        lows = [low for each in groups.values() for low in each]
        covered = ranges(lows, _capacity(limit, 16))
        return (*start, _op(_LOAD_WORD, _NDP_TARGET + 12), *_search(covered))
    share = _capacity(limit - 16 - 20 * len(groups), 0) // max(len(groups), 1)
    for prefix, lows in sorted(groups.items()):
        start += _in_prefix(prefix, ranges(lows, share))
    return (*start, REJECT)


def _in_prefix(prefix: int, covered: Sequence[Range]) -> list[Instruction]:
    """Judge a target in the /96 `prefix`; fall through to what follows for any other."""
    search = [_op(_LOAD_WORD, _NDP_TARGET + 12), *_search(covered)]
    checks: list[Instruction] = []
    for i in range(3):
        word = prefix >> (64 - 32 * i) & 0xFFFFFFFF
        beyond = (2 - i) * 3 + len(search)
        checks += [
            _op(_LOAD_WORD, _NDP_TARGET + 4 * i),
            _op(_JUMP_EQUAL, word, 1, 0),
            _op(_JUMP, beyond),
        ]
    return [*checks, *search]


def hellos() -> Program:
    """Pass whole UDP datagrams to the hello's group and port."""
    return (
        *_FOR_US,
        _op(_LOAD_BYTE, 23),
        _op(_JUMP_EQUAL, 17, 0, 8),
        _op(_LOAD_WORD, 30),
        _op(_JUMP_EQUAL, int(GROUP), 0, 6),
        _op(_LOAD_HALF, 20),
        _op(_JUMP_ANY, 0x3FFF, 4, 0),
        _op(_LOAD_X_HEADER, 14),
        _op(_LOAD_HALF_INDEXED, 16),
        _op(_JUMP_EQUAL, HELLO_PORT, 0, 1),
        ACCEPT,
        REJECT,
    )


def anything_heard() -> Program:
    """Pass all that comes in for this host or for all, nothing that goes out."""
    return (_op(_LOAD_WORD, _PACKET_TYPE), _op(_JUMP_ABOVE, _MULTICAST, 1, 0), ACCEPT, REJECT)
