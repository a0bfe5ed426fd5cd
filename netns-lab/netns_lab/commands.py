"""Which processes a lab has, where they run, and with what arguments. Pure.

Processes are named `control-plane`, `fault-proxy`, `controller`, `zebra`, `bgpd`, `bfdd`, and
`wire@node1` and so on for those of a node.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from netns_lab.control_plane.planes import ControlPlane
from netns_lab.frr import DAEMONS, Router
from netns_lab.plan import LabPlan, Node
from netns_lab.processes import ProcessPlan
from netns_lab.seed import CONTROLLER_POD, HERALD_NAMESPACE
from netns_lab.state import StateFolder

CONTROL_ADDRESS = "172.30.4.2"
CONTROLLER, SPEAKER_ACCOUNT = "herald-controller", "herald-speaker"
"""Service accounts, and the first the name of the program too."""

SPEAKER = ("wire", "bgp", "brain")
READY_PORTS = {"wire": 17474, "brain": 17473, "bgp": 17475, "controller": 17473}


def process_name(process: str, node: str) -> str:
    """Return the name of a process of a node."""
    return f"{process}@{node}"


def router_processes(plan: LabPlan, state: StateFolder) -> list[ProcessPlan]:
    """Return FRR's daemons in the order they must start."""
    host, router = plan.host("router"), Router(state.frr)
    return [
        ProcessPlan(
            daemon,
            host.name,
            host.namespace,
            tuple(router.command(daemon)),
            state.log(daemon),
            needs=None if daemon == "zebra" else router.zebra_socket,
        )
        for daemon in DAEMONS
    ]


def control_plane_processes(
    plan: LabPlan, state: StateFolder, plane: ControlPlane
) -> list[ProcessPlan]:
    """Return what runs beside the API server, the fault proxy included."""
    programs = plane.programs(state.fault_socket)
    return [_on_control(plan, state, each.name, each.argv, env=each.env) for each in programs]


def node_processes(node: Node, state: StateFolder, plane: ControlPlane) -> list[ProcessPlan]:
    """Return what the control plane runs on a node: a kube-proxy, where it is the real one."""
    return [
        ProcessPlan(
            name=process_name(program.name, node.name),
            host=node.name,
            namespace=node.host.namespace,
            argv=program.argv,
            log=state.log(process_name(program.name, node.name)),
            env=program.env,
        )
        for program in plane.node_programs(node.name, node.lan_v4)
    ]


def controller_process(plan: LabPlan, state: StateFolder, log_level: str) -> ProcessPlan:
    """Return Herald's controller."""
    argv = (
        *(_script(CONTROLLER), "--kubeconfig", str(state.kubeconfig(CONTROLLER))),
        *("--namespace", HERALD_NAMESPACE, "--pod-name", CONTROLLER_POD),
        # The embedded API server asks no webhooks.
        *("--log-level", log_level, "--webhook-port", "0"),
    )
    return _on_control(plan, state, "controller", argv)


def speaker_processes(node: Node, state: StateFolder, log_level: str) -> list[ProcessPlan]:
    """Return the processes of a node's speaker."""
    folder = state.node(node.name)
    common = ("--node-name", node.name, "--socket-dir", str(folder / "run"))
    own = {
        "wire": (),
        "bgp": ("--run-dir", str(folder / "bgp")),
        "brain": (
            *("--kubeconfig", str(state.kubeconfig(SPEAKER_ACCOUNT))),
            *("--namespace", HERALD_NAMESPACE),
            *("--state-dir", str(folder / "state")),
        ),
    }
    return [
        ProcessPlan(
            name=process_name(process, node.name),
            host=node.name,
            namespace=node.host.namespace,
            argv=(
                *(_script("herald-speaker"), process, *common, *own[process]),
                *("--log-level", log_level),
            ),
            log=state.log(process_name(process, node.name)),
        )
        for process in SPEAKER
    ]


def _on_control(
    plan: LabPlan,
    state: StateFolder,
    name: str,
    argv: tuple[str, ...],
    *,
    env: Mapping[str, str] = MappingProxyType({}),
) -> ProcessPlan:
    host = plan.host("control")
    return ProcessPlan(name, host.name, host.namespace, argv, state.log(name), env)


def _script(name: str) -> str:
    # Beside the interpreter, whether or not the virtual environment is activated.
    return str(Path(sys.executable).with_name(name))
