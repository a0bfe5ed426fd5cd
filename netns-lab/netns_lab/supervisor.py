"""The process that is a lab: builds it, keeps its parts running, breaks them when told to.

It lives in the namespace of the API server, listens on a unix socket in the state folder, and plays
kubelet and kube-proxy for all nodes. When it ends in order, all it started has ended; when it
crashes, `herald lab down` finds the rest by the names of the namespaces.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial

from kube.client import Client
from netns_lab import netns, topology
from netns_lab.commands import (
    control_plane_processes,
    controller_process,
    node_processes,
    router_processes,
    speaker_processes,
)
from netns_lab.frr import Router
from netns_lab.herald import (
    PATIENT_LIMIT_S,
    READY_LIMIT_S,
    HeraldByManifests,
    HeraldBySupervisor,
    wait_ready,
)
from netns_lab.install import ACCOUNTS, Installer
from netns_lab.kube_proxies import KubeProxies, NodeProxies
from netns_lab.machines import Machines
from netns_lab.orders import serve_orders
from netns_lab.ordertable import OrderTable
from netns_lab.plan import LabPlan, plan_lab
from netns_lab.planes import KUBE, PlaneChoice, make_plane
from netns_lab.pods import PodRunner
from netns_lab.processes import Process, ProcessPlan
from netns_lab.progress import Progress
from netns_lab.removal import remove_rest
from netns_lab.service_proxy import ServiceProxies
from netns_lab.state import Journal, StateFolder, own_start

LOG = logging.getLogger("netns_lab.supervisor")


class Supervisor:
    """One lab."""

    def __init__(
        self,
        plan: LabPlan,
        state: StateFolder,
        *,
        control_plane: PlaneChoice,
        log_level: str,
        ready_limit_s: float,
    ) -> None:
        self.plan = plan
        self.state = state
        self.processes: dict[str, Process] = {}
        self.progress = Progress()
        self._real = control_plane.name == KUBE
        self._plane = make_plane(control_plane, state)
        self._log_level = log_level
        self._ready_limit_s = ready_limit_s
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End the lab."""
        self._stopped.set()

    async def run(self) -> None:
        """Run the lab until `stop`."""
        self._prepare_folders()
        async with (
            Client.connect(str(self.state.admin_kubeconfig)) as client,
            asyncio.TaskGroup() as tasks,
        ):
            for plan in self._infrastructure():
                self._start(tasks, plan)
            self.progress.say(f"{len(self.plan.hosts)} namespaces, FRR and API server started")
            try:
                await self._live(tasks, client)
            finally:
                # The whole lab goes at once: nobody is left to hand anything over to.
                for process in self.processes.values():
                    process.kill()
            raise _Ended  # cancels the tasks that never end by themselves

    async def _live(self, tasks: asyncio.TaskGroup, client: Client) -> None:
        pods = PodRunner(self.plan, client, tasks)
        installer = Installer(self.plan, self.state, client)
        herald: HeraldByManifests | HeraldBySupervisor
        proxies: NodeProxies
        if self._real:
            proxies = KubeProxies(self.plan, self.processes)
            herald = HeraldByManifests(
                self.plan, self.state, client, processes=self.processes, tasks=tasks
            )
        else:
            proxies = ServiceProxies(self.plan, client)
            herald = HeraldBySupervisor(
                self.plan,
                client,
                processes=self.processes,
                start=partial(self._start, tasks),
                plans=self._daemons(),
            )
        machines = Machines(
            self.plan, self.state, self.processes, runners=(pods, *herald.runners), proxies=proxies
        )
        table = OrderTable(
            self, machines=machines, pods=pods, proxies=proxies, ready=lambda: herald.ready
        )
        server = await serve_orders(self.state.control_socket, table.carry_out)
        tasks.create_task(self._bring_up(tasks, installer, pods, proxies, herald))
        try:
            await self._stopped.wait()
        finally:
            server.close()
            machines.close()
            proxies.close()

    async def _bring_up(
        self,
        tasks: asyncio.TaskGroup,
        installer: Installer,
        pods: PodRunner,
        proxies: NodeProxies,
        herald: "HeraldByManifests | HeraldBySupervisor",
    ) -> None:
        await installer.wait_for_api()
        await installer.seed()
        self.progress.say(f"API server ready with {len(self.plan.nodes)} nodes")
        for node in self.plan.nodes:
            for process in node_processes(node, self.state, self._plane):
                self._start(tasks, process)
        await herald.install(installer, tasks)
        self.progress.say(herald.words)
        tasks.create_task(pods.run())
        tasks.create_task(proxies.run())
        tasks.create_task(herald.run())
        await pods.listed.wait()
        await wait_ready(herald, self.progress, self._ready_limit_s)
        self.progress.finish()

    def _infrastructure(self) -> list[ProcessPlan]:
        plans = control_plane_processes(self.plan, self.state, self._plane)
        return [*plans, *router_processes(self.plan, self.state)]

    def _daemons(self) -> list[ProcessPlan]:
        found = [controller_process(self.plan, self.state, self._log_level)]
        for node in self.plan.nodes:
            found += speaker_processes(node, self.state, self._log_level)
        return found

    def _start(self, tasks: asyncio.TaskGroup, plan: ProcessPlan) -> None:
        process = self.processes[plan.name] = Process(plan)
        tasks.create_task(process.run())

    def _prepare_folders(self) -> None:
        self.state.logs.mkdir(exist_ok=True)
        Router(self.state.frr).write()
        self._plane.prepare()
        for account in ACCOUNTS:
            path = self.state.kubeconfig(account)
            path.parent.mkdir(exist_ok=True)
            self._plane.write_kubeconfig(path, account, self.state.token(account))
        for node in self.plan.nodes:
            for folder in ("run", "bgp", "state"):
                (self.state.node(node.name) / folder).mkdir(parents=True)


