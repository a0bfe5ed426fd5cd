"""What has changed since the last pass of the planner, and is worth another one."""

from collections.abc import Set
from dataclasses import dataclass, field

from controller.delta import Delta
from controller.patches import only_ours
from kube.objects import ObjectName, Service
from kube.snapshot import Kind
from kube.store import Changes


@dataclass(slots=True)
class Dirty:
    """Names of what is to be judged; everything is when pools changed."""

    services: set[ObjectName] = field(default_factory=set)
    namespaces: set[str] = field(default_factory=set)
    pools: bool = False

    def add(self, changes: Changes, services: Set[ObjectName]) -> None:
        """Take what one turn of the watch brought, and which of its Services are news."""
        self.services |= services
        self.namespaces |= {name.name for name in changes.names.get(Kind.NAMESPACE, ())}
        self.pools |= Kind.IP_ADDRESS_POOL in changes.names


def is_news(before: Service | None, after: Service | None, delta: Delta) -> bool:
    """Tell whether the planner must judge a Service that has changed like this in the watch.

    It need not when the Service asks for what it asked for before, and shows what was decided for
    it: so end most writes of our own, of which the planner knows all.
    """
    if before is None or after is None:
        return True
    return not (only_ours(before, after) and delta.shows(after.name, after))
