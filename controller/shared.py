"""The addresses in use under one sharing key and backend of one pool, found without trying each.

What keeps a newcomer out of most of them is a port or a namespace, and ten thousand Services have
few sorts of those: addresses that are used alike are kept together.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge

from controller.sharing import Terms

Ports = frozenset[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Use:
    """How an address is used by all who have it under this key and backend."""

    namespaces: frozenset[str]
    ports: Ports
    tenants: int = 0
    claims: int = 0
    "Ports, counted for each tenant: as many as there are different ones when none is used twice."

    @property
    def clashes(self) -> bool:
        """Tell whether a port is used by more than one."""
        return self.claims != len(self.ports)

    def joined_by(self, terms: Terms) -> "Use":
        """Return the use with one tenant more."""
        return Use(
            self.namespaces | {terms.namespace},
            self.ports | terms.ports,
            self.tenants + 1,
            self.claims + len(terms.ports),
        )


NOBODY = Use(frozenset(), frozenset())


@dataclass(slots=True)
class Shared:
    """The addresses of one group, as integers."""

    _uses: dict[int, Use] = field(default_factory=dict)
    _alike: dict[frozenset[str], dict[Ports, list[int]]] = field(default_factory=dict)
    "Ascending, by namespaces and ports."

    def use(self, value: int) -> Use:
        """Return how the address is used."""
        return self._uses.get(value, NOBODY)

    def join(self, value: int, terms: Terms) -> None:
        """Let one more use the address on these terms."""
        self._put(value, self.use(value).joined_by(terms))

    def leave(self, value: int, rest: Iterable[Terms]) -> None:
        """Let the address be used on these terms only."""
        use = NOBODY
        for terms in rest:
            use = use.joined_by(terms)
        self._put(value, use)

    def open_to(self, terms: Terms, namespace: str | None = None) -> Iterator[int]:
        """Yield, ascending, the addresses of which no port of the terms is used.

        Only those that `namespace` uses, if it is given. Without consent only its own namespace's;
        with it the consent of those who are there is still to be asked.
        """
        spaces = self._alike if terms.allows else (frozenset({terms.namespace}),)
        return merge(
            *(
                values
                for each in spaces
                if namespace is None or namespace in each
                for ports, values in self._alike.get(each, {}).items()
                if not ports & terms.ports
            )
        )

    def _put(self, value: int, use: Use) -> None:
        before = self.use(value)
        if before.tenants:
            by_ports = self._alike[before.namespaces]
            values = by_ports[before.ports]
            del values[bisect_left(values, value)], self._uses[value]
            if not values:
                del by_ports[before.ports]
            if not by_ports:
                del self._alike[before.namespaces]
        if use.tenants:
            self._uses[value] = use
            by_ports = self._alike.setdefault(use.namespaces, {})
            insort(by_ports.setdefault(use.ports, []), value)
