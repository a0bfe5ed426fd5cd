"""Which Services show an address in their statuses, and who waits for whom to drop one."""

from collections.abc import Callable, Collection

from kube.objects import Address, ObjectName


class Showing:
    """Services by the addresses that they show."""

    def __init__(self) -> None:
        self._by_address: dict[Address, set[ObjectName]] = {}

    def by(self, address: Address) -> Collection[ObjectName]:
        """Return who shows the address."""
        return self._by_address.get(address, ())

    def replace(
        self, name: ObjectName, before: tuple[Address, ...], after: tuple[Address, ...]
    ) -> None:
        """Take note that a Service shows other addresses than before."""
        for address in before:
            there = self._by_address[address]
            there.discard(name)
            if not there:
                del self._by_address[address]
        for address in after:
            self._by_address.setdefault(address, set()).add(name)


def waits_for_itself(name: ObjectName, awaited: Callable[[ObjectName], ObjectName | None]) -> bool:
    """Tell whether a Service waits for one that waits, in the end, for this one.

    To follow one of those whom each waits for is enough: where nobody can move, every way leads
    into a circle, and who is on it finds itself.
    """
    passed, at = {name}, awaited(name)
    while at is not None and at not in passed:
        passed.add(at)
        at = awaited(at)
    return at == name
