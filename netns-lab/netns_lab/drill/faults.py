"""The faults of the drills, and how each is mended.

A fault returns the moment it began, in seconds on CLOCK_MONOTONIC, stamped before its first system
call. What undoes it is pushed on the scene's stack, so that a run that fails leaves a whole lab.
"""

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from netns_lab.commands import SPEAKER, process_name
from netns_lab.drill import objects
from netns_lab.drill.rig import Rig
from netns_lab.drill.series import KnownCut
from netns_lab.drill.settle import LateError, until
from netns_lab.lab import Lab

CUT_S = 0.5
PARTITION_S = 2.0
OUTAGE_LEAD_S = 1.0
PROXY_AWAY_S = 2.0
PROXY_LATE_S = 2.0
PROXY_LIMIT_S = 4.5
"""Herald takes a port that nobody answers on for 5 s for one that no service proxy serves."""
NOTICED_S = 0.2
"A real kubelet looks once a second whether its containers run."
EXIT_LIMIT_S = 120.0
"A speaker has its whole grace period to hand over."
BYSTANDERS = ("client", "watcher", "router")


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault acts on: the node it hits, and the others."""

    rig: Rig
    target: str
    undo: ExitStack
    cuts: list[KnownCut] = field(default_factory=list)
    "What a calibration did."

    @property
    def lab(self) -> Lab:
        """The lab."""
        return self.rig.lab

    @property
    def others(self) -> tuple[str, ...]:
        """The nodes that the fault does not hit."""
        return tuple(node for node in self.rig.nodes if node != self.target)


Fault = Callable[[Scene], float]
Prepare = Callable[[Scene], None]


def node_dies(scene: Scene) -> float:
    """Cut all cables of the node in one step, then kill its processes."""
    scene.undo.callback(scene.lab.start_node, scene.target)
    return began(scene.lab.kill_node(scene.target))


def cable_pulled(scene: Scene) -> float:
    """Pull the node's LAN cable for two seconds; its management network stays."""
    scene.undo.callback(scene.lab.plug_cable, scene.target)
    at = began(scene.lab.pull_cable(scene.target))
    time.sleep(PARTITION_S)
    scene.lab.plug_cable(scene.target)
    return at


def partitioned(scene: Scene) -> float:
    """Part the node from everything else on the LAN for two seconds; its link stays up."""
    scene.undo.callback(scene.lab.heal)
    at = began(scene.lab.partition([scene.target], [*scene.others, *BYSTANDERS]))
    time.sleep(PARTITION_S)
    scene.lab.heal()
    return at


def drained(scene: Scene) -> float:
    """End the speaker by SIGTERM; take the node down as soon as the speaker has exited."""
    scene.undo.callback(scene.lab.start_node, scene.target)
    at = began(scene.lab.stop_speaker(scene.target))
    until("the speaker's exit", lambda: _speaker_is_gone(scene), EXIT_LIMIT_S)
    scene.lab.kill_node(scene.target)
    return at


def wire_killed(scene: Scene) -> float:
    """Kill the node's wire process for good; the node goes on forwarding."""
    return _killed(scene, f"wire@{scene.target}")


def bgp_killed(scene: Scene) -> float:
    """Kill the node's bgp process and its ExaBGP for good; the node goes on forwarding."""
    return _killed(scene, f"bgp@{scene.target}")


def node_dies_without_api(scene: Scene) -> float:
    """Freeze the API server, and a second later let the node die."""
    scene.undo.callback(scene.lab.api_fault, mode="pass")
    scene.lab.api_fault(mode="outage")
    time.sleep(OUTAGE_LEAD_S)
    return node_dies(scene)


def endpoint_gone(scene: Scene) -> float:
    """Delete the backend on the node; it serves on for its grace period."""
    at = time.monotonic()
    scene.rig.remove(scene.target)
    return at


def endpoint_killed(scene: Scene) -> float:
    """Let the backend on the node end at once; its Pod is deleted when that has been noticed.

    Deleted first, it would end when the lab's kubelet gets to it: perhaps later than Herald moves.
    """
    at = time.monotonic()
    scene.lab.end_pod(scene.rig.pod(scene.target))
    time.sleep(NOTICED_S)
    scene.rig.remove(scene.target, grace_s=0)
    return at


def endpoint_unready(scene: Scene) -> float:
    """Let the backend on the node fail its readiness probe; it goes on serving."""
    pod = scene.rig.pod(scene.target)
    scene.undo.callback(scene.lab.pod_ready, pod, ready=True)
    at = time.monotonic()
    scene.lab.pod_ready(pod, ready=False)
    return at


