"""A reconciler against the lab's API server on loopback, in one event loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from controller.main import selections
from controller.reconciler import Reconciler
from kube.api import ApiError, Patch, collection_path, object_path
from kube.client import Client
from kube.driver import Watcher
from kube.objects import Json, ObjectName
from netns_lab.control_plane.server import EmbeddedServer, embedded
from netns_lab.faults.proxy import FaultProxy, Upstream
from tests.waiting import until_stored

T = TypeVar("T")

NAMESPACE = "metallb-system"


class Leads:
    """A leadership that a test decides."""

    def __init__(self, *, leads: bool = True) -> None:
        self.now = leads

    def leads(self) -> bool:
        return self.now

    def time_left_s(self) -> float:
        return 10.0 if self.now else 0.0


class Live:
    """The API server, a client of ours, and what the controller did with its own."""

    def __init__(self, client: Client, kubeconfig: str, url: str) -> None:
        self.client = client
        self.kubeconfig = kubeconfig
        self.url = url

    async def create_pool(self, name: str, *addresses: str, **spec: Any) -> None:
        body = {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "IPAddressPool",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"addresses": list(addresses), **spec},
        }
        await self.client.create(collection_path("IPAddressPool", NAMESPACE), body)

    async def create_service(
        self, name: str, annotations: dict[str, str] | None = None, **spec: Any
    ) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "default", "annotations": annotations or {}},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], **spec},
        }
        await self.client.create(collection_path("Service", "default"), body)

    async def patch_service(self, name: str, body: Json, subresource: str = "") -> None:
        path = object_path("Service", ObjectName("default", name), subresource)
        await self.client.patch(path, body, Patch.MERGE)

    async def service(self, name: str) -> Json:
        return await self.client.get(object_path("Service", ObjectName("default", name)))

    async def addresses(self, name: str) -> list[str]:
        obj = await self.service(name)
        ingress = (obj.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
        return [entry["ip"] for entry in ingress]

    async def all_addresses(self) -> dict[str, list[str]]:
        found = {}
        async for page in self.client.list_pages(collection_path("Service", "default")):
            for obj in page.items:
                ingress = (obj.get("status") or {}).get("loadBalancer", {}).get("ingress") or []
                found[obj["metadata"]["name"]] = [entry["ip"] for entry in ingress]
        return found

    async def events(self, namespace: str = "default") -> list[tuple[str, str, str]]:
        """Object, reason and message of all Events."""
        found = []
        async for page in self.client.list_pages(collection_path("Event", namespace)):
            for obj in page.items:
                about = obj["involvedObject"]["name"]
                found.append((about, obj["reason"], obj["message"]))
        return found


class Embedded(Live):
    """With the API server in this loop."""

    def __init__(self, client: Client, kubeconfig: str, server: EmbeddedServer) -> None:
        super().__init__(client, kubeconfig, server.url)
        self._server = server

    async def until(self, question: Callable[[], Awaitable[T]]) -> T:
        """Return the first true answer about what the API has."""
        return await until_stored(question, lambda: self._server.store.revision)


@asynccontextmanager
async def live(folder: Path) -> AsyncIterator[Embedded]:
    """Serve the API on loopback and give a client for it."""
    async with embedded("127.0.0.1", 0) as server:
        path = folder / "kubeconfig"
        path.write_text(kubeconfig(server.url))
        async with Client.connect(str(path)) as client:
            yield Embedded(client, str(path), server)


@asynccontextmanager
async def behind_proxy(there: Live, folder: Path) -> AsyncIterator[tuple[Live, FaultProxy]]:
    """Give the API as seen through a proxy, and the proxy, which breaks what it is told to."""
    url = urlsplit(there.url)
    proxy = FaultProxy("127.0.0.1", 0, Upstream(str(url.hostname), int(url.port or 0)))
    await proxy.start()
    path = folder / "kubeconfig-of-the-proxy"
    path.write_text(kubeconfig(f"http://127.0.0.1:{proxy.port}"))
    try:
        yield Live(there.client, str(path), there.url), proxy
    finally:
        await proxy.stop()


@asynccontextmanager
async def controlling(
    there: Live, leads: Leads | None = None, lb_class: str | None = None
) -> AsyncIterator[tuple[Reconciler, Client]]:
    """Run a reconciler with a client of its own while the context lasts."""
    leadership = leads or Leads()
    async with Client.connect(there.kubeconfig) as client, asyncio.TaskGroup() as tasks:
        reconciler = Reconciler(
            client, leadership, namespace=NAMESPACE, lb_class=lb_class, counters_every_s=0.05
        )
        watcher = Watcher(client, selections(NAMESPACE), reconciler.on_change, echo=reconciler.echo)
        started = [tasks.create_task(watcher.run()), tasks.create_task(reconciler.run())]
        try:
            yield reconciler, client
        finally:
            for task in started:
                task.cancel()


def writes(client: Client) -> int:
    """Return how many requests that change something the client has sent."""
    return sum(
        count
        for (verb, _), count in client.requests.items()
        if verb in {"POST", "PUT", "PATCH", "DELETE"}
    )


async def status_of(client: Client, path: str) -> int:
    """Return the HTTP status of reading the path."""
    try:
        await client.get(path)
    except ApiError as error:
        return error.status
    return 200


def kubeconfig(url: str) -> str:
    """Return a kubeconfig for the URL, without credentials."""
    return f"""
apiVersion: v1
kind: Config
current-context: lab
contexts: [{{name: lab, context: {{cluster: lab, user: lab}}}}]
clusters: [{{name: lab, cluster: {{server: "{url}"}}}}]
users: [{{name: lab, user: {{}}}}]
"""
