"""The kubelet's part for Pods that run Herald itself, as `manifests/` makes them.

Each container is a supervised process, called `wire@node1` or, for the controllers,
`controller@node1`. A deleted Pod's processes get SIGTERM together and its grace period to end in;
then the Pod is removed, and its controller makes the next one: a rolling update is the real one.
"""

import asyncio
import logging
import shutil
import signal
import sys
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from kube.client import ApiError, Client
from netns_lab.asking import http_get
from netns_lab.cluster import Key, ObjectWatch
from netns_lab.commands import process_name
from netns_lab.containers import Container, Surroundings, containers_of, folders_of, is_herald
from netns_lab.orders import Json
from netns_lab.plan import LabPlan, Node
from netns_lab.pod_status import ContainerState, Readiness, pod_status
from netns_lab.processes import Process, ProcessPlan, ProcessState
from netns_lab.seed import HERALD_NAMESPACE
from netns_lab.state import StateFolder

PODS_PATH = f"/api/v1/namespaces/{HERALD_NAMESPACE}/pods"
PROBE_S, STARTING_S, RETRY_S = 0.5, 0.1, 0.5
METRICS_PORT = 9130
POD_OFFSET_FIRST, POD_OFFSET_LAST = 100, 120
"Of the node's share of addresses; the pod runner gives the others from 1 on."

LOG = logging.getLogger("netns_lab.herald_pods")


