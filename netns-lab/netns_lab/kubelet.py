"""The kubelet's part for Herald's own Pods: asks each daemon whether it is ready and says so.

Each process of a speaker stands for a container; the Pod is Ready when all its containers are.
"""

import asyncio
import logging

from kube.client import ApiError, Client
from netns_lab.asking import http_get
from netns_lab.commands import CONTROL_ADDRESS, READY_PORTS, SPEAKER, process_name
from netns_lab.orders import Json
from netns_lab.plan import LabPlan
from netns_lab.pod_status import ContainerState, pod_status
from netns_lab.processes import Process, ProcessState
from netns_lab.seed import HERALD_NAMESPACE, controller_pod, speaker_pod

STARTING_INTERVAL_S, STEADY_INTERVAL_S = 0.1, 0.5
"The second once all have been ready: a drill must not be disturbed by questions."

LOG = logging.getLogger("netns_lab.kubelet")


class Kubelet:
    """Readiness of all daemons of a lab."""

    def __init__(self, plan: LabPlan, client: Client, processes: dict[str, Process]) -> None:
        self._plan = plan
        self._client = client
        self._processes = processes
        self._reported: dict[str, dict[str, ContainerState]] = {}
        self.ready: dict[str, bool] = {}
        "By name of process."

    async def run(self) -> None:
        """Ask and report for ever."""
        started = False
        while True:
            await self._ask_all()
            for obj, address, members in self._pods():
                await self._report(obj, address, self._states(members))
            started = started or all(self.ready.values())
            await asyncio.sleep(STEADY_INTERVAL_S if started else STARTING_INTERVAL_S)

    def _names(self) -> list[str]:
        return [member for _, _, members in self._pods() for member in members]

    def _states(self, members: list[str]) -> dict[str, ContainerState]:
        """Return the states of the processes by container."""
        restarts = {m: self._processes[m].starts - 1 for m in members if m in self._processes}
        return {
            member.partition("@")[0]: ContainerState(
                self.ready.get(member, False), max(0, restarts.get(member, 0))
            )
            for member in members
        }

    def _pods(self) -> list[tuple[Json, str, list[str]]]:
        """Return (Pod, its address, its processes)."""
        pods = [(controller_pod(), CONTROL_ADDRESS, ["controller"])]
        for node in self._plan.nodes:
            members = [process_name(process, node.name) for process in SPEAKER]
            pods.append((speaker_pod(node), node.lan_v4, members))
        return pods

    async def _ask_all(self) -> None:
        names = self._names()
        answers = await asyncio.gather(*(self._is_ready(name) for name in names))
        self.ready = dict(zip(names, answers, strict=True))

    async def _is_ready(self, name: str) -> bool:
        process = self._processes.get(name)
        if process is None or process.state is not ProcessState.RUNNING:
            return False
        port = READY_PORTS[name.partition("@")[0]]
        answer = await http_get(process.plan.namespace, "127.0.0.1", port, "/readyz")
        return answer is not None and answer[0] == 200

    async def _report(self, obj: Json, address: str, states: dict[str, ContainerState]) -> None:
        pod = obj["metadata"]["name"]
        if self._reported.get(pod) == states:
            return
        status = pod_status(obj, address, (address,), states)
        path = f"/api/v1/namespaces/{HERALD_NAMESPACE}/pods/{pod}/status"
        try:
            await self._client.patch(path, {"status": status})
        except ApiError as error:
            LOG.info("status of Pod %s again: %s", pod, error)
        else:
            self._reported[pod] = states
