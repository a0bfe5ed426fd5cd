"""The reconciler on a real API server: what it writes, in which order, and what it leaves alone."""

from pathlib import Path

from controller.hello_key.driver import HELLO_SECRET
from kube.api import ApiError, collection_path, object_path
from kube.objects import ObjectName
from tests.controller.live import NAMESPACE, Leads, Live, controlling, live, writes
from tests.waiting import until


async def test_first_pool_example_gets_its_address(tmp_path: Path) -> None:
    async with live(tmp_path) as there, controlling(there):
        await there.create_pool("first-pool", "192.168.4.10-192.168.4.20")
        await there.create_service("web")

        await there.until(lambda: there.addresses("web"))

        obj = await there.service("web")
        assert obj["status"]["loadBalancer"]["ingress"] == [{"ip": "192.168.4.10", "ipMode": "VIP"}]
        assert obj["metadata"]["annotations"] == {"metallb.io/ip-allocated-from-pool": "first-pool"}
        events = await there.until(there.events)
        assert events == [
            ("web", "IPAllocated", 'Assigned IP "192.168.4.10" from pool "first-pool"')
        ]


async def test_restart_with_everything_allocated_writes_nothing(tmp_path: Path) -> None:
    async with live(tmp_path) as there:
        await there.create_pool("first-pool", "192.168.4.10-192.168.4.200")
        for i in range(20):
            await there.create_service(f"s{i}")
        async with controlling(there) as (first, _):
            await until(lambda: first.writes["event"] == 20)
            await until(lambda: first.writes["pool"] >= 1 and first.writes["state"] == 1)
            await there.until(lambda: pool_shows(there, 20))

        async with controlling(there) as (second, client):
            await until(lambda: second.planner is not None)
            # What a later Service needs is the fence: all that was due before has been sent then.
            await there.create_service("late")
            await there.until(lambda: there.addresses("late"))
            await until(lambda: second.writes["event"] == 1)

            assert second.writes["status"] == 1
            assert writes(client) <= 3


async def test_restart_beside_a_service_that_waits_writes_nothing_either(tmp_path: Path) -> None:
    async with live(tmp_path) as there:
        await there.create_pool("first-pool", "192.168.4.10/32")
        async with controlling(there) as (first, _):
            await there.create_service("a")
            await there.until(lambda: there.addresses("a"))
            await there.create_service("b")
            await until(lambda: first.writes["event"] == 2)

        async with controlling(there) as (second, _):
            await until(lambda: second.planner is not None)
            await there.client.delete(object_path("Service", ObjectName("default", "a")))
            await there.until(lambda: there.addresses("b"))
            await until(lambda: second.writes["event"] == 1)

            assert second.writes["status"] == 1


async def pool_shows(there: Live, count: int) -> bool:
    path = object_path("IPAddressPool", ObjectName(NAMESPACE, "first-pool"))
    return bool(((await there.client.get(path)).get("status") or {}).get("assignedIPv4") == count)


async def test_two_writes_a_service(tmp_path: Path) -> None:
    async with live(tmp_path) as there, controlling(there) as (reconciler, client):
        await there.create_pool("first-pool", "192.168.4.0/24")
        await until(lambda: reconciler.writes["pool"] == 1 and reconciler.writes["state"] == 1)
        before = writes(client) - reconciler.writes["pool"]
        for i in range(40):
            await there.create_service(f"s{i}")
        await until(lambda: reconciler.writes["event"] == 40)

        # The pool's counters go out at their own pace: a slow machine is not to count them.
        assert writes(client) - reconciler.writes["pool"] - before <= 40 * 2.1


async def test_type_change_clears_the_status_and_frees_the_address(tmp_path: Path) -> None:
    async with live(tmp_path) as there, controlling(there):
        await there.create_pool("first-pool", "192.168.4.10/32")
        await there.create_service("a")
        await there.until(lambda: there.addresses("a"))
        await there.create_service("b")
        await there.patch_service("a", {"spec": {"type": "ClusterIP"}})

        assert await there.until(lambda: there.addresses("b")) == ["192.168.4.10"]
        obj = await there.service("a")
        assert "annotations" not in obj["metadata"] or not obj["metadata"]["annotations"]


async def test_waiting_service_has_a_condition_and_an_event_that_say_why(tmp_path: Path) -> None:
    async with live(tmp_path) as there, controlling(there):
        await there.create_pool("first-pool", "192.168.4.10/32")
        await there.create_service("a")
        await there.until(lambda: there.addresses("a"))
        await there.create_service("b")

        async def conditions() -> list[dict[str, str]]:
            return (await there.service("b"))["status"].get("conditions") or []

        [condition] = await there.until(conditions)
        assert condition["type"] == "herald.io/AddressAssigned"
        assert (condition["status"], condition["reason"]) == ("False", "PoolFull")
        assert "default/a" in condition["message"]

        await there.client.delete(object_path("Service", ObjectName("default", "a")))
        await there.until(lambda: there.addresses("b"))
        assert await conditions() == []


