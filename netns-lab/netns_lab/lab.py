"""A lab from the outside: bring it up, give it orders, run things in it, take it down.

This is what the command, the tests, the demo and the drills use. Calls block; they may be made from
any thread.
"""

import http.client
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from netns_lab import frr, netns
from netns_lab.access import Access
from netns_lab.control_plane.releases import RELEASE_PATH
from netns_lab.manifests import Manifest, is_same, read_file
from netns_lab.orders import Json, LabError, give_order
from netns_lab.plan import LabPlan, plan_lab
from netns_lab.planes import USUAL, PlaneChoice, check_plane, kubectl
from netns_lab.program import program
from netns_lab.removal import END_LIMIT_S, take_down
from netns_lab.starting import start_supervisor, wait_up
from netns_lab.state import StateFolder, labs

Result = TypeVar("Result")

ORDER_LIMIT_S = 60.0


class ApiRefusedError(LabError):
    """The API server answered with a failure."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Lab:
    """A running lab."""

    def __init__(self, plan: LabPlan) -> None:
        self.plan = plan
        self.state = StateFolder.of(plan.name)
        self._access: Access | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None
        "Where this process brought the lab up: to be reaped when it ends."

    @classmethod
    def up(
        cls,
        name: str = "default",
        nodes: int = 3,
        *,
        plane: PlaneChoice = USUAL,
        log_level: str = "info",
        tied: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> "Lab":
        """Build a lab, wait until it is up and return it; `say` hears of the progress.

        A tied lab takes itself away when this process ends without having done so.
        """
        _check_machine(plane)
        plan = plan_lab(name, nodes)
        state = StateFolder.of(name)
        journal = state.read_journal()
        if journal is not None and journal.supervisor_lives:
            raise LabError(
                f"lab {name!r} is up already: `{program()} lab down --name {name}` first"
            )
        take_down(name)  # what a crash has left
        lab = cls(plan)
        try:
            options = ["--log-level", log_level, "--control-plane", plane.name]
            options += ["--proxy-mode", plane.proxy_mode] if plane.proxy_mode else []
            lab._supervisor = start_supervisor(plan, options, tied=tied)
            wait_up(state, lab._supervisor, say)
        except BaseException:  # an interrupted start leaves nothing either
            lab.down()
            raise
        return lab

    @classmethod
    def of(cls, name: str = "default") -> "Lab":
        """Return the running lab of this name; raise LabError when there is none."""
        journal = StateFolder.of(name).read_journal()
        if journal is None:
            there = ", ".join(labs())
            hint = f"there are: {there}" if there else f"`{program()} lab up` makes one"
            raise LabError(f"no lab {name!r}: {hint}")
        if not journal.supervisor_lives:
            raise LabError(
                f"lab {name!r} has crashed: `{program()} lab down --name {name}` cleans up"
            )
        return cls(plan_lab(journal.name, journal.nodes))

    def down(self) -> None:
        """Take the lab down; nothing of it is left."""
        child = self._supervisor
        if child is not None and self.state.read_journal() is None:
            child.kill()  # it has not come so far that its journal names it
        take_down(self.plan.name)
        if child is not None:
            child.wait(END_LIMIT_S)

    # -- looking -------------------------------------------------------------------------------

    def status(self) -> Json:
        """Return nodes, processes and Pods as the supervisor knows them."""
        answer: Json = self.order("status")
        return answer

    def log(self, process: str) -> str:
        """Return the log of a process so far."""
        path = self.state.log(process)
        if not path.exists():
            names = sorted(f.stem for f in self.state.logs.glob("*.log"))
            raise LabError(f"no log of {process!r}: there are {', '.join(names)}")
        return path.read_text(errors="replace")

    def vtysh(self, *commands: str) -> str:
        """Return what the router's vtysh says to the commands."""
        words = [word for command in commands for word in ("-c", command)]
        return self.exec("router", ["vtysh", *words]).stdout

    # -- running things inside -------------------------------------------------------------------

    def command(self, host: str, argv: Sequence[str]) -> list[str]:
        """Return the command line that runs `argv` on a host.

        `vtysh` on the router is the lab's FRR, `kubectl` on control the lab's API server.
        """
        words = list(argv)
        if (host, words[0]) == ("router", "vtysh"):
            words[:1] = frr.Router(self.state.frr).shell
        elif (host, words[0]) == ("control", "kubectl"):
            words[:1] = [str(kubectl()), *self.state.kubectl_options]
        return ["ip", "netns", "exec", self.plan.host(host).namespace, *words]

    def exec(
        self, host: str, argv: Sequence[str], *, timeout_s: float = ORDER_LIMIT_S
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command on a host and return how it went."""
        return subprocess.run(
            self.command(host, argv), capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def run_in(self, host: str, work: Callable[[], Result]) -> Result:
        """Return what `work` returns when a thread inside the host's namespace runs it."""
        return netns.run_in(self.plan.host(host).namespace, work)

    def fetch(self, host: str, url: str, *, timeout_s: float = 2.0) -> str | None:
        """Return the body that `url` gives to a client on `host`, or None when it can't be had."""
        done = self.exec(host, ["curl", "-sfg", "--max-time", f"{timeout_s:g}", url])
        return done.stdout if done.returncode == 0 else None

    # -- the API ---------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: Any = None, kind: str = "") -> Json:
        """Return the API server's answer; raise ApiRefusedError when it says no."""
        access = self._access = self._access or Access.of(self.state.admin_kubeconfig)
        try:
            status, text = self.run_in(
                "control", lambda: access.request(method, path, body, kind or "application/json")
            )
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"{method} {path}: the API server does not answer: {error}") from error
        answer = _parsed(text)
        if status >= 400:
            raise ApiRefusedError(
                status, (answer or {}).get("message") or f"{method} {path}: HTTP {status}"
            )
        if answer is None:
            raise LabError(f"{method} {path}: the API server's answer is no object")
        return answer

    def get(self, path: str) -> Json | None:
        """Return an object or list, or None when there is none."""
        try:
            return self.request("GET", path)
        except ApiRefusedError as error:
            if error.status == 404:
                return None
            raise

    def patch(self, path: str, body: Json) -> Json:
        """Merge-patch an object and return it."""
        return self.request("PATCH", path, body, "application/merge-patch+json")

    def apply(self, manifests: Sequence[Manifest]) -> Iterator[str]:
        """Apply objects in order; yield a sentence for each."""
        for manifest in manifests:
            live = self.get(manifest.path)
            if live is None:
                self.request("POST", manifest.collection, manifest.to_create())
                yield f"{manifest.words} created"
                continue
            done = self.patch(manifest.path, manifest.to_patch(live))
            yield f"{manifest.words} {'unchanged' if is_same(live, done) else 'configured'}"

    def apply_file(self, path: str) -> list[str]:
        """Apply a file or folder; return the sentences."""
        return list(self.apply(read_file(path)))

    def delete(self, manifests: Sequence[Manifest]) -> Iterator[str]:
        """Delete objects in reverse order; yield a sentence for each that was there."""
        for manifest in reversed(manifests):
            try:
                self.request("DELETE", manifest.path)
            except ApiRefusedError as error:
                if error.status != 404:
                    raise
            else:
                yield f"{manifest.words} deleted"

    # -- faults ----------------------------------------------------------------------------------

    def order(self, name: str, /, *, limit_s: float = ORDER_LIMIT_S, **arguments: Any) -> Any:
        """Give the supervisor an order and return its result."""
        for answer in give_order(self.state.control_socket, {"do": name} | arguments, limit_s):
            if "ok" in answer:
                return answer["ok"]
        raise AssertionError("an answer ends with ok, or raises")

    def kill_node(self, node: str) -> Json:
        """Cut all cables of a node in one step, then kill its processes; return the stamps."""
        return dict(self.order("kill_node", node=node))

    def start_node(self, node: str) -> Json:
        """Start a dead node again."""
        return dict(self.order("start_node", node=node))

    def pull_cable(self, node: str, nic: str = "lan0") -> Json:
        """Pull one cable at the switch."""
        return dict(self.order("set_cable", node=node, nic=nic, plugged=False))

    def plug_cable(self, node: str, nic: str = "lan0") -> Json:
        """Plug it in again."""
        return dict(self.order("set_cable", node=node, nic=nic, plugged=True))

    def partition(
        self,
        side: list[str],
        other: list[str],
        *,
        bridges: list[str] | None = None,
        one_way: bool = False,
    ) -> Json:
        """Let no frame pass between two sets of hosts, on the LAN unless said otherwise."""
        return dict(
            self.order("partition", side=side, other=other, bridges=bridges, one_way=one_way)
        )

    def heal(self) -> Json:
        """End the partition."""
        return dict(self.order("heal"))

    def signal(self, process: str, number: int, *, hold: bool = False) -> Json:
        """Signal a process such as `wire@node1`; held, it stays down until `release`."""
        return dict(self.order("signal", process=process, number=int(number), hold=hold))

    def stop_speaker(self, node: str) -> Json:
        """SIGTERM all of a node's speaker at once; it stays down until `release(node)`."""
        return dict(self.order("stop_speaker", node=node))

    def release(self, name: str) -> Json:
        """Let a held process, or all of a node's, run again."""
        return dict(self.order("release", name=name))

    def set_options(self, process: str, options: list[str]) -> None:
        """Give a process more arguments from its next start on."""
        self.order("set_options", process=process, options=options)

    def pod_ready(self, pod: str, *, ready: bool) -> None:
        """Report a Pod (`namespace/name`) ready or not; it goes on serving."""
        self.order("pod_ready", pod=pod, ready=ready)

    def end_pod(self, pod: str) -> None:
        """End what a Pod (`namespace/name`) runs; nothing is reported, nor started again."""
        self.order("end_pod", pod=pod)

    def stop_proxy(self, node: str) -> None:
        """End the node's service proxy; its rules stay."""
        self.order("stop_proxy", node=node)

    def start_proxy(self, node: str) -> None:
        """Start it again."""
        self.order("start_proxy", node=node)

    def delay_proxy(self, node: str, delay_s: float) -> None:
        """Let the node's proxy program changes this much later than it sees them."""
        self.order("delay_proxy", node=node, delay_s=delay_s)

    def api_fault(self, **fault: Any) -> Json:
        """Give the fault proxy in front of the API server an order."""
        return dict(self.order("api_fault", **fault))

    def play_release(self, minor: int) -> None:
        """Make the embedded API server one of Kubernetes 1.MINOR, as by a restart: watches end."""
        self.request("PUT", RELEASE_PATH, {"minor": minor})


def _parsed(text: bytes) -> Json | None:
    """Return an answer's object; None for plain text, as for a path that is not served."""
    try:
        answer = json.loads(text)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def check_root() -> None:
    """Raise `LabError` where network namespaces can't be entered."""
    if os.geteuid() != 0:
        raise LabError(
            "the lab is made of network namespaces: run this as root, for example with sudo"
        )


def _check_machine(plane: PlaneChoice) -> None:
    check_root()
    if lacking := frr.missing():
        raise LabError(f"FRR's {', '.join(lacking)} missing: `sudo make system` installs them")
    check_plane(plane)
