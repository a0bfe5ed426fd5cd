"""The server as one of an older release: what came later is dropped, refused or not there."""

import pytest

from netns_lab.control_plane.releases import RELEASE_PATH
from tests.netns_lab.control_plane.clients import PODS, SERVICES, SLICES, STRATEGIC, Plane, plane

LB = {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "web"}}
BY_TYPE = {"fieldSelector": "spec.type=LoadBalancer"}


async def play(p: Plane, minor: int) -> None:
    assert (await p.ask("PUT", RELEASE_PATH, {"minor": minor}))[0] == 200


async def give_address(p: Plane) -> None:
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}}
    await p.patch(f"{SERVICES}/web/status", {"status": status}, STRATEGIC)


async def ingress(p: Plane) -> dict[str, str]:
    (entry,) = (await p.get(f"{SERVICES}/web"))["status"]["loadBalancer"]["ingress"]
    return dict(entry)


async def test_it_says_which_release_it_is() -> None:
    async with plane() as p:
        await play(p, 27)
        assert (await p.get("/version"))["gitVersion"].startswith("v1.27.")


@pytest.mark.parametrize("minor", [5, 99, "x", None])
async def test_a_release_that_it_cannot_play_is_refused(minor: object) -> None:
    async with plane() as p:
        assert (await p.ask("PUT", RELEASE_PATH, {"minor": minor}))[0] == 400
        assert (await p.get("/version"))["minor"] == "36"


async def test_services_cannot_be_selected_by_type_before_31() -> None:
    async with plane() as p:
        await p.create(SERVICES, "web", spec=LB)
        await play(p, 30)
        code, status = await p.ask("GET", SERVICES, **BY_TYPE)
        assert (code, status["reason"]) == (400, "BadRequest")
        code, _ = await p.ask("GET", SERVICES, watch="1", **BY_TYPE)
        assert code == 400
        await play(p, 31)
        assert await p.names(SERVICES, **BY_TYPE) == ["web"]


async def test_the_mode_of_an_address_is_lost_before_30_stored_or_sent() -> None:
    async with plane() as p:
        await p.create(SERVICES, "web", spec=LB)
        await give_address(p)
        assert "ipMode" in await ingress(p)
        await play(p, 29)
        assert await ingress(p) == {"ip": "192.0.2.1"}
        await give_address(p)
        await p.patch(f"{SERVICES}/web", {"metadata": {"labels": {"a": "b"}}})
        assert await ingress(p) == {"ip": "192.0.2.1"}


async def test_conditions_of_endpoints_come_back_with_the_upgrade() -> None:
    async with plane() as p:
        await p.create(SERVICES, "web", spec=LB)
        containers = [{"name": "web", "image": "web"}]
        pod = await p.create(PODS, "web-1", spec={"containers": containers, "nodeName": "node1"})
        pod["metadata"]["labels"] = {"app": "web"}
        await p.put(f"{PODS}/web-1", pod)
        await p.patch(f"{PODS}/web-1/status", {"status": {"podIP": "10.244.1.2"}})
        await play(p, 21)
        await p.settle()
        assert await conditions(p) == {"ready"}
        await play(p, 36)
        await p.settle()
        assert await conditions(p) == {"ready", "serving", "terminating"}


async def conditions(p: Plane) -> set[str]:
    (found,) = (await p.get(SLICES))["items"]
    return set(found["endpoints"][0]["conditions"])


async def test_an_api_version_that_came_later_is_not_found() -> None:
    async with plane() as p:
        await play(p, 20)
        async with p.session.get(SLICES) as response:
            assert response.status == 404
        groups = (await p.get("/apis"))["groups"]
        assert "discovery.k8s.io" not in {each["name"] for each in groups}
        await play(p, 21)
        assert (await p.get(SLICES))["items"] == []


async def test_the_start_of_another_release_ends_watches() -> None:
    async with plane() as p, p.watch(SERVICES) as events:
        await events.next_names(1)
        await play(p, 35)
        assert await events.ends()
