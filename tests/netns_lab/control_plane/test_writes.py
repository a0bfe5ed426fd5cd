"""Writes over HTTP: preconditions, patches, statuses, deletion."""

from typing import Any

import pytest

from tests.netns_lab.control_plane.clients import (
    APPLY,
    CONFIGMAPS,
    JSON_PATCH,
    POOLS,
    SERVICES,
    STRATEGIC,
    plane,
)

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
LB = {"type": "LoadBalancer", "ports": [{"port": 80}]}
POOL = {"addresses": ["192.0.2.0/24"]}


async def test_create_fills_the_metadata_and_refuses_a_second_one() -> None:
    async with plane() as p:
        created = await p.create(CONFIGMAPS, "a", data={"k": "v"})
        code, status = await p.ask("POST", CONFIGMAPS, {"metadata": {"name": "a"}})

        assert created["metadata"]["namespace"] == "default"
        assert created["metadata"].keys() >= {"uid", "creationTimestamp", "resourceVersion"}
        assert (code, status["reason"]) == (409, "AlreadyExists")


async def test_generated_names_are_unique() -> None:
    async with plane() as p:
        body = {"metadata": {"generateName": "l2-"}}
        names = {(await p.ask("POST", CONFIGMAPS, body))[1]["metadata"]["name"] for _ in range(9)}

        assert len(names) == 9
        assert all(name.startswith("l2-") and len(name) == 8 for name in names)


async def test_a_write_against_an_old_version_is_a_conflict() -> None:
    async with plane() as p:
        old = await p.create(CONFIGMAPS, "a")
        await p.patch(f"{CONFIGMAPS}/a", {"data": {"k": "v"}})
        for method, kind in (
            ("PUT", "application/json"),
            ("PATCH", "application/merge-patch+json"),
        ):
            code, status = await p.ask(method, f"{CONFIGMAPS}/a", old, kind)
            assert (code, status["reason"]) == (409, "Conflict")


async def test_a_lease_cannot_be_replaced_without_its_version() -> None:
    async with plane() as p:
        await p.create(LEASES, "l", spec={"holderIdentity": "me", "leaseDurationSeconds": 5})
        code, status = await p.ask("PUT", f"{LEASES}/l", {"metadata": {"name": "l"}})

        assert code == 422
        assert "metadata.resourceVersion" in status["message"]


async def test_a_write_that_changes_nothing_makes_no_version_and_no_event() -> None:
    async with plane() as p:
        created = await p.create(SERVICES, "web", spec=LB)
        again = await p.put(f"{SERVICES}/web", created)

        assert again == created


async def test_the_uid_of_another_object_is_a_conflict() -> None:
    async with plane() as p:
        created = await p.create(CONFIGMAPS, "a")
        created["metadata"]["uid"] = "another"
        del created["metadata"]["resourceVersion"]
        code, _ = await p.ask("PUT", f"{CONFIGMAPS}/a", created)
        assert code == 409
        code, _ = await p.ask("DELETE", f"{CONFIGMAPS}/a", {"preconditions": {"uid": "another"}})
        assert code == 409


