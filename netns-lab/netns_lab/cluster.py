"""The lab's own view of the API: whole objects of one kind, kept current by list and watch.

The parts of the lab that play kubelet and kube-proxy use it. They talk to the API server itself,
behind the fault proxy: faults are for Herald's daemons.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

from kube.client import ApiError, Client

RETRY_S = 0.2
WATCH_S = 3600
IDLE_S = 3700.0

LOG = logging.getLogger("netns_lab.cluster")

Json = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""


class ObjectWatch:
    """All objects behind one path; `run` keeps `objects` current."""

    def __init__(self, client: Client, path: str, on_change: Callable[[Key], None]) -> None:
        self.objects: dict[Key, Json] = {}
        self.listed = asyncio.Event()
        self._client = client
        self._path = path
        self._on_change = on_change

    async def run(self) -> None:
        """List and watch for ever."""
        while True:
            try:
                version = await self._list()
                self.listed.set()
                while True:
                    version = await self._watch(version)
            except (ApiError, OSError, ValueError) as error:
                LOG.info("list or watch of %s again: %s", self._path, error)
                await asyncio.sleep(RETRY_S)

    async def _list(self) -> str:
        found: dict[Key, Json] = {}
        version = ""
        async for page in self._client.list_pages(self._path):
            found.update((key_of(item), item) for item in page.items)
            version = page.resource_version
        before, self.objects = self.objects, found
        for key in before.keys() | found.keys():
            if before.get(key) != found.get(key):
                self._on_change(key)
        return version

    async def _watch(self, version: str) -> str:
        """Follow changes until the server ends the watch; return where to go on."""
        lines = self._client.watch_lines(
            self._path, resource_version=version, watch_s=WATCH_S, idle_s=IDLE_S
        )
        async for line in lines:
            if not line.strip():
                continue
            event = json.loads(line)
            kind, obj = event["type"], event["object"]
            if kind == "ERROR":
                raise ApiError(obj.get("code", 0), obj.get("reason", ""), obj.get("message", ""))
            version = obj["metadata"]["resourceVersion"]
            if kind == "BOOKMARK":
                continue
            key = key_of(obj)
            if kind == "DELETED":
                self.objects.pop(key, None)
            else:
                self.objects[key] = obj
            self._on_change(key)
        return version


def key_of(obj: Json) -> Key:
    """Return namespace and name."""
    return obj["metadata"].get("namespace") or "", obj["metadata"]["name"]
