"""The words for what the segment's core reports: one sentence part for each cause."""

from collections.abc import Mapping
from types import MappingProxyType

from speaker.l2.cause import Cause

TAKEN: Mapping[Cause, str] = MappingProxyType(
    {
        Cause.NONE: "nothing has happened yet",
        Cause.TOOK_VACANT: "nobody had it, and this node's turn came first",
        Cause.NEIGHBOUR_DIED: "the node that had it fell silent",
        Cause.RELEASED: "the node that had it gave it up",
        Cause.HANDED_OVER: "it was handed over before the other node stopped answering",
        Cause.RESUMED: "the wire process restarted and went on with what it had",
        Cause.ALONE: "this node hears none of the nodes it expects",
        Cause.NEIGHBOUR_CLAIMS: "another node holds it",
        Cause.CLASH_LOST: "two nodes had it and the better claim stayed",
        Cause.DRAINED: "the node was drained, and its grace period ended",
        Cause.REFUSED: "the node may not announce it: its gates say why",
        Cause.REMOVED: "no Service wants it any more",
        Cause.CONFLICT: "a host that is no speaker answers for it",
        Cause.LINK_DOWN: "the NIC lost its carrier",
        Cause.STALLED: "the wire process stood still for too long",
        Cause.OFF_SUBNET: "a node with the address's subnet could take it",
        Cause.STALE: "the node's knowledge of the API was too old, and a fresher node took it",
        Cause.YIELDED: "the node heard none of the others and its policy is to yield",
        Cause.TWIN: "another NIC of the node is on the same segment and takes part instead",
        Cause.WAITING_FOR_TABLES: "a neighbour has not said yet what it holds",
        Cause.STARTING: "the node has just started and listens first",
        Cause.WAITING_FOR_LIFE: "the node is alone and the segment shows no sign of life",
        Cause.WAITING_FOR_RANK: "nodes that rank before it have their turn first",
        Cause.WITNESS_ANSWERS: "the silent node still answers ARP for it",
    }
)  # fmt: skip
"""By cause; `words` takes the text that a status page has."""

_KEY = "is the Secret herald-hello the same for all nodes"
DROPPED: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("hello", "unknown-key"): f"hellos signed with a key it does not have: {_KEY}?",
        ("hello", "bad-hmac"): f"hellos with a wrong signature: {_KEY}?",
        ("hello", "other-cluster"): "hellos of another cluster on the same segment",
        ("hello", "old-boot"): "hellos of an earlier boot of a speaker",
        ("hello", "replayed"): "hellos that came again",
        ("hello", "table-full"): "hellos of more speakers than it can keep",
        ("hello", ""): "hellos that make no sense",
        ("frame", ""): "frames that make no sense",
        ("bfd", ""): "BFD packets that belong to no session or make no sense",
        ("watch", ""): "watches that failed or broke off half-way",
        ("seam", ""): "lines on its socket that are no message of Herald",
    }
)
"""By part and reason; a reason without an entry of its own has the part's last."""

ORDINARY = frozenset(
    {"no-identity", "own", "twin", "link-down", "not-asked", "icmp-type", "admin-down"}
)
"""Reasons to drop what is as it should be."""

OWNERSHIP: Mapping[str, str] = MappingProxyType(
    {
        "owned": "answers",
        "other": "leaves it to {owner}",
        "vacant": "sees nobody have it",
        "held": "keeps off: a stranger answers",
    }
)
"""What a node does, by `OwnerState`."""


def words(cause: str) -> str:
    """Return the words for a cause, itself when it is a newer speaker's."""
    try:
        return TAKEN[Cause(cause)]
    except (ValueError, KeyError):
        return cause
