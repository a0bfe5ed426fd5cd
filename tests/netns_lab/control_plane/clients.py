"""A small HTTP client for tests of the embedded server: paths in, decoded JSON out."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from netns_lab.control_plane.server import EmbeddedServer, embedded

Json = dict[str, Any]

DEFAULT = "/api/v1/namespaces/default"
SERVICES = f"{DEFAULT}/services"
CONFIGMAPS = f"{DEFAULT}/configmaps"
PODS = f"{DEFAULT}/pods"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
POOLS = "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Plane:
    """A running server and a session with it."""

    def __init__(self, server: EmbeddedServer, session: aiohttp.ClientSession) -> None:
        self.server = server
        self.session = session

    async def ask(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str
    ) -> tuple[int, Json]:
        """Return the status code and the answer."""
        content = None if body is None else json.dumps(body)
        async with self.session.request(
            method, path, data=content, params=query, headers={"Content-Type": kind}
        ) as response:
            return response.status, await response.json()

    async def get(self, path: str, **query: str) -> Json:
        return await self._well("GET", path, None, **query)

    async def create(self, path: str, name: str, **fields: Any) -> Json:
        return await self._well("POST", path, {"metadata": {"name": name}} | fields)

    async def put(self, path: str, body: Json) -> Json:
        return await self._well("PUT", path, body)

    async def patch(self, path: str, body: Any, kind: str = MERGE, **query: str) -> Json:
        return await self._well("PATCH", path, body, kind, **query)

    async def delete(self, path: str, body: Any = None) -> Json:
        return await self._well("DELETE", path, body)

    async def names(self, path: str, **query: str) -> list[str]:
        items = (await self.get(path, **query))["items"]
        return [item["metadata"]["name"] for item in items]

    async def settle(self) -> None:
        """Let the server's loop run until its controllers have nothing left to do."""
        while not self.server.controllers.idle:
            await self.get("/version")
        await self.get("/version")

    @asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator["Events"]:
        """Open a watch; it is running when this returns."""
        async with self.session.get(path, params={"watch": "1"} | query) as response:
            yield Events(response)

    async def _well(
        self, method: str, path: str, body: Any, kind: str = "application/json", **query: str
    ) -> Json:
        code, answer = await self.ask(method, path, body, kind, **query)
        assert code < 300, answer
        return answer


class Events:
    """The events of a watch, one at a time."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> tuple[str, Json]:
        line = await self._response.content.readline()
        event = json.loads(line)
        return event["type"], event["object"]

    async def next_names(self, count: int) -> list[tuple[str, str]]:
        events = [await self.next() for _ in range(count)]
        return [(kind, obj["metadata"]["name"]) for kind, obj in events]

    async def ends(self) -> bool:
        return await self._response.content.readline() == b""


@asynccontextmanager
async def plane(*, window: int = 8192) -> AsyncIterator[Plane]:
    """Run a server on a free loopback port of this test's loop."""
    async with embedded(window=window) as server, aiohttp.ClientSession(server.url) as session:
        yield Plane(server, session)
