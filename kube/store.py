"""The objects of all watched kinds, and the immutable snapshots made of them.

Fed by the driver with the API's JSON, which is parsed and trimmed at once. An object whose trimmed
value is equal changes nothing but its resource version. An object that cannot be parsed keeps its
last good value and is recorded in `Snapshot.faults`. A snapshot copies only the maps that changed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from kube import crds, parsing
from kube.crds import Resource, parse_resource
from kube.objects import EndpointSlice, Json, ObjectError, ObjectName, parse_name
from kube.snapshot import NOTHING, Kind, Snapshot
from kube.written import parse_written

NAMELESS = ObjectName("", "?")
"Under this name an object without a readable name is recorded in the faults."


def _resource(model: type[Resource]) -> Callable[[Json], Resource]:
    return lambda obj: parse_resource(model, obj)


@dataclass(frozen=True, slots=True)
class _Shelf:
    field: str
    "Name of the snapshot's map."
    parse: Callable[[Json], Any]
    by_plain_name: bool = False


SHELVES: Mapping[Kind, _Shelf] = MappingProxyType(
    {
        Kind.SERVICE: _Shelf("services", parsing.parse_service),
        Kind.ENDPOINT_SLICE: _Shelf("slices", parsing.parse_endpoint_slice),
        Kind.NODE: _Shelf("nodes", parsing.parse_node, by_plain_name=True),
        Kind.NAMESPACE: _Shelf("namespaces", parsing.parse_namespace, by_plain_name=True),
        Kind.POD: _Shelf("pods", parsing.parse_pod),
        Kind.SECRET: _Shelf("secrets", parsing.parse_secret),
        Kind.IP_ADDRESS_POOL: _Shelf("pools", _resource(crds.IPAddressPool)),
        Kind.L2_ADVERTISEMENT: _Shelf("l2_advertisements", _resource(crds.L2Advertisement)),
        Kind.BGP_ADVERTISEMENT: _Shelf("bgp_advertisements", _resource(crds.BGPAdvertisement)),
        Kind.BGP_PEER: _Shelf("bgp_peers", _resource(crds.BGPPeer)),
        Kind.BFD_PROFILE: _Shelf("bfd_profiles", _resource(crds.BFDProfile)),
        Kind.COMMUNITY: _Shelf("communities", _resource(crds.Community)),
        Kind.SERVICE_L2_STATUS: _Shelf("l2_statuses", parse_written),
        Kind.SERVICE_BGP_STATUS: _Shelf("bgp_statuses", parse_written),
        Kind.CONFIGURATION_STATE: _Shelf("configuration_states", parse_written),
        Kind.POOL_STATUS: _Shelf("pool_statuses", parse_written),
    }
)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is new since the last snapshot; false when nothing is."""

    names: Mapping[Kind, frozenset[ObjectName]] = field(default_factory=lambda: NOTHING)
    "Objects added, changed, removed or newly faulty; nodes and namespaces without a namespace."
    services: frozenset[ObjectName] = frozenset()
    "Services that changed themselves or through one of their slices."
    kinds: frozenset[Kind] = frozenset()
    "Kinds listed for the first time, or whose availability changed."

    def __bool__(self) -> bool:
        return bool(self.names or self.kinds)

    def only(self, kind: Kind) -> bool:
        """Tell whether nothing but objects of this kind is new."""
        return not self.kinds and self.names.keys() <= {kind}


def name_of(obj: Json) -> ObjectName:
    """Return the object's name, or NAMELESS."""
    try:
        return parse_name(obj)
    except (ObjectError, AttributeError, TypeError):
        return NAMELESS


class Listing:
    """One list in progress: what is not in it when it ends is gone."""

    def __init__(self, store: "Store", kind: Kind) -> None:
        self._store = store
        self._kind = kind
        self._seen: set[ObjectName] = set()

    def add(self, items: Iterable[Json]) -> None:
        """Take one page."""
        for obj in items:
            self._seen.add(self._store.upsert(self._kind, obj))

    def missing(self) -> frozenset[ObjectName]:
        """Return the names of known objects that the list lacks so far."""
        return frozenset(self._store.names(self._kind) - self._seen)

    def finish(self) -> frozenset[ObjectName]:
        """Remove what the list lacks, call the kind listed, and return the names removed."""
        gone = self.missing()
        for name in gone:
            self._store.remove(self._kind, name)
        self._store.mark_listed(self._kind)
        return gone