async def test_foreign_write_to_the_status_is_set_right(tmp_path: Path) -> None:
    async with live(tmp_path) as there, controlling(there):
        await there.create_pool("first-pool", "192.168.4.10/32")
        await there.create_service("a")
        await there.until(lambda: there.addresses("a"))
        ingress = [{"hostname": "somewhere.example"}]
        await there.patch_service("a", {"status": {"loadBalancer": {"ingress": ingress}}}, "status")

        async def right() -> bool:
            obj = await there.service("a")
            ingress = obj["status"]["loadBalancer"]["ingress"]
            return bool(ingress == [{"ip": "192.168.4.10", "ipMode": "VIP"}])

        await there.until(right)


async def test_hello_key_is_created_once(tmp_path: Path) -> None:
    path = object_path("Secret", ObjectName(NAMESPACE, HELLO_SECRET))
    async with live(tmp_path) as there:
        async with controlling(there) as (first, _):
            await until(lambda: first.planner is not None)
            key = await there.client.get(path)
        async with controlling(there) as (second, _):
            await until(lambda: second.planner is not None)
            again = await there.client.get(path)

    assert key["data"] == again["data"]
    assert key["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]


async def test_follower_writes_nothing_and_leads_when_it_is_elected(tmp_path: Path) -> None:
    leads = Leads(leads=False)
    async with live(tmp_path) as there, controlling(there, leads) as (reconciler, client):
        await there.create_pool("first-pool", "192.168.4.10/32")
        await there.create_service("a")
        await until(lambda: not reconciler.readiness())
        assert writes(client) == 0

        leads.now = True
        reconciler.on_role(None)

        assert await there.until(lambda: there.addresses("a")) == ["192.168.4.10"]


async def test_nothing_is_given_while_metallbs_controller_runs(tmp_path: Path) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "controller",
            "namespace": NAMESPACE,
            "labels": {"app": "metallb", "component": "controller"},
        },
        "spec": {"containers": [{"name": "c", "image": "c"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    async with live(tmp_path) as there:
        await there.create_pool("first-pool", "192.168.4.10/32")
        await there.create_service("a")
        await there.client.create(collection_path("Pod", NAMESPACE), pod)
        path = object_path("Pod", ObjectName(NAMESPACE, "controller"))
        await there.client.patch(path + "/status", {"status": pod["status"]})
        async with controlling(there) as (reconciler, client):
            await until(lambda: not reconciler.readiness())
            assert writes(client) == 0

            await there.client.delete(path)

            assert await there.until(lambda: there.addresses("a")) == ["192.168.4.10"]


async def test_refused_pool_is_told_once_and_the_others_work_on(tmp_path: Path) -> None:
    path = object_path("ConfigurationState", ObjectName(NAMESPACE, "controller"))

    async def state(there: Live) -> dict[str, str]:
        return dict((await there.client.get(path)).get("status") or {})

    async def result(there: Live, wanted: str) -> bool:
        return (await state(there)).get("result") == wanted

    async with live(tmp_path) as there:
        async with controlling(there) as (first, _):
            await there.create_pool("good", "192.168.4.10-192.168.4.20")
            await until(lambda: first.writes["state"] == 1)
            assert await result(there, "Valid")

            await there.create_pool("wrong", "192.168.4.30-192.168.4.25")
            await there.until(lambda: result(there, "Invalid"))
            assert "IPAddressPool metallb-system/wrong" in (await state(there))["errorSummary"]
            events = await there.until(lambda: there.events(NAMESPACE))
            assert [(name, reason) for name, reason, _ in events] == [
                ("wrong", "ConfigurationError")
            ]
            await there.create_service("web")
            assert await there.until(lambda: there.addresses("web")) == ["192.168.4.10"]

        async with controlling(there) as (second, client):
            await until(lambda: second.planner is not None)
            await there.create_service("late")
            await there.until(lambda: there.addresses("late"))
            assert second.writes["state"] == 0

            wrong = object_path("IPAddressPool", ObjectName(NAMESPACE, "wrong"))
            await there.client.delete(wrong)
            await there.until(lambda: result(there, "Valid"))
            assert writes(client) <= 5


async def test_deleted_report_is_made_anew_and_read_only_then(tmp_path: Path) -> None:
    path = object_path("ConfigurationState", ObjectName(NAMESPACE, "controller"))

    async def said(there: Live) -> str:
        try:
            return str((await there.client.get(path))["status"]["result"])
        except (ApiError, KeyError):
            return ""

    async with live(tmp_path) as there, controlling(there) as (reconciler, client):
        await there.create_pool("good", "192.168.4.10-192.168.4.20")
        await until(lambda: reconciler.writes["state"] == 1)
        written = (await there.client.get(path))["metadata"]["resourceVersion"]

        await there.client.delete(path)
        await there.until(lambda: said(there))

        assert await said(there) == "Valid"
        assert (await there.client.get(path))["metadata"]["resourceVersion"] != written
        reads = client.requests["GET", 404] + client.requests["GET", 200]
        await there.client.patch(f"{path}/status", {"status": {"result": "Invalid"}})
        await until(lambda: reconciler.writes["state"] == 3)
        assert await said(there) == "Valid"
        assert client.requests["GET", 404] + client.requests["GET", 200] <= reads + 2
