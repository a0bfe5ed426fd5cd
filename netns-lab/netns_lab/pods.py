"""The pod runner: the lab's kubelet for Pods with containers that serve something.

For each Pod bound to a live node it starts the servers of `netns_lab.images` on an address of the
node's share and reports the Pod as Running and Ready. A deleted Pod goes on serving as its image
does, then ends. Pods that run Herald itself belong to `netns_lab.herald_pods` or to the supervisor.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kube.client import ApiError, Client
from netns_lab.cluster import Json, Key, ObjectWatch
from netns_lab.containers import is_herald
from netns_lab.images import Server, ServerPlan, quits_at_once, servers_of
from netns_lab.plan import LabPlan, Node
from netns_lab.pod_status import all_alike, pod_status
from netns_lab.servers import UdpEcho, bound, serve_http, serve_tcp_echo

PODS_PATH = "/api/v1/pods"
QUIT_S = 0.3
"How long a server that quits at once takes: what nginx needs to end on SIGTERM."
STATUS_RETRY_S = 0.5

LOG = logging.getLogger("netns_lab.pods")


@dataclass(slots=True)
class RunningPod:
    """One Pod that runs."""

    node: Node
    uid: str
    offset: int
    "Its place in the node's share of addresses."
    owner: str
    ordinal: int
    addresses: tuple[str, ...]
    servers: list[Any] = field(default_factory=list)
    ready: bool = True
    ending: asyncio.Task[None] | None = None


class PodRunner:
    """Runs the Pods of all nodes that are alive."""

    def __init__(self, plan: LabPlan, client: Client, tasks: asyncio.TaskGroup) -> None:
        self._plan = plan
        self._client = client
        self._tasks = tasks
        self._watch = ObjectWatch(client, PODS_PATH, self._changed)
        self._running: dict[Key, RunningPod] = {}
        self._dead: set[str] = set()
        self._locks: dict[Key, asyncio.Lock] = {}

    @property
    def listed(self) -> asyncio.Event:
        """Set once all Pods are known."""
        return self._watch.listed

    async def run(self) -> None:
        """Follow the Pods for ever."""
        await self._watch.run()

    def pods(self) -> list[Json]:
        """Return what runs: for `herald lab status`."""
        return [
            {
                "pod": "/".join(key),
                "node": pod.node.name,
                "name": _ordinal_name(pod),
                "addresses": list(pod.addresses),
                "ready": pod.ready,
            }
            for key, pod in sorted(self._running.items())
        ]

    def kill_node(self, node: str) -> None:
        """Take the servers of a node away at once, as when its power goes."""
        self._dead.add(node)
        for key, pod in list(self._running.items()):
            if pod.node.name == node:
                self._close(key, pod)

    def start_node(self, node: str) -> None:
        """Run the node's Pods again."""
        self._dead.discard(node)
        for key in self._watch.objects:
            self._changed(key)

    async def set_ready(self, key: Key, *, ready: bool) -> None:
        """Report the Pod as ready or not; its servers go on."""
        pod = self._running[key]
        pod.ready = ready
        await self._report(key, pod)

    def end(self, key: Key) -> None:
        """End the Pod's servers at once; it is reported as before."""
        _close_servers(self._running[key])

    def _changed(self, key: Key) -> None:
        self._tasks.create_task(self._settle(key))

    async def _settle(self, key: Key) -> None:
        async with self._locks.setdefault(key, asyncio.Lock()):
            wanted, pod = self._wanted(key), self._running.get(key)
            if pod is not None and (wanted is None or wanted["metadata"]["uid"] != pod.uid):
                self._close(key, pod)
                pod = None
            if wanted is None:
                return
            if wanted["metadata"].get("deletionTimestamp"):
                await self._end(key, wanted, pod)
            elif pod is None:
                await self._start(key, wanted)

    def _wanted(self, key: Key) -> Json | None:
        """Return the Pod when it is ours to run now."""
        pod = self._watch.objects.get(key)
        if pod is None or pod["spec"].get("hostNetwork") or is_herald(pod):
            return None
        node = pod["spec"].get("nodeName")
        return pod if node in self._plan.node_names and node not in self._dead else None

    async def _start(self, key: Key, obj: Json) -> None:
        node = self._plan.node(obj["spec"]["nodeName"])
        owner = _owner(obj)
        taken = {p.offset for p in self._running.values() if p.node.name == node.name}
        ordinals = {p.ordinal for p in self._running.values() if p.owner == owner}
        offset = _lowest_free(taken)
        pod = RunningPod(
            node=node,
            uid=obj["metadata"]["uid"],
            offset=offset,
            owner=owner,
            ordinal=_lowest_free(ordinals),
            addresses=(str(node.pods_v4[offset]), str(node.pods_v6[offset])),
        )
        self._running[key] = pod
        try:
            for plan in servers_of(obj):
                for address in pod.addresses:
                    pod.servers.append(await self._serve(pod, plan, address))
        except OSError as error:
            # Two containers with one port, for example: the Pod is not ready, the lab goes on.
            LOG.warning("Pod %s/%s can't serve: %s", *key, error)
            pod.ready = False
        await self._report(key, pod)

    async def _serve(self, pod: RunningPod, plan: ServerPlan, address: str) -> Any:
        sock = bound(pod.node.pods.namespace, address, plan.port, protocol=plan.protocol)
        if plan.server is Server.WEB and plan.protocol == "TCP":
            return await serve_http(sock, _answer_with(f"{_ordinal_name(pod)}\n"))
        return UdpEcho(sock) if plan.protocol == "UDP" else await serve_tcp_echo(sock)

    async def _end(self, key: Key, obj: Json, pod: RunningPod | None) -> None:
        if pod is None:
            await self._remove(key)
        elif pod.ending is None:
            grace_s = float(obj["metadata"].get("deletionGracePeriodSeconds") or 0)
            serving_s = min(grace_s, QUIT_S) if quits_at_once(obj) else grace_s
            pod.ending = self._tasks.create_task(self._end_after(key, pod, serving_s))

    async def _end_after(self, key: Key, pod: RunningPod, serving_s: float) -> None:
        # Serving while terminating (KEP-1669): clients go on until the servers close.
        await asyncio.sleep(serving_s)
        if self._running.get(key) is pod:
            self._close(key, pod)
            await self._remove(key)

    def _close(self, key: Key, pod: RunningPod) -> None:
        self._running.pop(key, None)
        _close_servers(pod)

    async def _remove(self, key: Key) -> None:
        try:
            await self._client.delete(f"{_path(key)}?gracePeriodSeconds=0")
        except ApiError as error:
            if error.status != 404:
                LOG.warning("Pod %s/%s can't be removed: %s", *key, error)

    async def _report(self, key: Key, pod: RunningPod) -> None:
        obj = self._watch.objects.get(key)
        if obj is None:
            return
        status = pod_status(obj, pod.node.lan_v4, pod.addresses, all_alike(obj, ready=pod.ready))
        while self._running.get(key) is pod:
            try:
                await self._client.patch(f"{_path(key)}/status", {"status": status})
            except ApiError as error:
                if error.status == 404:
                    return
                LOG.info("status of Pod %s/%s again: %s", *key, error)
                await asyncio.sleep(STATUS_RETRY_S)
            else:
                return


def _close_servers(pod: RunningPod) -> None:
    while pod.servers:
        pod.servers.pop().close()


def _owner(obj: Json) -> str:
    """Return what the ordinals are counted in: the controller, else the Pod itself."""
    owners = obj["metadata"].get("ownerReferences") or ()
    return str(owners[0]["uid"]) if owners else str(obj["metadata"]["uid"])


def _lowest_free(taken: set[int]) -> int:
    return next(n for n in range(1, len(taken) + 2) if n not in taken)


def _ordinal_name(pod: RunningPod) -> str:
    return f"web{pod.ordinal}"


def _answer_with(text: str) -> Callable[[str], tuple[int, str]]:
    return lambda _path: (200, text)


def _path(key: Key) -> str:
    return f"/api/v1/namespaces/{key[0]}/pods/{key[1]}"