def endpoint_back(scene: Scene) -> float:
    """Give the node a ready backend while its service proxy is away; that is back a moment later.

    What counts is the time from the backend's readiness.
    """
    scene.undo.callback(scene.lab.start_proxy, scene.target)
    # Rules of a backend that was there before would serve the new one, if it got the same address.
    scene.rig.wait_unserved(scene.target)
    scene.rig.wait_programmed()
    scene.lab.stop_proxy(scene.target)
    scene.rig.place(scene.rig.nodes)
    at = time.monotonic()
    time.sleep(PROXY_LATE_S)
    scene.lab.start_proxy(scene.target)
    scene.rig.wait_served(scene.target)
    if (away_s := time.monotonic() - at) > PROXY_LIMIT_S:
        raise LateError(f"the service proxy came back after {away_s:.1f} s")
    return at


def proxy_restarted(scene: Scene) -> float:
    """Take the node's service proxy away for two seconds; its rules stay."""
    scene.undo.callback(scene.lab.start_proxy, scene.target)
    at = time.monotonic()
    scene.lab.stop_proxy(scene.target)
    time.sleep(PROXY_AWAY_S)
    return at


def cut_for_half_a_second(scene: Scene) -> float:
    """Part the LAN client and the watcher from all else for 500 ms: probes must report that."""
    scene.undo.callback(scene.lab.heal)
    # Not the router: 500 ms would end its BFD sessions, and the cut would outlast itself.
    at = began(scene.lab.partition(["client", "watcher"], [*scene.rig.nodes, "router"]))
    cut_by = time.monotonic()
    time.sleep(max(0.0, at + CUT_S - time.monotonic()))
    healed_after = began(scene.lab.heal())
    scene.cuts.append(KnownCut(healed_after - cut_by, time.monotonic() - at))
    return at


def successors_frozen(scene: Scene) -> None:
    """Freeze the wire processes of all other nodes."""
    for node in scene.others:
        process = f"wire@{node}"
        scene.undo.callback(scene.lab.signal, process, signal.SIGCONT)
        scene.lab.signal(process, signal.SIGSTOP)


def bfd_profile_removed(scene: Scene) -> None:
    """Let the BGPPeer name no BFD profile, and wait until the sessions are up without it."""
    scene.undo.callback(_apply_peer, scene, bfd=True)
    _apply_peer(scene, bfd=False)
    scene.rig.wait_routes(len(scene.rig.nodes))


def health_gates_off(scene: Scene) -> None:
    """Let the node's brain ask no service proxy whether it serves."""
    scene.undo.callback(_brain_with, scene, [])
    _brain_with(scene, ["--health-gates", "off"])


def began(stamp: dict[str, Any]) -> float:
    """Return the moment of a stamp."""
    return float(stamp["at_ns"]) / 1e9


def _apply_peer(scene: Scene, *, bfd: bool) -> None:
    list(scene.lab.apply([objects.peer(bfd=bfd)]))
    until("BFD as the peer says", lambda: _bfd_runs(scene) is bfd, EXIT_LIMIT_S)


def _bfd_runs(scene: Scene) -> bool:
    # FRR keeps trying; what counts is whether a session is up.
    return '"status":"up"' in scene.lab.vtysh("show bfd peers json").replace(" ", "")


def _brain_with(scene: Scene, options: list[str]) -> None:
    brain = process_name("brain", scene.target)
    before = _starts(scene, brain)
    scene.lab.set_options(brain, options)
    scene.lab.signal(brain, signal.SIGTERM)
    until("the brain's new start", lambda: _starts(scene, brain) > before, EXIT_LIMIT_S)
    scene.rig.wait_ready()


def _starts(scene: Scene, process: str) -> int:
    found = (p["starts"] for p in scene.lab.status()["processes"] if p["process"] == process)
    return int(next(found))


def _killed(scene: Scene, process: str) -> float:
    scene.undo.callback(scene.lab.release, process)
    return began(scene.lab.signal(process, signal.SIGKILL, hold=True))


def _speaker_is_gone(scene: Scene) -> bool:
    # A real kube-proxy, and a controller, may run on the node too: they stay.
    names = {process_name(each, scene.target) for each in SPEAKER}
    processes = scene.lab.status()["processes"]
    return not any(p["process"] in names and p["state"] == "running" for p in processes)
