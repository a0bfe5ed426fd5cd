"""A whole control plane in memory, without a socket: store, rules, definitions, controllers."""

import json
from collections.abc import Callable

from netns_lab.control_plane.api import Api, Source
from netns_lab.control_plane.bootstrap import populate
from netns_lab.control_plane.controllers import Controllers
from netns_lab.control_plane.crds import STORAGE as CRDS
from netns_lab.control_plane.crds import follow
from netns_lab.control_plane.releases import NEW_FIELDS, drop_newer
from netns_lab.control_plane.resources import Registry
from netns_lab.control_plane.store import Change, Store


class Core:
    """All parts together; `schedule` is called when the controllers have work."""

    def __init__(self, source: Source, schedule: Callable[[], None], *, window: int = 8192) -> None:
        self.store = Store(window=window)
        self.api = Api(self.store, Registry(), source)
        self.controllers = Controllers(self.api, schedule)
        self.store.table(CRDS).listeners.append(self._follow_definition)

    def fill(self) -> None:
        """Create what every cluster starts with."""
        populate(self.api)

    def play(self, minor: int) -> None:
        """Be a server of this minor version from now on; what it doesn't know is lost."""
        self.api.registry.minor = minor
        for storage in {self.api.registry.storage_of(field.kind) for field in NEW_FIELDS}:
            for record in tuple(self.store.table(storage).ordered()):
                obj = json.loads(record.encoded)
                drop_newer(obj["kind"], obj, minor)
                # Stored anew even if nothing is lost: an upgraded controller looks at all there is.
                self.store.put(storage, obj)

    def _follow_definition(self, change: Change | None) -> None:
        if change is not None:
            follow(change, self.api.registry, self.store)
