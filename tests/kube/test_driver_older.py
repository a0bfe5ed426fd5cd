"""The driver against API servers that can't select Services by their type, as those before 1.31."""

from kube.api import ApiError
from kube.objects import ObjectName
from kube.snapshot import Kind
from kube.watch import WATCH_MIN_S
from tests.kube.api import MemoryApi, service
from tests.kube.clock import pass_time
from tests.kube.test_driver import BALANCED, WEB, Seen, drive

INNER = ObjectName("default", "inner")


def older() -> MemoryApi:
    api = MemoryApi()
    api.selects = False
    api.put(Kind.SERVICE, service("web"))
    api.put(Kind.SERVICE, service("inner", type="ClusterIP"))
    return api


def test_load_balancers_are_picked_out_of_all_services() -> None:
    api = older()

    async def story(seen: Seen) -> None:
        assert set(seen.snapshot.services) == {WEB}
        api.put(Kind.SERVICE, service("new"))
        api.put(Kind.SERVICE, service("other", type="NodePort"))
        api.drop(Kind.SERVICE, "default/inner")
        await pass_time(1)
        assert {name.name for name in seen.snapshot.services} == {"web", "new"}
        assert seen.snapshot.unavailable == {}

    drive(api, story, BALANCED)


def test_a_change_of_type_is_seen_both_ways() -> None:
    api = older()

    async def story(seen: Seen) -> None:
        api.put(Kind.SERVICE, service("inner"))
        api.put(Kind.SERVICE, service("web", type="ClusterIP"))
        await pass_time(1)
        assert seen.snapshot.services[INNER].type == "LoadBalancer"
        assert seen.snapshot.services[WEB].type == "ClusterIP"
        api.drop(Kind.SERVICE, "default/web")
        await pass_time(1)
        assert set(seen.snapshot.services) == {INNER}

    drive(api, story, BALANCED)


def test_a_quiet_hour_costs_no_list_and_no_refusal() -> None:
    api = older()

    async def story(seen: Seen) -> None:
        api.requests.clear()
        await pass_time(3600)
        assert seen.watcher.age_s() == 0.0
        assert not seen.watcher.breaks

    drive(api, story, BALANCED)
    assert api.requests["list"] == 0
    assert api.requests["watch"] <= 3600 / WATCH_MIN_S


def test_a_server_replaced_by_an_older_and_again_by_a_newer_one_loses_nothing() -> None:
    api = older()
    api.selects = True

    async def story(seen: Seen) -> None:
        assert set(seen.snapshot.services) == {WEB}
        for selects, name in ((False, "a"), (True, "b"), (False, "c")):
            api.selects = selects
            api.close_watches()
            await pass_time(10)
            api.put(Kind.SERVICE, service(name))
            api.put(Kind.SERVICE, service(f"not-{name}", type="ClusterIP"))
            await pass_time(1)
            assert ObjectName("default", name) in seen.snapshot.services
        assert {name.name for name in seen.snapshot.services} == {"web", "a", "b", "c"}

    drive(api, story, BALANCED)


def test_the_selector_is_tried_again_with_each_list() -> None:
    api = older()

    async def story(seen: Seen) -> None:
        api.selects = True
        api.watch_fault = ApiError(410, "Expired", "too old")
        api.close_watches()
        await pass_time(0.5)
        api.watch_fault = None
        await pass_time(10)
        api.tell("/api/v1/services", "DELETED", service("web", 99))
        del api.objects["/api/v1/services"]["default/web"]
        await pass_time(1)
        assert seen.snapshot.services == {}

    drive(api, story, BALANCED)
    assert api.selectors[-1]


def test_a_refusal_that_is_not_about_the_selector_is_a_failure() -> None:
    api = MemoryApi()
    api.list_fault = ApiError(400, "BadRequest", "no")

    async def story(seen: Seen) -> None:
        await pass_time(29)
        assert Kind.SERVICE not in seen.snapshot.listed

    drive(api, story, BALANCED)
    assert api.requests["list"] <= 18
