"""The real kube-proxies of a lab, behind the same verbs as the lab's own service proxy."""

import asyncio
import signal
from typing import Protocol

from netns_lab.commands import process_name
from netns_lab.nft import Nft
from netns_lab.orders import LabError
from netns_lab.plan import LabPlan
from netns_lab.processes import Process


class NodeProxies(Protocol):
    """What the lab does with the service proxies of its nodes, whichever they are."""

    async def run(self) -> None:
        """Do their work for ever."""

    def close(self) -> None:
        """Free what is held."""

    def power_off(self, node: str) -> None:
        """Lose all that is programmed on the node."""

    async def start(self, node: str) -> None:
        """Start the node's proxy again."""

    def stop(self, node: str) -> None:
        """End the node's proxy; its rules stay."""

    def delay(self, node: str, delay_s: float) -> None:
        """Program changes this much later than they are seen."""


class KubeProxies:
    """One kube-proxy process a node, supervised like the node's other processes."""

    def __init__(self, plan: LabPlan, processes: dict[str, Process]) -> None:
        self._processes = processes
        self._tables = {node.name: Nft(node.host.namespace) for node in plan.nodes}

    async def run(self) -> None:
        """Do nothing: the processes work by themselves."""
        await asyncio.Event().wait()

    def close(self) -> None:
        """Free what is held."""
        for tables in self._tables.values():
            tables.close()

    def power_off(self, node: str) -> None:
        """Lose all that is programmed on the node."""
        self._tables[node].run("flush ruleset")

    async def start(self, node: str) -> None:
        """Let the node's kube-proxy run again."""
        self._process(node).release()

    def stop(self, node: str) -> None:
        """End the node's kube-proxy; its rules stay."""
        process = self._process(node)
        process.hold()
        process.signal(signal.SIGTERM)

    def delay(self, node: str, delay_s: float) -> None:
        """Refuse: a real kube-proxy has a pace of its own."""
        raise LabError("only the embedded control plane's service proxy can be slowed down")

    def _process(self, node: str) -> Process:
        return self._processes[process_name("kube-proxy", node)]
