"""The store: equal values change nothing, snapshots share what did not change."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kube.objects import Json, ObjectName
from kube.snapshot import Kind
from kube.store import NAMELESS, Store
from tests.kube.api import pool, service

WEB = ObjectName("default", "web")


def endpoint_slice(name: str, of: str, *ready: bool, version: int = 1) -> Json:
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": of},
            "resourceVersion": str(version),
        },
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [f"10.0.0.{i}"], "nodeName": "n", "conditions": {"ready": r}}
            for i, r in enumerate(ready)
        ],
    }


def test_equal_value_is_no_change_but_its_new_version_is_kept() -> None:
    store = Store()
    store.upsert(Kind.SERVICE, service("web", 1))
    store.take_changes()
    store.upsert(Kind.SERVICE, service("web", 2, sessionAffinity="ClientIP"))
    assert not store.changed
    assert not store.take_changes()
    assert store.snapshot().services[WEB].resource_version == "2"


def test_snapshot_shares_the_maps_that_did_not_change() -> None:
    store = Store()
    store.upsert(Kind.SERVICE, service("web"))
    store.upsert(Kind.IP_ADDRESS_POOL, pool("a", "10.0.0.0/24"))
    before = store.snapshot()
    store.upsert(Kind.SERVICE, service("other"))
    after = store.snapshot()
    assert after.pools is before.pools
    assert set(before.services) == {WEB}
    assert len(after.services) == 2
    assert store.snapshot() is after


def test_change_of_a_slice_names_its_service_also_when_it_goes() -> None:
    store = Store()
    store.upsert(Kind.ENDPOINT_SLICE, endpoint_slice("web-1", "web", True))
    assert store.take_changes().services == {WEB}
    assert [s.name.name for s in store.snapshot().slices_by_service[WEB]] == ["web-1"]
    store.delete(Kind.ENDPOINT_SLICE, endpoint_slice("web-1", "web"))
    changes = store.take_changes()
    assert changes.services == {WEB}
    assert store.snapshot().slices_by_service == {}


def test_slice_that_moves_to_another_service_names_both() -> None:
    store = Store()
    store.upsert(Kind.ENDPOINT_SLICE, endpoint_slice("s", "web", True))
    store.take_changes()
    store.upsert(Kind.ENDPOINT_SLICE, endpoint_slice("s", "other", True))
    assert store.take_changes().services == {WEB, ObjectName("default", "other")}
    assert set(store.snapshot().slices_by_service) == {ObjectName("default", "other")}


def test_list_removes_what_it_lacks_and_tells_what() -> None:
    store = Store()
    for name in ("a", "b", "c"):
        store.upsert(Kind.SERVICE, service(name))
    store.take_changes()
    listing = store.listing(Kind.SERVICE)
    listing.add([service("b")])
    listing.add([service("d")])
    assert {name.name for name in listing.finish()} == {"a", "c"}
    assert {name.name for name in store.take_changes().names[Kind.SERVICE]} == {"a", "c", "d"}


def test_kind_is_listed_only_when_its_list_has_ended() -> None:
    store = Store()
    listing = store.listing(Kind.SERVICE)
    listing.add([])
    assert store.snapshot().listed == frozenset()
    listing.finish()
    assert store.take_changes().kinds == {Kind.SERVICE}
    assert store.snapshot().listed == {Kind.SERVICE}
    store.listing(Kind.SERVICE).finish()
    assert not store.changed


def test_unreadable_object_keeps_its_last_good_value() -> None:
    store = Store()
    store.upsert(Kind.SERVICE, service("web"))
    store.upsert(Kind.SERVICE, service("web", externalTrafficPolicy="Sometimes"))
    snapshot = store.snapshot()
    assert "Sometimes" in snapshot.faults[Kind.SERVICE, WEB]
    assert WEB in snapshot.services
    listing = store.listing(Kind.SERVICE)
    listing.add([service("web", externalTrafficPolicy="Sometimes")])
    assert listing.finish() == frozenset()
    store.delete(Kind.SERVICE, service("web"))
    assert store.snapshot().faults == {}
    assert store.snapshot().services == {}


def test_object_without_a_name_is_one_fault_and_nothing_else() -> None:
    store = Store()
    every: list[Json] = [{}, {"metadata": {}}, {"metadata": {"name": 7}}]
    for junk in every:
        store.upsert(Kind.SERVICE, junk)
        store.delete(Kind.SERVICE, junk)
    store.upsert(Kind.SERVICE, {})
    assert set(store.snapshot().faults) == {(Kind.SERVICE, NAMELESS)}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    st.sampled_from(list(Kind)),
    st.fixed_dictionaries(
        {},
        optional={"metadata": JUNK, "spec": JUNK, "status": JUNK, "endpoints": JUNK, "data": JUNK},
    ),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_no_junk_raises(kind: Kind, obj: dict[str, Any], named: bool) -> None:
    if named:
        obj["metadata"] = {"name": "x", "namespace": "y"}
    store = Store()
    store.upsert(kind, obj)
    store.delete(kind, obj)
    store.snapshot()


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["put", "delete", "snapshot"]),
        st.sampled_from(["s1", "s2", "s3"]),
        st.sampled_from(["web", "other"]),
        st.booleans(),
    ),
    max_size=30,
)


@given(EVENTS)
@settings(max_examples=50, deadline=None)
def test_index_by_service_equals_the_slices_after_any_events(
    events: list[tuple[str, str, str, bool]],
) -> None:
    store = Store()
    for action, name, of, ready in events:
        if action == "put":
            store.upsert(Kind.ENDPOINT_SLICE, endpoint_slice(name, of, ready))
        elif action == "delete":
            store.delete(Kind.ENDPOINT_SLICE, endpoint_slice(name, of))
        else:
            store.snapshot()
    snapshot = store.snapshot()
    expected: dict[ObjectName, tuple[Any, ...]] = {}
    for key in sorted(snapshot.slices):
        each = snapshot.slices[key]
        owner = ObjectName("default", each.service)
        expected[owner] = (*expected.get(owner, ()), each)
    assert snapshot.slices_by_service == expected