class Store:
    """Live maps of all kinds and what changed in them since the last snapshot."""

    def __init__(self, snapshot: Snapshot | None = None) -> None:
        self._snapshot = snapshot or Snapshot()
        self._live: dict[Kind, dict[Any, Any]] = {
            kind: dict(getattr(self._snapshot, shelf.field)) for kind, shelf in SHELVES.items()
        }
        self._of_service: dict[ObjectName, tuple[EndpointSlice, ...]] = dict(
            self._snapshot.slices_by_service
        )
        self._faults: dict[tuple[Kind, ObjectName], str] = dict(self._snapshot.faults)
        self._listed = set(self._snapshot.listed)
        self._unavailable: dict[Kind, str] = {}
        self._dirty: set[Kind] = set()
        "Kinds whose map must be copied for the next snapshot."
        self._changed: dict[Kind, set[ObjectName]] = {}
        self._services: set[ObjectName] = set()
        self._kinds: set[Kind] = set()

    def listing(self, kind: Kind) -> Listing:
        """Begin a list of the kind."""
        return Listing(self, kind)

    def upsert(self, kind: Kind, obj: Json) -> ObjectName:
        """Take an object as it is now and return its name."""
        name = name_of(obj)
        try:
            value = SHELVES[kind].parse(obj)
        except (ObjectError, AttributeError, KeyError, TypeError, ValueError) as error:
            self._fault(kind, name, str(error) or type(error).__name__)
        else:
            self.put(kind, name, value)
        return name

    def put(self, kind: Kind, name: ObjectName, value: Any) -> None:
        """Take an object's parsed value as it is now."""
        self._clear_fault(kind, name)
        live, key = self._live[kind], self._key(kind, name)
        before = live.get(key)
        live[key] = value
        self._dirty.add(kind)
        if before != value:
            self._change(kind, name)
            if kind is Kind.ENDPOINT_SLICE:
                self._index(before, value)

    def delete(self, kind: Kind, obj: Json) -> ObjectName:
        """Take note of an object's end and return its name."""
        name = name_of(obj)
        self.remove(kind, name)
        return name

    def remove(self, kind: Kind, name: ObjectName) -> None:
        """Forget an object; nothing happens when it isn't known."""
        before = self._live[kind].pop(self._key(kind, name), None)
        self._clear_fault(kind, name)
        if before is None:
            return
        self._dirty.add(kind)
        self._change(kind, name)
        if kind is Kind.ENDPOINT_SLICE:
            self._index(before, None)

    def names(self, kind: Kind) -> set[ObjectName]:
        """Return the names of all objects of the kind, faulty ones included."""
        plain = SHELVES[kind].by_plain_name
        known = {ObjectName("", key) if plain else key for key in self._live[kind]}
        return known | {name for of, name in self._faults if of is kind}

    def knows(self, kind: Kind, name: ObjectName) -> bool:
        """Tell whether there is such an object, readable or not."""
        return self._key(kind, name) in self._live[kind] or (kind, name) in self._faults

    def mark_listed(self, kind: Kind) -> None:
        """Call the kind known: what is missing from now on does not exist."""
        if kind not in self._listed:
            self._listed.add(kind)
            self._kinds.add(kind)

    def mark_unavailable(self, kind: Kind, reason: str) -> None:
        """Record why the kind cannot be had, or with an empty reason that it can."""
        if self._unavailable.get(kind, "") == reason:
            return
        self._kinds.add(kind)
        if reason:
            self._unavailable[kind] = reason
        else:
            del self._unavailable[kind]

    @property
    def changed(self) -> bool:
        """Tell whether `take_changes` would return any."""
        return bool(self._changed or self._kinds)

    def take_changes(self) -> Changes:
        """Return what changed since the last call."""
        changes = Changes(
            MappingProxyType({kind: frozenset(names) for kind, names in self._changed.items()}),
            frozenset(self._services),
            frozenset(self._kinds),
        )
        self._changed, self._services, self._kinds = {}, set(), set()
        return changes

    def snapshot(self) -> Snapshot:
        """Return all objects as they are now; maps that did not change are shared."""
        maps: dict[str, Any] = {
            SHELVES[kind].field: MappingProxyType(dict(self._live[kind])) for kind in self._dirty
        }
        if Kind.ENDPOINT_SLICE in self._dirty:
            maps["slices_by_service"] = MappingProxyType(dict(self._of_service))
        self._dirty.clear()
        if self._snapshot.faults != self._faults:
            maps["faults"] = MappingProxyType(dict(self._faults))
        if self._snapshot.unavailable != self._unavailable:
            maps["unavailable"] = MappingProxyType(dict(self._unavailable))
        if self._snapshot.listed != self._listed:
            maps["listed"] = frozenset(self._listed)
        if maps:
            self._snapshot = replace(self._snapshot, **maps)
        return self._snapshot

    def _key(self, kind: Kind, name: ObjectName) -> Any:
        return name.name if SHELVES[kind].by_plain_name else name

    def _change(self, kind: Kind, name: ObjectName) -> None:
        self._changed.setdefault(kind, set()).add(name)
        if kind is Kind.SERVICE:
            self._services.add(name)

    def _fault(self, kind: Kind, name: ObjectName, text: str) -> None:
        if self._faults.get((kind, name)) != text:
            self._faults[kind, name] = text
            self._change(kind, name)

    def _clear_fault(self, kind: Kind, name: ObjectName) -> None:
        if self._faults.pop((kind, name), None) is not None:
            self._change(kind, name)

    def _index(self, before: EndpointSlice | None, after: EndpointSlice | None) -> None:
        """Keep the slices of each Service together, in the order of their names."""
        for old in filter(None, (before,)):
            of = ObjectName(old.name.namespace, old.service)
            rest = tuple(s for s in self._of_service.get(of, ()) if s.name != old.name)
            if rest:
                self._of_service[of] = rest
            else:
                self._of_service.pop(of, None)
            self._services.add(of)
        for new in filter(None, (after,)):
            of = ObjectName(new.name.namespace, new.service)
            together = (*self._of_service.get(of, ()), new)
            self._of_service[of] = tuple(sorted(together, key=lambda each: each.name))
            self._services.add(of)