async def test_a_status_write_leaves_the_spec_and_carries_the_metadata_of_a_service() -> None:
    async with plane() as p:
        service = await p.create(SERVICES, "web", spec=LB)
        service["metadata"]["annotations"] = {"metallb.io/ip-allocated-from-pool": "first"}
        service["spec"]["ports"][0]["port"] = 81
        service["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
        stored = await p.put(f"{SERVICES}/web/status", service)

        assert stored["metadata"]["annotations"] == {"metallb.io/ip-allocated-from-pool": "first"}
        assert stored["spec"]["ports"][0]["port"] == 80
        assert stored["status"]["loadBalancer"]["ingress"] == [{"ip": "192.0.2.1", "ipMode": "VIP"}]


async def test_a_status_write_of_a_custom_resource_leaves_its_metadata() -> None:
    async with plane() as p:
        pool = await p.create(POOLS, "p", spec=POOL)
        pool["metadata"]["labels"] = {"a": "b"}
        pool["status"] = {
            "assignedIPv4": 1,
            "assignedIPv6": 0,
            "availableIPv4": 2,
            "availableIPv6": 0,
        }
        stored = await p.put(f"{POOLS}/p/status", pool)

        assert "labels" not in stored["metadata"]
        assert stored["status"]["assignedIPv4"] == 1
        assert stored["metadata"]["generation"] == 1


async def test_a_main_write_leaves_the_status_and_counts_generations() -> None:
    async with plane() as p:
        await p.create(POOLS, "p", spec=POOL)
        stored = await p.patch(f"{POOLS}/p", {"spec": {"autoAssign": False}, "status": {"x": 1}})

        assert "status" not in stored
        assert stored["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("kind", "patch", "expected"),
    [
        pytest.param(
            "application/merge-patch+json",
            {"data": {"a": None, "c": "3"}},
            {"b": "2", "c": "3"},
            id="merge patch: null removes",
        ),
        pytest.param(
            JSON_PATCH,
            [
                {"op": "test", "path": "/data/a", "value": "1"},
                {"op": "remove", "path": "/data/a"},
                {"op": "add", "path": "/data/x~1y", "value": "3"},
                {"op": "copy", "from": "/data/b", "path": "/data/d"},
                {"op": "move", "from": "/data/b", "path": "/data/e"},
            ],
            {"x/y": "3", "d": "2", "e": "2"},
            id="JSON patch: all operations",
        ),
        pytest.param(STRATEGIC, {"data": {"a": None}}, {"b": "2"}, id="strategic: null removes"),
        pytest.param(
            STRATEGIC,
            {"data": {"$patch": "replace", "z": "9"}},
            {"z": "9"},
            id="strategic: replace directive",
        ),
    ],
)
async def test_patches_change_what_they_say(kind: str, patch: Any, expected: Any) -> None:
    async with plane() as p:
        await p.create(CONFIGMAPS, "a", data={"a": "1", "b": "2"})

        assert (await p.patch(f"{CONFIGMAPS}/a", patch, kind))["data"] == expected


async def test_a_json_patch_whose_test_fails_changes_nothing() -> None:
    async with plane() as p:
        await p.create(CONFIGMAPS, "a", data={"a": "1"})
        operations = [
            {"op": "add", "path": "/data/b", "value": "2"},
            {"op": "test", "path": "/data/a", "value": "other"},
        ]
        code, _ = await p.ask("PATCH", f"{CONFIGMAPS}/a", operations, JSON_PATCH)

        assert code == 422
        assert (await p.get(f"{CONFIGMAPS}/a"))["data"] == {"a": "1"}


async def test_a_strategic_patch_merges_ports_by_number_and_deletes_by_directive() -> None:
    ports = [{"name": "a", "port": 80}, {"name": "b", "port": 81}]
    async with plane() as p:
        await p.create(SERVICES, "web", spec={"ports": ports})
        changed = await p.patch(
            f"{SERVICES}/web",
            {"spec": {"ports": [{"port": 80, "targetPort": 8080}, {"port": 82, "name": "c"}]}},
            STRATEGIC,
        )
        assert [(x["port"], x["targetPort"]) for x in changed["spec"]["ports"]] == [
            (80, 8080),
            (82, 82),
            (81, 81),
        ]
        left = await p.patch(
            f"{SERVICES}/web",
            {"spec": {"ports": [{"$patch": "delete", "port": 81}]}},
            STRATEGIC,
        )
        assert [x["port"] for x in left["spec"]["ports"]] == [80, 82]


async def test_custom_resources_take_no_strategic_patch() -> None:
    async with plane() as p:
        await p.create(POOLS, "p", spec=POOL)
        code, status = await p.ask("PATCH", f"{POOLS}/p", {}, STRATEGIC)

        assert (code, status["reason"]) == (415, "UnsupportedMediaType")


async def test_apply_creates_then_merges_and_removes_what_it_no_longer_says() -> None:
    async with plane() as p:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1", "b": "2"}}
        code, _ = await p.ask("PATCH", f"{CONFIGMAPS}/c", body, APPLY, fieldManager="me")
        assert code == 201
        await p.patch(f"{CONFIGMAPS}/c", {"data": {"other": "kept"}})
        body["data"] = {"a": "9"}
        applied = await p.patch(f"{CONFIGMAPS}/c", body, APPLY, fieldManager="me")

        assert applied["data"] == {"a": "9", "other": "kept"}


async def test_yaml_bodies_are_read_and_times_in_them_stay_text() -> None:
    text = "metadata: {name: dated}\ndata: {day: 2026-01-01T00:00:00Z}\n"
    async with plane() as p:
        headers = {"Content-Type": "application/yaml"}
        async with p.session.post(CONFIGMAPS, data=text, headers=headers) as response:
            stored = await response.json()

        assert stored["data"] == {"day": "2026-01-01T00:00:00Z"}


async def test_a_dry_run_answers_as_if_and_stores_nothing() -> None:
    async with plane() as p:
        code, answer = await p.ask("POST", CONFIGMAPS, {"metadata": {"name": "a"}}, dryRun="All")

        assert (code, answer["metadata"]["name"]) == (201, "a")
        assert await p.names(CONFIGMAPS) == []


async def test_a_finalizer_holds_the_object_until_it_is_removed() -> None:
    async with plane() as p:
        await p.create(CONFIGMAPS, "a")
        await p.patch(f"{CONFIGMAPS}/a", {"metadata": {"finalizers": ["x.io/hold"]}})
        held = await p.delete(f"{CONFIGMAPS}/a")
        assert held["metadata"]["deletionTimestamp"]
        assert await p.names(CONFIGMAPS) == ["a"]

        await p.patch(f"{CONFIGMAPS}/a", {"metadata": {"finalizers": None}})
        assert await p.names(CONFIGMAPS) == []


async def test_deletecollection_deletes_what_the_selector_says() -> None:
    async with plane() as p:
        for name in ("a", "b"):
            body = {"metadata": {"name": name, "labels": {"name": name}}}
            await p.ask("POST", CONFIGMAPS, body)
        await p.ask("DELETE", CONFIGMAPS, labelSelector="name=a")

        assert await p.names(CONFIGMAPS) == ["b"]


@pytest.mark.parametrize(
    ("path", "body", "code", "words"),
    [
        pytest.param(
            "/api/v1/namespaces/nowhere/configmaps",
            {"metadata": {"name": "a"}},
            404,
            'namespaces "nowhere" not found',
            id="no such namespace",
        ),
        pytest.param(
            CONFIGMAPS,
            {"metadata": {"name": "a", "namespace": "kube-system"}},
            400,
            "does not match the namespace",
            id="another namespace",
        ),
        pytest.param(
            CONFIGMAPS, {"metadata": {"name": "A_b"}}, 422, "metadata.name", id="bad name"
        ),
        pytest.param(CONFIGMAPS, {"metadata": {}}, 422, "name or generateName", id="no name"),
        pytest.param(
            CONFIGMAPS,
            {"metadata": {"name": "a", "labels": {"l": "x" * 64}}},
            422,
            "63",
            id="label too long",
        ),
        pytest.param(
            CONFIGMAPS,
            {"kind": "Secret", "metadata": {"name": "a"}},
            400,
            "Secret",
            id="wrong kind",
        ),
        pytest.param(CONFIGMAPS, ["list"], 400, "not an object", id="no object"),
    ],
)
async def test_bad_objects_are_refused_with_the_field(
    path: str, body: Any, code: int, words: str
) -> None:
    async with plane() as p:
        given, status = await p.ask("POST", path, body)

        assert given == code
        assert words in status["message"]
