"""How Herald's daemons come into a lab: by its own supervisor, or installed from `manifests/`.

The supervisor's way is the fast one of the embedded control plane: processes started at once, and
Pods that stand for them. The other is a cluster's: Deployment and DaemonSet make the Pods, and the
lab's kubelet runs what they name.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from kube.client import Client
from netns_lab.herald_pods import HeraldPods
from netns_lab.install import Installer
from netns_lab.kubelet import Kubelet
from netns_lab.plan import LabPlan
from netns_lab.planes import kubectl
from netns_lab.processes import Process, ProcessPlan
from netns_lab.progress import Progress
from netns_lab.state import StateFolder

POLL_S = 0.05
READY_LIMIT_S, PATIENT_LIMIT_S = 20.0, 120.0
"""After this `lab up` returns, and says which daemons are not ready. A person wants to know soon; a
test or a drill takes for granted that all are."""
CONTROLLERS = 2
"""Replicas that `manifests/` asks for."""


class Herald(Protocol):
    """The daemons, however they came."""

    @property
    def ready(self) -> dict[str, bool]:
        """Readiness by name of process."""

    @property
    def expected(self) -> int:
        """How many processes there will be."""


class HeraldBySupervisor:
    """Processes of the supervisor, and Pods that stand for them."""

    words = "controller and speakers started"
    runners: tuple[HeraldPods, ...] = ()

    def __init__(
        self,
        plan: LabPlan,
        client: Client,
        *,
        processes: dict[str, Process],
        start: Callable[[ProcessPlan], None],
        plans: list[ProcessPlan],
    ) -> None:
        self._kubelet = Kubelet(plan, client, processes)
        self._start = start
        self._plans = plans
        self.expected = len(plans)

    @property
    def ready(self) -> dict[str, bool]:
        """Readiness by name of process."""
        return self._kubelet.ready

    async def install(self, installer: Installer, _tasks: asyncio.TaskGroup) -> None:
        """Start the processes and create their Pods."""
        for plan in self._plans:
            self._start(plan)
        await installer.seed_herald()

    async def run(self) -> None:
        """Report readiness for ever."""
        await self._kubelet.run()


class HeraldByManifests:
    """What `kubectl apply -k manifests` makes, run by the lab's kubelet."""

    words = "Herald installed: kubectl apply -k manifests"

    def __init__(
        self,
        plan: LabPlan,
        state: StateFolder,
        client: Client,
        *,
        processes: dict[str, Process],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._pods = HeraldPods(plan, state, client, processes=processes, tasks=tasks)
        self.runners = (self._pods,)
        self.expected = CONTROLLERS + 3 * len(plan.nodes)

    @property
    def ready(self) -> dict[str, bool]:
        """Readiness by name of process."""
        return self._pods.ready

    async def install(self, installer: Installer, tasks: asyncio.TaskGroup) -> None:
        """Apply the manifests and keep the accounts' tokens fresh."""
        await installer.install_herald(kubectl())
        tasks.create_task(installer.keep_tokens())

    async def run(self) -> None:
        """Run the Pods for ever."""
        await self._pods.run()


async def wait_ready(herald: Herald, progress: Progress, limit_s: float) -> None:
    """Return when every daemon is ready, or the time for that is over; say how it goes."""
    loop = asyncio.get_running_loop()
    limit, said = loop.time() + limit_s, 0
    while loop.time() < limit:
        count = sum(herald.ready.values())
        if count > said:
            progress.say(f"{count} of {herald.expected} daemons ready")
            said = count
        if count >= herald.expected:
            return
        await asyncio.sleep(POLL_S)
    late = sorted(name for name, ready in herald.ready.items() if not ready)
    missing = herald.expected - len(herald.ready)
    more = f", and {missing} not started" if missing > 0 else ""
    progress.say(f"not ready after {limit_s:g} s: {', '.join(late)}{more}")
