"""The orders that a lab's supervisor takes, by name, with their arguments."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any, Protocol

from netns_lab.cluster import Key
from netns_lab.faults_client import order_fault
from netns_lab.kube_proxies import NodeProxies
from netns_lab.machines import Machines
from netns_lab.orders import Json, LabError, Progress
from netns_lab.plan import LabPlan
from netns_lab.pods import PodRunner
from netns_lab.processes import Process, ProcessState
from netns_lab.progress import Progress as UpProgress
from netns_lab.state import StateFolder


class Lab(Protocol):
    """What the table needs of the supervisor."""

    plan: LabPlan
    state: StateFolder
    processes: dict[str, Process]
    progress: UpProgress

    def stop(self) -> None:
        """End the lab."""


class OrderTable:
    """Carries out orders."""

    def __init__(
        self,
        lab: Lab,
        *,
        machines: Machines,
        pods: PodRunner,
        proxies: NodeProxies,
        ready: Callable[[], dict[str, bool]],
    ) -> None:
        self._lab = lab
        self._machines = machines
        self._pods = pods
        self._proxies = proxies
        self._ready = ready

    async def carry_out(self, name: str, arguments: Json, progress: Progress) -> Any:
        """Do what the order says and return its result."""
        if name == "wait_up":
            async for text in self._lab.progress.follow():
                await progress(text)
            return None
        order = getattr(self, f"_do_{name}", None)
        if order is None:
            raise LabError(f"no order {name!r}")
        result = order(**arguments)
        return await result if asyncio.iscoroutine(result) else result

    def _do_status(self) -> Json:
        return {
            "lab": self._lab.plan.name,
            "up": self._lab.progress.finished,
            "nodes": [
                {"node": node.name, "lan": node.lan_v4, "dead": node.name in self._machines.dead}
                for node in self._lab.plan.nodes
            ],
            "processes": [self._process(p) for p in self._lab.processes.values()],
            "pods": self._pods.pods(),
        }

    def _process(self, process: Process) -> Json:
        name = process.plan.name
        runs = process.state is ProcessState.RUNNING
        return {
            "process": name,
            "host": process.plan.host,
            "state": process.state.value,
            "ready": self._ready().get(name),
            "pid": process.process_id,
            "starts": process.starts,
            "last_exit": process.last_exit,
            "last_line": "" if runs else process.last_line(),
        }

    def _do_kill_node(self, node: str) -> Json:
        return self._machines.kill_node(node)

    async def _do_start_node(self, node: str) -> Json:
        return await self._machines.start_node(node)

    def _do_set_cable(self, node: str, nic: str, plugged: bool) -> Json:
        return self._machines.set_cable(node, nic, plugged=plugged)

    def _do_partition(
        self,
        side: list[str],
        other: list[str],
        bridges: list[str] | None = None,
        one_way: bool = False,
    ) -> Json:
        return self._machines.partition(side, other, bridges=bridges, one_way=one_way)

    def _do_heal(self) -> Json:
        return self._machines.heal()

    def _do_signal(self, process: str, number: int, hold: bool = False) -> Json:
        return self._machines.signal(process, signal.Signals(number), hold=hold)

    def _do_stop_speaker(self, node: str) -> Json:
        return self._machines.stop_speaker(node)

    def _do_release(self, name: str) -> Json:
        return self._machines.release(name)

    def _do_set_options(self, process: str, options: list[str]) -> None:
        self._machines.process(process).options = tuple(options)

    async def _do_pod_ready(self, pod: str, ready: bool) -> None:
        await self._pods.set_ready(_key(pod), ready=ready)

    def _do_end_pod(self, pod: str) -> None:
        self._pods.end(_key(pod))

    def _do_stop_proxy(self, node: str) -> None:
        self._proxies.stop(node)

    async def _do_start_proxy(self, node: str) -> None:
        await self._proxies.start(node)

    def _do_delay_proxy(self, node: str, delay_s: float) -> None:
        self._proxies.delay(node, delay_s)

    async def _do_api_fault(self, **fault: Any) -> Json:
        return await order_fault(self._lab.state.fault_socket, fault)


def _key(pod: str) -> Key:
    namespace, _, name = pod.rpartition("/")
    return namespace or "default", name
