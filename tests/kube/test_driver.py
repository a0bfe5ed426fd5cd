"""The driver on a virtual clock against an API server in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from kube.api import ApiError, collection_path
from kube.driver import LOAD_BALANCERS, Selection, Watcher
from kube.objects import ObjectName
from kube.snapshot import Kind, Snapshot
from kube.store import Changes
from kube.watch import WATCH_MIN_S, WATCH_SPREAD_S
from tests.kube.api import MemoryApi, pool, service
from tests.kube.clock import pass_time, run_virtually

WEB = ObjectName("default", "web")
SERVICES = Selection(Kind.SERVICE)
POOLS = Selection(Kind.IP_ADDRESS_POOL)
BALANCED = Selection(Kind.SERVICE, field_selector=LOAD_BALANCERS, reread_deleted=True)
SERVICES_PATH = collection_path(Kind.SERVICE)
POOLS_PATH = collection_path(Kind.IP_ADDRESS_POOL)


@dataclass
class Seen:
    watcher: Watcher
    calls: list[tuple[Snapshot, Changes]] = field(default_factory=list)

    @property
    def snapshot(self) -> Snapshot:
        return self.calls[-1][0] if self.calls else Snapshot()


def drive(api: MemoryApi, story: Callable[[Seen], Awaitable[None]], *selections: Selection) -> Seen:
    """Watch while the story is told."""

    async def main() -> Seen:
        calls: list[tuple[Snapshot, Changes]] = []
        watcher = Watcher(
            api,
            selections or (SERVICES, POOLS),
            lambda snapshot, changes: calls.append((snapshot, changes)),
            jitter=lambda: 0.5,
        )
        seen = Seen(watcher, calls)
        task = asyncio.create_task(watcher.run())
        await pass_time(1)
        await story(seen)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    return run_virtually(main())


def test_objects_are_listed_and_followed() -> None:
    api = MemoryApi()
    api.put(Kind.SERVICE, service("web"))

    async def story(seen: Seen) -> None:
        assert seen.snapshot.listed == {Kind.SERVICE, Kind.IP_ADDRESS_POOL}
        api.put(Kind.IP_ADDRESS_POOL, pool("a", "192.168.4.10-192.168.4.20"))
        await pass_time(1)
        assert ObjectName("metallb-system", "a") in seen.snapshot.pools
        api.drop(Kind.SERVICE, "default/web")
        await pass_time(1)

    assert drive(api, story).snapshot.services == {}


def test_burst_of_events_is_one_call() -> None:
    api = MemoryApi()

    async def story(seen: Seen) -> None:
        seen.calls.clear()
        for i in range(20):
            api.put(Kind.SERVICE, service(f"web{i}"))
        await pass_time(1)
        assert len(seen.calls) <= 2
        assert len(seen.snapshot.services) == 20

    drive(api, story)


def test_change_of_nothing_we_read_calls_nobody() -> None:
    api = MemoryApi()
    api.put(Kind.SERVICE, service("web"))

    async def story(seen: Seen) -> None:
        seen.calls.clear()
        api.put(Kind.SERVICE, service("web", sessionAffinity="ClientIP"))
        await pass_time(1)
        assert seen.calls == []
        assert seen.watcher.snapshot.services[WEB].resource_version == str(api.version)

    drive(api, story)


def test_quiet_hour_costs_reads_of_one_object_and_no_list() -> None:
    api = MemoryApi()

    async def story(seen: Seen) -> None:
        api.requests.clear()
        await pass_time(3600)
        assert seen.watcher.age_s() == 0.0

    drive(api, story)
    assert api.requests["list"] == 0
    assert api.requests["watch"] <= 2 * 3600 / WATCH_MIN_S
    assert api.requests["get"] <= 3600 / 20


def test_watch_of_a_kind_without_bookmarks_is_no_fault_however_long_it_is_silent() -> None:
    """Servers send no bookmark that is not newer than the version the watch began with."""
    api = MemoryApi()
    api.bookmarks = False

    async def story(seen: Seen) -> None:
        api.requests.clear()
        await pass_time(3600)
        assert not seen.watcher.breaks
        assert seen.watcher.age_s() == 0.0

    drive(api, story)
    assert api.requests["list"] == 0
    assert api.requests["watch"] <= 2 * 3600 / WATCH_MIN_S
    assert api.requests["get"] <= 3600 / 20


@pytest.mark.parametrize("bookmarks", [True, False])
def test_watch_that_alone_hangs_is_counted_and_renewed(*, bookmarks: bool) -> None:
    api = MemoryApi()
    api.bookmarks = bookmarks

    async def story(seen: Seen) -> None:
        await pass_time(30)
        api.dead.add(POOLS_PATH)
        api.put(Kind.IP_ADDRESS_POOL, pool("a", "192.168.4.0/24"))
        await pass_time(2 * (WATCH_MIN_S + WATCH_SPREAD_S))
        assert seen.watcher.breaks == {Kind.IP_ADDRESS_POOL: 1}
        assert [name.name for name in seen.snapshot.pools] == ["a"]

    drive(api, story)


@pytest.mark.parametrize(
    "storm",
    [
        pytest.param({"watch_fault": ApiError(410, "Expired", "too old")}, id="410"),
        pytest.param({"lines_then_close": []}, id="closed at once"),
        pytest.param({"lines_then_close": [b'{"type":"ADD']}, id="half a line"),
        pytest.param({"watch_fault": ApiError(500, "InternalError", "etcd")}, id="500"),
        pytest.param({"list_fault": ApiError(0, "Unreachable", "refused")}, id="refused"),
    ],
)
def test_storm_costs_a_handful_of_requests(storm: dict[str, object]) -> None:
    api = MemoryApi()
    for name, value in storm.items():
        setattr(api, name, value)

    async def story(_: Seen) -> None:
        await pass_time(29)

    drive(api, story, SERVICES)
    assert api.requests["list"] <= 9
    assert api.requests["watch"] <= 9
    assert api.requests["get"] <= 12


def test_outage_keeps_all_objects_and_lets_the_age_grow() -> None:
    api = MemoryApi()
    api.put(Kind.SERVICE, service("web"))

    async def story(seen: Seen) -> None:
        seen.calls.clear()
        api.hanging = True
        await pass_time(120)
        assert 100 < seen.watcher.age_s() <= 141
        assert seen.calls == []
        assert WEB in seen.watcher.snapshot.services

    drive(api, story)


def test_watches_that_died_in_an_outage_are_renewed_as_soon_as_it_ends() -> None:
    """A connection whose other end vanished tells nothing; the first answered read does."""
    api = MemoryApi()

    async def story(seen: Seen) -> None:
        api.hanging = True
        await pass_time(40)
        api.put(Kind.SERVICE, service("web"))
        api.hanging = False
        api.watch_fault = ApiError(410, "Expired", "too old")
        await pass_time(4.5)
        api.watch_fault = None
        assert WEB in seen.snapshot.services
        assert seen.watcher.age_s() == 0.0

    drive(api, story)


def test_kind_without_role_is_unavailable_and_never_empty() -> None:
    api = MemoryApi()
    api.put(Kind.SERVICE, service("web"))
    api.refusing.add(POOLS_PATH)

    async def story(seen: Seen) -> None:
        assert Kind.IP_ADDRESS_POOL not in seen.snapshot.listed
        assert "403" in seen.snapshot.unavailable[Kind.IP_ADDRESS_POOL]
        assert WEB in seen.snapshot.services
        api.refusing.clear()
        api.put(Kind.IP_ADDRESS_POOL, pool("a", "192.168.4.0/24"))
        await pass_time(60)
        assert Kind.IP_ADDRESS_POOL in seen.snapshot.listed
        assert seen.snapshot.unavailable == {}

    drive(api, story)


def test_role_revoked_while_running_keeps_what_was_known() -> None:
    api = MemoryApi()
    api.put(Kind.IP_ADDRESS_POOL, pool("a", "192.168.4.0/24"))

    async def story(seen: Seen) -> None:
        api.watch_fault = ApiError(404, "NotFound", "the server could not find the resource")
        api.refusing.add(POOLS_PATH)
        api.close_watches()
        await pass_time(120)
        assert seen.snapshot.unavailable[Kind.IP_ADDRESS_POOL]
        assert len(seen.snapshot.pools) == 1

    drive(api, story)


def test_service_that_changes_its_type_stays_with_the_new_type() -> None:
    api = MemoryApi()
    api.put(Kind.SERVICE, service("web"))

    async def story(seen: Seen) -> None:
        changed = service("web", type="ClusterIP")
        api.tell(SERVICES_PATH, "DELETED", service("web", 99))
        api.objects[SERVICES_PATH]["default/web"] = changed
        await pass_time(1)
        assert seen.snapshot.services[WEB].type == "ClusterIP"
        api.tell(SERVICES_PATH, "DELETED", service("web", 100))
        del api.objects[SERVICES_PATH]["default/web"]
        await pass_time(1)
        assert seen.snapshot.services == {}

    drive(api, story, BALANCED)


def test_unreadable_object_keeps_its_last_good_value_and_is_named() -> None:
    api = MemoryApi()
    api.put(Kind.IP_ADDRESS_POOL, pool("a", "192.168.4.0/24"))
    name = ObjectName("metallb-system", "a")

    async def story(seen: Seen) -> None:
        bad = pool("a", "192.168.4.0/24")
        bad["spec"]["addresses"] = 7
        api.put(Kind.IP_ADDRESS_POOL, bad)
        await pass_time(1)
        assert "spec.addresses" in seen.snapshot.faults[Kind.IP_ADDRESS_POOL, name]
        assert seen.snapshot.pools[name].spec.addresses == ("192.168.4.0/24",)
        api.put(Kind.IP_ADDRESS_POOL, pool("a", "192.168.5.0/24"))
        await pass_time(1)
        assert seen.snapshot.faults == {}
        assert seen.snapshot.pools[name].spec.addresses == ("192.168.5.0/24",)

    drive(api, story)


def test_deleted_pool_is_gone_within_half_a_second() -> None:
    api = MemoryApi()
    api.put(Kind.IP_ADDRESS_POOL, pool("a", "192.168.4.0/24"))
    api.put(Kind.IP_ADDRESS_POOL, pool("b", "192.168.5.0/24"))

    async def story(seen: Seen) -> None:
        api.drop(Kind.IP_ADDRESS_POOL, "metallb-system/a")
        await pass_time(0.1)
        gone = (Kind.IP_ADDRESS_POOL, ObjectName("metallb-system", "a"))
        assert seen.watcher.deleted() == {gone}
        await pass_time(0.4)
        assert [name.name for name in seen.snapshot.pools] == ["b"]
        assert not seen.watcher.deleted()

    drive(api, story)


def test_objects_of_a_crd_that_is_being_deleted_stay() -> None:
    """Each deletion looks like the user's: discovery tells what it is."""
    api = MemoryApi()
    api.put(Kind.IP_ADDRESS_POOL, pool("a", "192.168.4.0/24"))

    async def story(seen: Seen) -> None:
        api.terminating = True
        api.drop(Kind.IP_ADDRESS_POOL, "metallb-system/a")
        await pass_time(30)
        assert len(seen.snapshot.pools) == 1
        assert "being deleted" in seen.snapshot.unavailable[Kind.IP_ADDRESS_POOL]
        api.refusing.add(POOLS_PATH)
        api.plurals.clear()
        await pass_time(120)
        assert len(seen.snapshot.pools) == 1

    drive(api, story)


def test_crd_that_was_deleted_while_nobody_watched_keeps_its_objects() -> None:
    api = MemoryApi()
    api.put(Kind.IP_ADDRESS_POOL, pool("a", "192.168.4.0/24"))

    async def story(seen: Seen) -> None:
        api.terminating = True
        api.objects[POOLS_PATH].clear()
        api.watch_fault = ApiError(410, "Expired", "too old")
        api.close_watches()
        await pass_time(30)
        assert len(seen.snapshot.pools) == 1

    drive(api, story)


def test_crd_that_comes_back_is_believed_again() -> None:
    api = MemoryApi()
    api.put(Kind.IP_ADDRESS_POOL, pool("a", "192.168.4.0/24"))

    async def story(seen: Seen) -> None:
        api.terminating = True
        api.drop(Kind.IP_ADDRESS_POOL, "metallb-system/a")
        await pass_time(30)
        api.terminating = False
        api.put(Kind.IP_ADDRESS_POOL, pool("b", "192.168.5.0/24"))
        await pass_time(60)
        assert [name.name for name in seen.snapshot.pools] == ["b"]
        assert seen.snapshot.unavailable == {}

    drive(api, story)
