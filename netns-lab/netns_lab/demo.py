"""`herald lab demo`: the main job of Herald, step by step, in a lab of its own.

Every step is checked, not staged: a step whose condition does not come true within its limit ends
the demo with the last answer and the log to read. The lab is taken down whatever happens; what an
earlier, killed demo has left is removed at the start.
"""

import json
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from netns_lab.callers import Caller, bodies, experience
from netns_lab.drill.settle import until
from netns_lab.lab import Lab
from netns_lab.manifests import read_file
from netns_lab.orders import LabError
from netns_lab.plan import PlanError

NAME = "demo"
SAMPLES = Path(__file__).parents[2] / "manifests" / "samples"
WALKTHROUGH, BGP = SAMPLES / "first-pool.yaml", SAMPLES / "bgp-router.yaml"
ADDRESS, PORT = "192.168.4.10", 8090
SERVICE = "/api/v1/namespaces/default/services/nginx-deployment-service"
BOTH = {"web1", "web2"}

STEP_LIMIT_S = 15.0
QUIET_S, AFTER_S = 0.5, 2.5
"Traffic before and after the node dies."
ARPING_MAC = re.compile(r"\[([0-9A-Fa-f:]{17})\]")


@dataclass(slots=True)
class Step:
    """One line of the demo."""

    title: str
    seen: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Demo:
    """A demo under way."""

    console: Console
    nodes: int
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step while it runs, and what was seen when it is done."""
        step, began = Step(title), time.monotonic()
        with self.console.status(f"{title} …"):
            yield step
        step.seconds = time.monotonic() - began
        self.steps.append(step)
        mark = "[green]✓[/]"
        self.console.print(
            f"{mark} {title} [dim]{step.seconds:.1f} s[/]\n    {step.seen}", soft_wrap=True
        )

    def play(self) -> None:
        """Play all steps, then take the lab down; raise LabError at the first that fails."""
        title = f"A lab: {self.nodes} nodes, a LAN client, a router, a client behind the router"
        with self.step(title) as step:
            lab = Lab.up(NAME, self.nodes, tied=True)
            step.seen = "network namespaces; this machine's own network is not touched"
        try:
            self._apply(lab)
            self._fetch_on_the_lan(lab)
            self._announce_by_bgp(lab)
            self._lose_a_node(lab)
            self._remove(lab)
        finally:
            with self.step("The lab is taken down") as step:
                lab.down()
                step.seen = "no namespace, process or file is left"

    def _apply(self, lab: Lab) -> None:
        with self.step(
            "The walkthrough, unchanged: a pool, an advertisement, two web servers"
        ) as step:
            lab.apply_file(str(WALKTHROUGH))
            given = until("the Service has an address", lambda: _address(lab), STEP_LIMIT_S)
            _must(given == ADDRESS, f"the Service got {given}, not {ADDRESS}")
            step.seen = f"the controller gave nginx-deployment-service {given}"

    def _fetch_on_the_lan(self, lab: Lab) -> None:
        with self.step(f"The LAN client fetches http://{ADDRESS}:{PORT} until it saw both") as step:
            with _caller(lab, "client") as caller:
                until("both answer", lambda: bodies(caller.fetched) == BOTH, STEP_LIMIT_S)
            step.seen = f"{_tally(caller)}; {_owner(lab)} answers ARP for the address"

    def _announce_by_bgp(self, lab: Lab) -> None:
        with self.step("The same Service by BGP: a peer, an advertisement, BFD") as step:
            lab.apply_file(str(BGP))
            until(
                "the router has the /32 from every node", lambda: self._all_hops(lab), STEP_LIMIT_S
            )
            until("BFD is up", lambda: _bfd_sessions_up(lab) == self.nodes, STEP_LIMIT_S)
            step.seen = f"FRR: {ADDRESS}/32 by {', '.join(_next_hops(lab))}; BFD watches them"
        with self.step("The client behind the router fetches it") as step:
            with _caller(lab, "remote") as caller:
                until("both answer", lambda: bodies(caller.fetched) == BOTH, STEP_LIMIT_S)
            step.seen = _tally(caller)

    def _all_hops(self, lab: Lab) -> bool:
        return len(_next_hops(lab)) == self.nodes

    def _lose_a_node(self, lab: Lab) -> None:
        owner = _owner(lab)
        with self.step(f"{owner}, which owns the address, loses its power") as step:
            # What a dead node's Pods cost until Kubernetes notices (40 s) is not Herald's doing.
            moved = _take_pods_off(lab, owner)
            with _caller(lab, "client") as near, _caller(lab, "remote") as far:
                time.sleep(QUIET_S)
                lab.kill_node(owner)
                time.sleep(AFTER_S)
                until("the LAN is served again", lambda: _served(near), STEP_LIMIT_S)
                until("the far side is served again", lambda: _served(far), STEP_LIMIT_S)
            new = _owner(lab)
            _must(new != owner, f"{owner} is dead and still answers")
            step.seen = "\n    ".join(
                [
                    f"{new} took over; the router is left with {', '.join(_next_hops(lab))}",
                    _loss("LAN client (ARP)", near),
                    _loss("client behind the router (BGP)", far),
                    *([f"its web server was taken out before: {moved}"] if moved else []),
                ]
            )

    def _remove(self, lab: Lab) -> None:
        with self.step("Everything applied is deleted again") as step:
            for path in (BGP, WALKTHROUGH):
                list(lab.delete(read_file(str(path))))
            until("the /32 is gone", lambda: not _next_hops(lab), STEP_LIMIT_S)
            until("nobody answers ARP", lambda: not _answers_arp(lab), STEP_LIMIT_S)
            step.seen = "no route, no ARP answer"


def run_demo(nodes: int) -> int:
    """Play the demo; return the exit status of the command."""
    console = Console(highlight=False)
    demo, began = Demo(console, nodes), time.monotonic()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        demo.play()
    except (LabError, PlanError) as error:
        console.print(f"[red]✗[/] {error}")
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; the lab is gone")
        return 1
    _sum_up(console, demo.steps, time.monotonic() - began)
    return 0


def _sum_up(console: Console, steps: list[Step], seconds: float) -> None:
    table = Table("step", "what was seen", "s", title=f"Herald in {seconds:.0f} s")
    for step in steps:
        table.add_row(step.title, step.seen.replace("\n    ", "\n"), f"{step.seconds:.1f}")
    console.print(table)
    herald = _own_command()
    for line in (
        f"next: {herald} drill run l2-node-crash --runs 3   (what exactly is lost, and why)",
        f"  or: {herald} lab up, then {herald} lab apply -f manifests/samples/first-pool.yaml",
    ):
        console.print(line, soft_wrap=True)


def _own_command() -> str:
    """Return how this very command is called from here: `make` needs no active environment."""
    if shutil.which("herald"):
        return "herald"
    here = Path(sys.argv[0])
    return str(here.relative_to(Path.cwd()) if here.is_relative_to(Path.cwd()) else here)


def _interrupt(number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _must(condition: bool, complaint: str) -> None:
    if not condition:
        raise LabError(complaint)


def _caller(lab: Lab, host: str) -> Caller:
    return Caller(lab.plan.host(host).namespace, ADDRESS, PORT)


def _served(caller: Caller) -> bool:
    """Return whether the last tries all went well."""
    last = caller.fetched[-10:]
    return len(last) == 10 and all(fetch.body is not None for fetch in last)


def _tally(caller: Caller) -> str:
    answers = [fetch.body for fetch in caller.fetched if fetch.body is not None]
    counts = ", ".join(f"{name} × {answers.count(name)}" for name in sorted(set(answers)))
    return f"{len(answers)} answers: {counts}"


def _loss(who: str, caller: Caller) -> str:
    met = experience(caller.fetched)
    if not met.failed:
        return f"{who}: {met.tries} connections, none failed"
    return f"{who}: {met.failed} of {met.tries} connections failed, in {met.longest_gap_ms:.0f} ms"


def _address(lab: Lab) -> str | None:
    service = lab.get(SERVICE) or {}
    entries = (service.get("status", {}).get("loadBalancer") or {}).get("ingress") or [{}]
    address: str | None = entries[0].get("ip")
    return address


def _owner(lab: Lab) -> str:
    """Return the node whose MAC the LAN has for the address."""
    mac = until("somebody answers ARP", lambda: _mac(lab), STEP_LIMIT_S)
    for node in lab.plan.nodes:
        if any(nic.mac == mac for nic in node.host.nics):
            return node.name
    raise LabError(f"{mac} answers for {ADDRESS} and is no node's")


def _mac(lab: Lab) -> str | None:
    # A fresh question each time: `watcher` sends nothing else that could renew its entry.
    lab.exec("watcher", ["ip", "neigh", "del", ADDRESS, "dev", "lan0"])
    done = lab.exec("watcher", ["arping", "-c", "1", "-w", "1", "-I", "lan0", ADDRESS])
    found = ARPING_MAC.search(done.stdout)
    return found.group(1).lower() if found else None


def _answers_arp(lab: Lab) -> bool:
    return _mac(lab) is not None


def _next_hops(lab: Lab) -> list[str]:
    """Return the nodes by which the router's kernel reaches the address."""
    done = lab.exec("router", ["ip", "-j", "route", "show", f"{ADDRESS}/32"])
    hops: list[str] = []
    for route in json.loads(done.stdout or "[]"):
        hops += [hop["gateway"] for hop in route.get("nexthops", [route]) if "gateway" in hop]
    return sorted(hops)


def _bfd_sessions_up(lab: Lab) -> int:
    sessions = json.loads(lab.vtysh("show bfd peers json") or "[]")
    return sum(session.get("status") == "up" for session in sessions)


def _take_pods_off(lab: Lab, node: str) -> str:
    """Report the node's Pods as not ready; return their names."""
    moved = [pod for pod in lab.status()["pods"] if pod["node"] == node]
    for pod in moved:
        lab.pod_ready(pod["pod"], ready=False)
    if moved:
        path = "/apis/discovery.k8s.io/v1/endpointslices"
        gone = {pod["addresses"][0] for pod in moved}
        until("the endpoints are out", lambda: gone.isdisjoint(_ready(lab, path)), STEP_LIMIT_S)
    return ", ".join(pod["name"] for pod in moved)


def _ready(lab: Lab, path: str) -> set[str]:
    slices: list[dict[str, Any]] = (lab.get(path) or {}).get("items", [])
    return {
        endpoint["addresses"][0]
        for each in slices
        for endpoint in each.get("endpoints") or ()
        if endpoint["conditions"]["ready"]
    }
