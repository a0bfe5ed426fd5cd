"""A small cluster for the brain's tests: the embedded API server, and processes that listen."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kube.api import collection_path, object_path
from kube.client import Client, Patch
from kube.objects import ObjectName
from netns_lab.control_plane.server import EmbeddedServer, embedded
from speaker.brain.process import Brain, Settings
from speaker.policy.view import Self
from speaker.seam.driver import Listener, Process
from speaker.seam.messages import End, InterfaceReport, Message
from tests.waiting import until_stored

HERALD = "metallb-system"
VIP = "192.168.4.10"
KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="  # 32 bytes


@dataclass
class Ear:
    """A process at the other end of the seam that only listens."""

    name: str
    says: list[Message] = field(default_factory=list)
    heard: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.name == "wire" and not any(isinstance(each, InterfaceReport) for each in self.says):
            self.says = [InterfaceReport("lan0", usable=True), *self.says]
        self.process = Process(
            name=self.name,
            whole=lambda _: list(self.says),
            hear=lambda _, message: self.heard.append(message),
        )

    def listener(self, folder: Path) -> Listener:
        return Listener(folder / f"{self.name}.sock", self.process, ["brain"])

    def holds(self, kind: type) -> list[Any]:
        return list(self.process.mirror("brain").of(kind))

    @property
    def synced(self) -> int:
        return sum(isinstance(message, End) for message in self.heard)


@dataclass
class Cluster:
    """The API server and a client that writes to it as a user would."""

    server: EmbeddedServer
    client: Client
    folder: Path

    def settings(self, node: str = "node1", **changes: Any) -> Settings:
        values: dict[str, Any] = {
            "own": Self(node),
            "kubeconfig": str(self.folder / "kubeconfig"),
            "socket_dir": self.folder,
            "state_dir": None,
            "health_port": 0,
            "metrics_port": 0,
            "health_gates": False,
        }
        return Settings(**(values | changes))

    async def until(self, question: Callable[[], Awaitable[bool]]) -> None:
        """Wait until what the API has is as asked for."""
        await until_stored(question, lambda: self.server.store.revision)

    async def create(self, kind: str, name: str, namespace: str = HERALD, **rest: Any) -> None:
        metadata = {"name": name} | rest.pop("metadata", {})
        await self.client.create(collection_path(kind, namespace), {"metadata": metadata} | rest)

    async def patch(self, kind: str, name: str, body: Any, namespace: str = HERALD) -> None:
        await self.client.patch(object_path(kind, ObjectName(namespace, name)), body, Patch.MERGE)

    async def delete(self, kind: str, name: str, namespace: str = HERALD) -> None:
        await self.client.delete(object_path(kind, ObjectName(namespace, name)))

    async def first(self) -> None:
        """What most tests start from: two nodes, a pool, an advertisement, a key."""
        for number in (1, 2):
            await self.create("Node", f"node{number}", "", status=_node_status(number))
        await self.create(
            "IPAddressPool", "first", spec={"addresses": ["192.168.4.10-192.168.4.20"]}
        )
        await self.create("L2Advertisement", "l2", spec={})
        await self.create("Secret", "herald-hello", type="Opaque", data={"key-1": KEY})

    async def service(self, name: str = "web", address: str = VIP, **spec: Any) -> None:
        """A Service with an address and a ready endpoint on node1."""
        ports = {"ports": [{"port": 80}], "type": "LoadBalancer"}
        await self.create("Service", name, "default", spec=ports | spec)
        await self.client.patch(
            object_path("Service", ObjectName("default", name), "status"),
            {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}},
            Patch.MERGE,
        )
        await self.endpoint(name)

    async def endpoint(self, service: str, node: str = "node1", *, ready: bool = True) -> None:
        await self.create(
            "EndpointSlice",
            f"{service}-{node}",
            "default",
            metadata={"labels": {"kubernetes.io/service-name": service}},
            addressType="IPv4",
            endpoints=[
                {
                    "addresses": ["10.244.0.1"],
                    "nodeName": node,
                    "conditions": {"ready": ready, "serving": ready},
                }
            ],
        )


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    """Serve the API on loopback and give a client for it."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(embedded("127.0.0.1", 0))
        (folder / "kubeconfig").write_text(kubeconfig(server.url))
        client = await stack.enter_async_context(Client.connect(str(folder / "kubeconfig")))
        yield Cluster(server, client, folder)


@asynccontextmanager
async def running(*parts: Listener) -> AsyncIterator[None]:
    """Run listeners while the context lasts."""
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(part.run()) for part in parts]
        yield
        for task in started:
            task.cancel()


@asynccontextmanager
async def brain(
    settings: Settings, *, patience_s: float = 5.0, coalesce_s: float = 1.0
) -> AsyncIterator[Brain]:
    """Run a real brain while the context lasts."""
    stop = asyncio.Event()
    async with Client.connect(settings.kubeconfig) as client, asyncio.TaskGroup() as tasks:
        parts = Brain(settings, client, patience_s=patience_s, coalesce_s=coalesce_s)
        tasks.create_task(parts.run(stop))
        try:
            yield parts
        finally:
            stop.set()


def kubeconfig(url: str) -> str:
    return f"""
apiVersion: v1
kind: Config
current-context: lab
contexts: [{{name: lab, context: {{cluster: lab, user: lab}}}}]
clusters: [{{name: lab, cluster: {{server: "{url}"}}}}]
users: [{{name: lab, user: {{}}}}]
"""


def _node_status(number: int) -> dict[str, Any]:
    # On loopback, for the prober dials them.
    return {"addresses": [{"type": "InternalIP", "address": f"127.4.0.{number}"}]}
