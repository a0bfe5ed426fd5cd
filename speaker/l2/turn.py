"""Whose turn it is to take a vacant address: rank k waits k steps.

The wait gives those who rank before time to be heard. It starts when nothing else keeps this node
from taking, so nodes that become ready one after the other do not take everything in that order.
"""

from speaker.hello.entry import Entry, Grade, plain
from speaker.hello.neighbours import Neighbour, Standing
from speaker.l2.ground import Ground
from speaker.l2.rank import rank_of, ranks_before
from speaker.l2.record import Record

NEW_S = 1.0
"""So long after this node first wants an address, neighbours that don't list it yet count as
candidates: their brains hear of a new Service some ms earlier or later, and the fastest must not
take everything."""
CROWD_S = 0.0001
"""Added to each later rank's wait for each address still vacant: claims take time to arrive."""


def suspect(ground: Ground, record: Record) -> Neighbour | None:
    """Return the last claimant if it merely fell silent: it may still answer."""
    for node in record.claims:
        neighbour = ground.neighbours.by_node.get(node)
        if neighbour is not None and neighbour.standing <= Standing.UNPROVEN:
            return neighbour
    return None


def candidates(ground: Ground, record: Record, now: float) -> list[Neighbour]:
    """Return the neighbours that could take the address: two-way, fit, fresh and staying."""
    address = record.address
    return [
        each
        for each in ground.two_way
        if is_candidate(ground, each, each.table.entries.get(address), now)
    ]


def is_candidate(ground: Ground, neighbour: Neighbour, entry: Entry | None, now: float) -> bool:
    """Return whether the neighbour, which says this of it, could take the address."""
    if entry is None or entry.grade is Grade.REFUSED or entry.held:
        return False
    if neighbour.draining or ground.outdated(neighbour, now):
        return False
    return entry.claim is None or not entry.claim.leaving


def turn_at(ground: Ground, record: Record, now: float, crowd: int) -> float:
    """Return when it is this node's turn: rank k waits k steps, after the witness was asked."""
    timing = ground.timing
    mine = rank_of(ground.node, record.key, record.grade, record.intent.weight)
    rank = 0
    for neighbour in ground.two_way:
        entry: Entry | None = neighbour.table.entries.get(record.address)
        if entry is None and _may_list_it_soon(record, neighbour, now):
            entry = plain(Grade.ON_SUBNET, 0, False)
        if entry is not None and is_candidate(ground, neighbour, entry, now):
            rank += ranks_before(entry, neighbour.node, mine, record.key)
    wait_s = rank * (timing.rank_step_s + crowd * CROWD_S)
    if suspect(ground, record) is not None:
        wait_s += 2 * timing.witness_spacing_s
    return (now if record.clear_since is None else record.clear_since) + wait_s


def _may_list_it_soon(record: Record, neighbour: Neighbour, now: float) -> bool:
    return not record.used and not neighbour.draining and now - record.wanted_at < NEW_S
