"""Services as a fresh list shows them, until the watch has caught up with it.

Who takes over leading lists once: everything the last leader wrote is in that list, but the watch
may lag behind it. The planner must never see less than the list, or it would give an address that
was just given.
"""

from collections.abc import Iterable, Mapping

from kube.objects import ObjectName, Service

PATIENCE_S = 30.0
"""A listed Service that the watch has not shown by then was deleted in between."""


class Floor:
    """What the list showed and the watch has not yet."""

    def __init__(self, listed: Iterable[Service], now: float) -> None:
        self._listed = {service.name: service for service in listed}
        self._until = now + PATIENCE_S

    @property
    def until(self) -> float | None:
        """When what is left of the list is forgotten; None once nothing is."""
        return self._until if self._listed else None

    def expired(self, now: float) -> frozenset[ObjectName]:
        """Forget the list when its time is over; return the Services only it still showed."""
        if not self._listed or now < self._until:
            return frozenset()
        names, self._listed = frozenset(self._listed), {}
        return names

    def raise_to(self, services: Mapping[ObjectName, Service]) -> Mapping[ObjectName, Service]:
        """Return the Services of the watch, with the list's where the watch is older."""
        if not self._listed:
            return services
        self._listed = {
            name: listed
            for name, listed in self._listed.items()
            if not _reached(services.get(name), listed)
        }
        return {**services, **self._listed} if self._listed else services


def _reached(watched: Service | None, listed: Service) -> bool:
    return watched is not None and _number(watched) >= _number(listed)


def _number(service: Service) -> int:
    version = service.resource_version
    return int(version) if version.isdigit() else 0