class _Ended(Exception):  # noqa: N818 -- an end in order, told to the task group
    """The lab was told to end."""


def main() -> None:
    """Build the lab and run it until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m netns_lab.supervisor")
    parser.add_argument("--lab", required=True)
    parser.add_argument("--nodes", type=int, required=True)
    parser.add_argument("--control-plane", default="embedded")
    parser.add_argument("--proxy-mode", default="")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--tied-to", type=int, metavar="PID", help="end when this process does")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
    )
    plan, state = plan_lab(arguments.lab, arguments.nodes), StateFolder.of(arguments.lab)
    state.write_journal(
        Journal(plan.name, len(plan.nodes), arguments.control_plane, os.getpid(), own_start())
    )
    topology.build(plan)
    netns.enter(plan.host("control").namespace)
    choice = PlaneChoice(arguments.control_plane, arguments.proxy_mode)
    supervisor = Supervisor(
        plan,
        state,
        control_plane=choice,
        log_level=arguments.log_level,
        ready_limit_s=READY_LIMIT_S if arguments.tied_to is None else PATIENT_LIMIT_S,
    )
    if asyncio.run(_run(supervisor, tied_to=arguments.tied_to)):
        remove_rest(plan.name)


async def _run(supervisor: Supervisor, *, tied_to: int | None) -> bool:
    """Run the lab to its end; return whether it was orphaned, and must clean up after itself."""
    loop = asyncio.get_running_loop()
    orphaned = asyncio.Event()
    if tied_to is not None:
        _watch(tied_to, orphaned.set, supervisor.stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    try:
        await supervisor.run()
    except* _Ended:
        LOG.info("ended in order")
    return orphaned.is_set()


def _watch(process_id: int, *calls: Callable[[], None]) -> None:
    """Make the calls once the process has ended."""
    loop = asyncio.get_running_loop()

    def ended(descriptor: int) -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        for call in calls:
            call()

    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        for call in calls:
            call()
    else:
        loop.add_reader(descriptor, ended, descriptor)


if __name__ == "__main__":
    main()
