"""How many requests each client made: the figures behind "nobody writes in steady state"."""

from collections import Counter
from typing import Any

from netns_lab.faults.requests import Request

SERIES_LIMIT = 10_000
"""Paths come from clients; beyond this new ones are counted together as `other`."""


class Counts:
    """Requests by client, verb and resource."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str, str]] = Counter()
        self.connections: Counter[str] = Counter()

    def add(self, address: str, request: Request) -> None:
        """Count one request."""
        key = (address, request.agent, request.verb, request.resource)
        if key not in self.requests and len(self.requests) >= SERIES_LIMIT:
            key = (address, "other", request.verb, "other")
        self.requests[key] += 1

    def clear(self) -> None:
        """Start again from nothing."""
        self.requests.clear()
        self.connections.clear()

    def as_json(self) -> dict[str, Any]:
        """Return the figures, most frequent first, and the sums by client and verb."""
        clients: dict[str, Counter[str]] = {}
        for (address, _, verb, _), number in self.requests.items():
            clients.setdefault(address, Counter())[verb] += number
        return {
            "clients": {address: dict(verbs) for address, verbs in sorted(clients.items())},
            "connections": dict(self.connections),
            "requests": [
                {"client": c, "agent": a, "verb": v, "resource": r, "count": n}
                for (c, a, v, r), n in self.requests.most_common()
            ],
        }
