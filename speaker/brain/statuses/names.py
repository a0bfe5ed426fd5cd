"""Names and labels of status objects, valid however long the names of nodes and Services are."""

import hashlib

from kube.objects import ObjectName

MAX_LABEL = 63
MAX_NAME = 253
HASH_DIGITS = 16
NAME_DIGITS = 24


def status_name(prefix: str, service: ObjectName, node: str) -> str:
    """Return the name of the object of one Service and node: the same whoever computes it."""
    return f"{prefix}-{_digest(service.namespace, service.name, node)[:NAME_DIGITS]}"


def state_name(node: str) -> str:
    """Return the name of a speaker's ConfigurationState."""
    return shortened(f"speaker-{node}", MAX_NAME)


def label_value(name: str) -> str:
    """Return the name as a label may have it: a long one cut, with a hash of the whole."""
    return shortened(name, MAX_LABEL)


def shortened(name: str, limit: int) -> str:
    """Return the name if it is short enough, else its beginning and a hash of the whole."""
    if len(name) <= limit:
        return name
    begin = name[: limit - HASH_DIGITS - 1].rstrip("-._")
    return f"{begin}-{_digest(name)[:HASH_DIGITS]}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
