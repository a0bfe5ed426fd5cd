"""The controllers beside the embedded API server: a queue of what to look at again.

Each controller says which of its keys a change concerns (`notice`) and brings one key's objects in
order (`reconcile`), reading the store and writing through the same rules as every client. The
server calls `run` once per loop turn with writes; a turn does a bounded amount of work, so that
requests keep being answered.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from netns_lab.control_plane.api import Api
from netns_lab.control_plane.endpoints import EndpointController
from netns_lab.control_plane.garbage import GarbageController, NamespaceController
from netns_lab.control_plane.scheduling import Scheduler
from netns_lab.control_plane.store import Change, Key
from netns_lab.control_plane.workloads import (
    DaemonSetController,
    DeploymentController,
    ReplicaSetController,
)

STEPS_PER_TURN = 100
"""About 20 ms of work between two chances to answer requests."""


class Controller(Protocol):
    """What the queue needs of a controller."""

    def notice(self, storage: str, change: Change) -> Iterable[Key]:
        """Return the keys to look at again after a change."""

    def reconcile(self, key: Key) -> None:
        """Bring in order what belongs to one key."""


class Controllers:
    """All controllers and their queue; `schedule` is called when `run` is due."""

    def __init__(self, api: Api, schedule: Callable[[], None]) -> None:
        self._controllers: tuple[Controller, ...] = (
            Scheduler(api),
            EndpointController(api),
            DeploymentController(api),
            ReplicaSetController(api),
            DaemonSetController(api),
            GarbageController(api),
            NamespaceController(api),
        )
        self._due: dict[tuple[int, Key], None] = {}
        self._schedule = schedule
        api.store.listeners.append(self._notice)

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting to be looked at."""
        return not self._due

    def run(self) -> None:
        """Do one turn's work and ask for another when some is left."""
        for _ in range(STEPS_PER_TURN):
            if not self._due:
                return
            index, key = item = next(iter(self._due))
            del self._due[item]
            self._controllers[index].reconcile(key)
        if self._due:
            self._schedule()

    def _notice(self, storage: str, change: Change) -> None:
        was_idle = not self._due
        for index, controller in enumerate(self._controllers):
            for key in controller.notice(storage, change):
                self._due[(index, key)] = None
        if was_idle and self._due:
            self._schedule()
