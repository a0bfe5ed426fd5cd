"""Services as a fresh list shows them, until the watch has caught up with it.

Who takes over leading lists once: everything the last leader wrote is in that list, but the watch
may lag behind it. The planner must never see less than the list, or it would give an address that
was just given; nor more, or a Service that is gone would claim the address that was its own.
"""

from collections.abc import Iterable, Mapping

from controller.numbers import to_number, version_of
from kube.objects import ObjectName, Service

PATIENCE_S = 30.0
"""A listed Service that the watch has not shown by then was deleted in between."""


class Floor:
    """What the list showed and the watch has not yet, and what the watch shows and is gone."""

    def __init__(
        self,
        listed: Iterable[Service] = (),
        version: str = "",
        watched: Mapping[ObjectName, Service] | None = None,
        now: float = 0.0,
    ) -> None:
        self._listed = {service.name: service for service in listed}
        self._version = to_number(version)
        self._gone = {
            name
            for name, service in (watched or {}).items()
            if name not in self._listed and not self._later(service)
        }
        self._until = now + PATIENCE_S
        self._overtaken: set[ObjectName] = set()

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

    def drop(self, name: ObjectName) -> None:
        """Forget one Service that is known to be gone."""
        self._listed.pop(name, None)

    def raise_to(self, services: Mapping[ObjectName, Service]) -> Mapping[ObjectName, Service]:
        """Return the Services of the watch as the list corrects them."""
        if not self._listed and not self._gone:
            return services
        for name, listed in tuple(self._listed.items()):
            watched = services.get(name)
            if watched is not None and _reached(watched, listed):
                del self._listed[name]
                if watched != listed:
                    self._overtaken.add(name)
        self._gone = {
            name
            for name in self._gone
            if (service := services.get(name)) is not None and not self._later(service)
        }
        if not self._listed and not self._gone:
            return services
        there = {name: each for name, each in services.items() if name not in self._gone}
        return {**there, **self._listed}

    def overtaken(self) -> frozenset[ObjectName]:
        """Return, once, the Services that the watch has brought to another state than the list's.

        It may be the state that the watch showed before: then the watch calls it no change.
        """
        names, self._overtaken = frozenset(self._overtaken), set()
        return names

    def _later(self, service: Service) -> bool:
        return version_of(service) > self._version


def _reached(watched: Service, listed: Service) -> bool:
    return version_of(watched) >= version_of(listed)
