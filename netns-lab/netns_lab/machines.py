"""The machines of a running lab as things that break: power, cables, partitions, processes.

Every fault is stamped on CLOCK_MONOTONIC before its first system call; the stamp is returned in
nanoseconds as `at_ns`.
"""

import os
import shutil
import signal
import time
from typing import Protocol

from netns_lab import netns
from netns_lab.commands import SPEAKER, process_name
from netns_lab.kube_proxies import NodeProxies
from netns_lab.links import SwitchPorts
from netns_lab.nft import Nft
from netns_lab.orders import Json, LabError
from netns_lab.plan import LAN, LabPlan
from netns_lab.processes import Process, run_quietly
from netns_lab.state import StateFolder
from netns_lab.topology import switch_ports

CUT_TABLE = "bridge herald_cut"


class Runner(Protocol):
    """Runs Pods of nodes that have power."""

    def kill_node(self, node: str) -> None:
        """Take the node's Pods away at once."""

    def start_node(self, node: str) -> None:
        """Run the node's Pods again."""


class Machines:
    """Breaks and mends the machines of one lab."""

    def __init__(
        self,
        plan: LabPlan,
        state: StateFolder,
        processes: dict[str, Process],
        *,
        runners: tuple[Runner, ...],
        proxies: NodeProxies,
    ) -> None:
        self._plan = plan
        self._state = state
        self._processes = processes
        self._runners = runners
        self._proxies = proxies
        self._ports = SwitchPorts(plan.switch.namespace, switch_ports(plan))
        self._cut = Nft(plan.switch.namespace)
        self.dead: set[str] = set()

    def close(self) -> None:
        """Free what is held."""
        self._ports.close()
        self._cut.close()

    def kill_node(self, node: str) -> Json:
        """Cut all cables of the node in one step, then kill all its processes."""
        namespace = self._plan.node(node).host.namespace
        at_ns = time.monotonic_ns()
        self._ports.set(switch_ports(self._plan, node), up=False)
        cut_ns = time.monotonic_ns()
        for process in self._of(node):
            process.hold()
            process.signal(signal.SIGKILL)
        for runner in self._runners:
            runner.kill_node(node)
        for each in (namespace, self._plan.node(node).pods.namespace):
            _kill_all(each)
        killed_ns = time.monotonic_ns()
        self._proxies.power_off(node)
        self.dead.add(node)
        return {"at_ns": at_ns, "cut_ns": cut_ns, "killed_ns": killed_ns}

    async def start_node(self, node: str) -> Json:
        """Start a dead node again, as after a reboot: nothing of its memory is left."""
        if node not in self.dead:
            raise LabError(f"{node} is not dead")
        namespace = self._plan.node(node).host.namespace
        await run_quietly(["ip", "netns", "exec", namespace, "conntrack", "-F"])
        for folder in ("run", "bgp"):
            path = self._state.node(node) / folder
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        at_ns = time.monotonic_ns()
        self._ports.set(switch_ports(self._plan, node), up=True)
        self.dead.discard(node)
        await self._proxies.start(node)
        for runner in self._runners:
            runner.start_node(node)
        for process in self._of(node):
            process.release()
        return {"at_ns": at_ns}

    def set_cable(self, node: str, nic: str, *, plugged: bool) -> Json:
        """Pull or plug one cable at the switch."""
        host = self._plan.host(node)
        port = next((n.peer for n in host.nics if n.name == nic), None)
        if port not in switch_ports(self._plan, node):
            raise LabError(f"{node} has no cable {nic!r} to the switch: use lan0 or mgmt0")
        at_ns = time.monotonic_ns()
        self._ports.set([port], up=plugged)
        return {"at_ns": at_ns}

    def partition(
        self, side: list[str], other: list[str], *, bridges: list[str] | None, one_way: bool
    ) -> Json:
        """Let no frame pass from `side` to `other`, nor back unless one way."""
        pairs = [(side, other)] if one_way else [(side, other), (other, side)]
        rules = []
        for bridge in bridges or [LAN]:
            for source, target in pairs:
                rules.append(
                    f"iifname {_ports_of(bridge, source)} oifname {_ports_of(bridge, target)} drop"
                )
        head = "type filter hook forward priority 0;"
        script = (
            f"table {CUT_TABLE}\ndelete table {CUT_TABLE}\n"
            f"table {CUT_TABLE} {{\n chain cut {{\n{head}\n" + "\n".join(rules) + "\n }\n}\n"
        )
        for host in (*side, *other):
            self._plan.host(host)  # says so when there is none
        at_ns = time.monotonic_ns()
        self._cut.run(script)
        return {"at_ns": at_ns}

    def heal(self) -> Json:
        """End the partition."""
        at_ns = time.monotonic_ns()
        self._cut.run(f"table {CUT_TABLE}\ndelete table {CUT_TABLE}\n")
        return {"at_ns": at_ns}

    def signal(self, process: str, number: int, *, hold: bool) -> Json:
        """Send a signal to a process; held, it is not started again until released."""
        found = self.process(process)
        at_ns = time.monotonic_ns()
        if hold:
            found.hold()
        if not found.signal(number):
            raise LabError(f"{process} does not run: {found.state.value}")
        return {"at_ns": at_ns}

    def stop_speaker(self, node: str) -> Json:
        """Send SIGTERM to all of a node's speaker at once, as a kubelet does; it stays down."""
        speaker = [self.process(process_name(each, node)) for each in SPEAKER]
        at_ns = time.monotonic_ns()
        for process in speaker:
            process.hold()
            process.signal(signal.SIGTERM)
        return {"at_ns": at_ns}

    def release(self, name: str) -> Json:
        """Let a held process, or all of a node, run again."""
        found = self._of(name) or [self.process(name)]
        at_ns = time.monotonic_ns()
        for process in found:
            process.release()
        return {"at_ns": at_ns}

    def process(self, name: str) -> Process:
        """Return the process called `name`; raise LabError when there is none."""
        found = self._processes.get(name)
        if found is None:
            raise LabError(f"no process {name!r}: there are {', '.join(sorted(self._processes))}")
        return found

    def _of(self, node: str) -> list[Process]:
        return [p for p in self._processes.values() if p.plan.host == node]


def _ports_of(bridge: str, hosts: list[str]) -> str:
    return "{ " + ", ".join(f'"{bridge}-{host}"' for host in hosts) + " }"


def _kill_all(namespace: str) -> None:
    """Kill what else lives in the namespace: children of daemons, commands of `lab exec`."""
    for process_id in netns.process_ids([namespace]) - {os.getpid()}:
        try:
            os.kill(process_id, signal.SIGKILL)
        except ProcessLookupError:
            continue