@dataclass(slots=True)
class HeraldPod:
    """One Pod that runs."""

    uid: str
    node: Node
    namespace: str
    address: str
    folder: Path
    members: dict[str, Container]
    "By name of process."
    readiness: dict[str, Readiness] = field(default_factory=dict)
    "Likewise."
    told: dict[str, ContainerState] | None = None
    "What its status says, by container."
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class HeraldPods:
    """Runs all Pods of Herald's."""

    def __init__(
        self,
        plan: LabPlan,
        state: StateFolder,
        client: Client,
        *,
        processes: dict[str, Process],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._plan = plan
        self._state = state
        self._client = client
        self._processes = processes
        self._tasks = tasks
        self._watch = ObjectWatch(client, PODS_PATH, self._changed)
        self._running: dict[Key, HeraldPod] = {}
        self._locks: dict[Key, asyncio.Lock] = {}
        self._dead: set[str] = set()
        self.ready: dict[str, bool] = {}
        "By name of process."

    async def run(self) -> None:
        """Follow the Pods and probe them for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch.run())
            tasks.create_task(self._probe_all())

    def kill_node(self, node: str) -> None:
        """Do nothing for the node any more: its kubelet died with it."""
        self._dead.add(node)

    def start_node(self, node: str) -> None:
        """Go on; what Pods had in memory is gone."""
        self._dead.discard(node)
        for key, pod in self._running.items():
            if pod.node.name == node:
                for folder in pod.folder.glob("*"):
                    shutil.rmtree(folder)
                    folder.mkdir()
                self._changed(key)

    def _changed(self, key: Key) -> None:
        self._tasks.create_task(self._settle(key))

    async def _settle(self, key: Key) -> None:
        async with self._locks.setdefault(key, asyncio.Lock()):
            obj, pod = self._watch.objects.get(key), self._running.get(key)
            if pod is not None and pod.node.name in self._dead:
                return
            if pod is not None and (obj is None or obj["metadata"]["uid"] != pod.uid):
                await self._end(key, pod, 0.0)
                pod = None
            if obj is None or not is_herald(obj):
                return
            if obj["metadata"].get("deletionTimestamp"):
                if pod is not None:
                    grace_s = float(obj["metadata"].get("deletionGracePeriodSeconds") or 0)
                    await self._end(key, pod, grace_s)
                await self._remove(key)
            elif pod is None and obj["spec"].get("nodeName") in self._plan.node_names:
                await self._start(key, obj)

    async def _start(self, key: Key, obj: Json) -> None:
        node = self._plan.node(obj["spec"]["nodeName"])
        on_host = bool(obj["spec"].get("hostNetwork"))
        folder = self._state.path / "pods" / obj["metadata"]["uid"]
        address = node.lan_v4 if on_host else self._address(node)
        where = Surroundings(
            node=node.name,
            address=address,
            pod_folder=folder,
            host_folder=self._state.node(node.name) / "host",
            kubeconfig=self._state.kubeconfig(obj["spec"].get("serviceAccountName") or "default"),
        )
        for each in folders_of(obj, where):
            each.mkdir(parents=True, exist_ok=True)
        host = node.host if on_host else node.pods
        pod = HeraldPod(obj["metadata"]["uid"], node, host.namespace, address, folder, {})
        self._running[key] = pod
        for container in containers_of(obj, where):
            name = process_name(container.name, node.name)
            if name in self._processes and name in self._names():
                name = f"{name}-{pod.uid[:4]}"  # a surge of a rolling update
            pod.members[name] = container
            self._run(pod, name, container)
        await self._report(key, pod, {})

    def _run(self, pod: HeraldPod, name: str, container: Container) -> None:
        plan = ProcessPlan(
            name=name,
            host=pod.node.name,
            namespace=pod.namespace,
            argv=container.command(Path(sys.executable).parent),
            log=self._state.log(name),
            env=dict(container.env) | _apart(pod),
        )
        before = self._processes.get(name)
        process = self._processes[name] = Process(plan)
        process.options = before.options if before is not None else ()
        pod.tasks.append(self._tasks.create_task(process.run()))

    def _names(self) -> set[str]:
        return {name for pod in self._running.values() for name in pod.members}

    def _address(self, node: Node) -> str:
        taken = {pod.address for pod in self._running.values()}
        offsets = range(POD_OFFSET_FIRST, POD_OFFSET_LAST)
        return next(a for n in offsets if (a := str(node.pods_v4[n])) not in taken)

    async def _end(self, key: Key, pod: HeraldPod, grace_s: float) -> None:
        """End all containers at once, as the kubelet does."""
        members = [self._processes[name] for name in pod.members]
        for process in members:
            process.end(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await asyncio.gather(*(asyncio.shield(task) for task in pod.tasks))
        except TimeoutError:
            for process in members:
                process.kill()
            await asyncio.gather(*pod.tasks)
        self._running.pop(key, None)
        shutil.rmtree(pod.folder, ignore_errors=True)

    async def _remove(self, key: Key) -> None:
        try:
            await self._client.delete(f"{PODS_PATH}/{key[1]}?gracePeriodSeconds=0")
        except ApiError as error:
            if error.status != 404:
                LOG.warning("Pod %s/%s can't be removed: %s", *key, error)

    async def _probe_all(self) -> None:
        started = False
        while True:
            for key, pod in list(self._running.items()):
                answers = [await self._probe(pod, name) for name in pod.members]
                self.ready |= dict(zip(pod.members, answers, strict=True))
                await self._report(key, pod, self._states(pod))
            pods = self._running.values()
            started = started or (bool(pods) and all(_is_ready(pod) for pod in pods))
            # Often only at first: a drill must not be disturbed by questions.
            await asyncio.sleep(PROBE_S if started else STARTING_S)

    async def _probe(self, pod: HeraldPod, name: str) -> bool:
        process = self._processes[name]
        if process.state is not ProcessState.RUNNING:
            return False
        probe = pod.members[name].ready
        if probe is None:
            return True
        starts = process.starts
        answer = await http_get(pod.namespace, probe.address, probe.port, probe.path)
        readiness = pod.readiness.setdefault(name, Readiness())
        return readiness.judge(starts, answer[0] if answer else None)

    def _states(self, pod: HeraldPod) -> dict[str, ContainerState]:
        return {
            container.name: ContainerState(
                self.ready.get(name, False), max(0, self._processes[name].starts - 1)
            )
            for name, container in pod.members.items()
        }

    async def _report(self, key: Key, pod: HeraldPod, states: dict[str, ContainerState]) -> None:
        obj = self._watch.objects.get(key)
        if pod.told == states or self._running.get(key) is not pod or obj is None:
            return
        try:
            status = pod_status(obj, pod.node.lan_v4, (pod.address,), states)
            await self._client.patch(f"{PODS_PATH}/{key[1]}/status", {"status": status})
        except ApiError as error:
            LOG.info("status of Pod %s/%s again: %s", *key, error)
        else:
            pod.told = states


def _is_ready(pod: HeraldPod) -> bool:
    states = pod.told or {}
    return bool(states) and all(state.ready for state in states.values())


def _apart(pod: HeraldPod) -> dict[str, str]:
    """Return what tells Pods apart that would have a namespace each, and share one here."""
    if pod.namespace == pod.node.host.namespace:
        return {}
    return {"HERALD_METRICS_PORT": str(METRICS_PORT + _offset(pod) - POD_OFFSET_FIRST)}


def _offset(pod: HeraldPod) -> int:
    return int(ip_address(pod.address)) - int(pod.node.pods_v4[0])
