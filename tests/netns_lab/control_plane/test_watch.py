"""Lists and watches over HTTP: pages, selectors, bookmarks, 410."""

import pytest

from tests.netns_lab.control_plane.clients import CONFIGMAPS, POOLS, SERVICES, plane

LB = {"type": "LoadBalancer", "ports": [{"port": 80}]}


async def test_a_watch_gets_each_write_after_its_resource_version() -> None:
    async with plane() as p:
        first = await p.create(CONFIGMAPS, "a")
        version = first["metadata"]["resourceVersion"]
        async with p.watch(CONFIGMAPS, resourceVersion=version) as events:
            await p.create(CONFIGMAPS, "b")
            await p.patch(f"{CONFIGMAPS}/a", {"data": {"k": "v"}})
            await p.delete(f"{CONFIGMAPS}/b")

            assert await events.next_names(3) == [
                ("ADDED", "b"),
                ("MODIFIED", "a"),
                ("DELETED", "b"),
            ]


async def test_a_watch_without_version_starts_with_what_is_there() -> None:
    async with plane() as p:
        await p.create(CONFIGMAPS, "a")
        async with p.watch(CONFIGMAPS) as events:
            await p.create(CONFIGMAPS, "b")

            assert await events.next_names(2) == [("ADDED", "a"), ("ADDED", "b")]


async def test_a_streaming_list_ends_with_a_marked_bookmark() -> None:
    async with plane() as p:
        await p.create(CONFIGMAPS, "a")
        async with p.watch(
            CONFIGMAPS,
            sendInitialEvents="true",
            resourceVersionMatch="NotOlderThan",
            allowWatchBookmarks="true",
        ) as events:
            assert await events.next_names(1) == [("ADDED", "a")]
            kind, mark = await events.next()
            assert kind == "BOOKMARK"
            assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
            assert mark["metadata"]["resourceVersion"] == str(p.server.store.revision)


async def test_a_version_before_the_window_is_answered_410_as_an_event() -> None:
    async with plane(window=2) as p:
        for name in "abcd":
            await p.create(CONFIGMAPS, name)
        async with p.watch(CONFIGMAPS, resourceVersion="2") as events:
            kind, status = await events.next()

            assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
            assert await events.ends()


async def test_a_version_from_the_future_is_refused() -> None:
    async with plane() as p:
        code, status = await p.ask("GET", CONFIGMAPS, resourceVersion="999999")

        assert (code, status["reason"]) == (504, "Timeout")


async def test_bookmarks_go_only_to_those_who_asked() -> None:
    async with (
        plane() as p,
        p.watch(CONFIGMAPS, allowWatchBookmarks="true") as asked,
        p.watch(CONFIGMAPS) as silent,
    ):
        p.server.bookmark()
        await p.create(CONFIGMAPS, "a")

        kind, mark = await asked.next()
        assert (kind, mark["kind"]) == ("BOOKMARK", "ConfigMap")
        assert await silent.next_names(1) == [("ADDED", "a")]


async def test_a_field_selected_watch_sees_a_change_of_type_as_deletion() -> None:
    async with (
        plane() as p,
        p.watch(SERVICES, fieldSelector="spec.type=LoadBalancer") as events,
    ):
        await p.create(SERVICES, "web", spec=LB)
        await p.create(SERVICES, "inner", spec={"ports": [{"port": 80}]})
        await p.patch(f"{SERVICES}/web", {"spec": {"type": "ClusterIP"}})
        await p.patch(f"{SERVICES}/inner", {"spec": {"type": "LoadBalancer"}})

        assert await events.next_names(3) == [
            ("ADDED", "web"),
            ("DELETED", "web"),
            ("ADDED", "inner"),
        ]


async def test_pages_show_one_moment_even_if_objects_come_and_go() -> None:
    async with plane() as p:
        for name in "abcde":
            await p.create(CONFIGMAPS, name)
        first = await p.get(CONFIGMAPS, limit="2")
        await p.create(CONFIGMAPS, "bb")
        await p.delete(f"{CONFIGMAPS}/c")
        second = await p.get(
            CONFIGMAPS, **{"limit": "9", "continue": first["metadata"]["continue"]}
        )

        pages = [[item["metadata"]["name"] for item in page["items"]] for page in (first, second)]
        assert pages == [["a", "b"], ["c", "d", "e"]]
        assert first["metadata"]["remainingItemCount"] == 3
        assert "continue" not in second["metadata"]
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_a_continued_list_from_before_the_window_is_410() -> None:
    async with plane(window=2) as p:
        for name in "abcd":
            await p.create(CONFIGMAPS, name)
        first = await p.get(CONFIGMAPS, limit="1")
        for name in "efgh":
            await p.create(CONFIGMAPS, name)
        code, status = await p.ask(
            "GET", CONFIGMAPS, **{"limit": "1", "continue": first["metadata"]["continue"]}
        )

        assert (code, status["reason"]) == (410, "Expired")


async def test_items_of_typed_lists_leave_out_their_type_and_custom_ones_keep_it() -> None:
    async with plane() as p:
        await p.create(CONFIGMAPS, "a")
        await p.create(POOLS, "p", spec={"addresses": ["192.0.2.0/24"]})

        assert "kind" not in (await p.get(CONFIGMAPS))["items"][0]
        assert (await p.get(POOLS))["items"][0]["kind"] == "IPAddressPool"
        assert (await p.get(POOLS))["kind"] == "IPAddressPoolList"


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param("tier=web", ["a", "b"], id="equal"),
        pytest.param("tier!=web", ["c", "d"], id="not equal, or absent"),
        pytest.param("tier in (web, db)", ["a", "b", "c"], id="in"),
        pytest.param("tier notin (web),zone", ["c"], id="notin and exists"),
        pytest.param("!tier", ["d"], id="absent"),
        pytest.param("tier==web,zone!=x", ["b"], id="both"),
    ],
)
async def test_label_selectors_select(selector: str, expected: list[str]) -> None:
    labels = {
        "a": {"tier": "web", "zone": "x"},
        "b": {"tier": "web"},
        "c": {"tier": "db", "zone": "x"},
        "d": {},
    }
    async with plane() as p:
        for name, each in labels.items():
            await p.ask("POST", CONFIGMAPS, {"metadata": {"name": name, "labels": each}})

        assert await p.names(CONFIGMAPS, labelSelector=selector) == expected


async def test_field_selectors_select_and_unknown_ones_are_refused() -> None:
    async with plane() as p:
        await p.create(SERVICES, "web", spec=LB)

        everywhere = "/api/v1/services"
        assert await p.names(everywhere, fieldSelector="spec.type=LoadBalancer") == ["web"]
        assert await p.names(everywhere, fieldSelector="metadata.name=kubernetes") == ["kubernetes"]
        assert await p.names(everywhere, fieldSelector="metadata.namespace!=default") == []
        code, status = await p.ask("GET", everywhere, fieldSelector="spec.nodeName=x")
        assert (code, status["message"]) == (400, "field label not supported: spec.nodeName")


async def test_watches_of_a_kind_end_with_its_definition_and_its_path_is_404() -> None:
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    async with plane() as p:
        await p.create(POOLS, "p", spec={"addresses": ["192.0.2.0/24"]})
        version = str(p.server.store.revision)
        async with p.watch(POOLS, resourceVersion=version) as events:
            await p.delete(f"{definitions}/ipaddresspools.metallb.io")

            assert await events.next_names(1) == [("DELETED", "p")]
            assert await events.ends()
        async with p.session.get(POOLS) as response:
            assert response.status == 404
            assert await response.text() == "404 page not found\n"
