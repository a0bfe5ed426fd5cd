"""Which processes a lab has, where they run, and with what arguments. Pure.

Processes are named `control-plane`, `fault-proxy`, `controller`, `zebra`, `bgpd`, `bfdd`, and
`wire@node1` and so on for those of a node.
"""

import json
import sys
from pathlib import Path

from netns_lab.frr import DAEMONS, Router
from netns_lab.plan import API_PORT, API_SERVER_PORT, LabPlan, Node
from netns_lab.processes import ProcessPlan
from netns_lab.seed import CONTROLLER_POD, HERALD_NAMESPACE
from netns_lab.state import StateFolder

CONTROL_ADDRESS = "172.30.4.2"
SPEAKER = ("wire", "bgp", "brain")
READY_PORTS = {"wire": 17474, "brain": 17473, "bgp": 17475, "controller": 17473}


def kubeconfig(port: int) -> str:
    """Return a kubeconfig for the API server of a lab, which asks for no credentials."""
    server = f"http://{CONTROL_ADDRESS}:{port}"
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {"server": server}}],
            "users": [{"name": "lab", "user": {}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab"}}],
            "current-context": "lab",
        },
        indent=2,
    )


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


def control_plane_processes(plan: LabPlan, state: StateFolder) -> list[ProcessPlan]:
    """Return the API server and the fault proxy in front of it."""
    server = (
        *(sys.executable, "-m", "netns_lab.control_plane"),
        *("--listen", f"{CONTROL_ADDRESS}:{API_SERVER_PORT}"),
    )
    proxy = (
        *(sys.executable, "-m", "netns_lab.faults"),
        *("--listen", f"{CONTROL_ADDRESS}:{API_PORT}"),
        *("--upstream", f"{CONTROL_ADDRESS}:{API_SERVER_PORT}"),
        *("--control", str(state.fault_socket)),
    )
    return [
        _on_control(plan, state, "control-plane", server),
        _on_control(plan, state, "fault-proxy", proxy),
    ]


def controller_process(plan: LabPlan, state: StateFolder, log_level: str) -> ProcessPlan:
    """Return Herald's controller."""
    argv = (
        *(_script("herald-controller"), "--kubeconfig", str(state.kubeconfig)),
        *("--namespace", HERALD_NAMESPACE, "--pod-name", CONTROLLER_POD),
        *("--log-level", log_level),
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
            *("--kubeconfig", str(state.kubeconfig), "--namespace", HERALD_NAMESPACE),
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


def _on_control(plan: LabPlan, state: StateFolder, name: str, argv: tuple[str, ...]) -> ProcessPlan:
    host = plan.host("control")
    return ProcessPlan(name, host.name, host.namespace, argv, state.log(name))


def _script(name: str) -> str:
    # Beside the interpreter, whether or not the virtual environment is activated.
    return str(Path(sys.executable).with_name(name))
