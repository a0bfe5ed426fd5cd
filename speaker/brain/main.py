"""`herald-speaker brain`: flags and the shape of the process.

It holds the API's token and no capability. If it dies, nothing moves: wire and bgp keep what they
were told.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kube.pod import run
from speaker.brain.process import Settings, brain
from speaker.policy.view import Self
from speaker.seam.pod import add_flag, add_log_level, add_switch, need_folder, port


def main(arguments: Sequence[str]) -> None:
    """Run the brain until SIGTERM."""
    settings, level = parse_flags(arguments)
    need_folder("--socket-dir", settings.socket_dir)
    sys.exit(run(lambda stop: brain(settings, stop), log_level=level))


def parse_flags(arguments: Sequence[str]) -> tuple[Settings, str]:
    """Read the command line and the environment; exits with 2 on wrong use."""
    parsed = _parser().parse_args(arguments)
    own = Self(
        node=parsed.node_name,
        namespace=parsed.namespace,
        lb_class=parsed.lb_class,
        ignore_exclude_label=parsed.ignore_exclude_lb == "true",
        heeds_metallb=parsed.beside_metallb != "ignore",
    )
    settings = Settings(
        own=own,
        kubeconfig=parsed.kubeconfig or None,
        socket_dir=parsed.socket_dir,
        state_dir=Path(parsed.state_dir) if parsed.state_dir else None,
        health_port=parsed.health_port,
        metrics_port=parsed.metrics_port,
        health_gates=parsed.health_gates == "on",
    )
    return settings, parsed.log_level


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="herald-speaker brain",
        description="Watches the API server and tells wire and bgp what this node may announce.",
        epilog="example: herald-speaker brain --node-name node1 --socket-dir /run/herald",
    )
    add_flag(parser, "--node-name", required=True, help="name of this Node")
    add_flag(parser, "--socket-dir", required=True, type=Path, help="folder shared with the others")
    add_flag(parser, "--kubeconfig", default="", help="empty: the Pod's service account")
    add_flag(parser, "--namespace", default="metallb-system", help="where Herald's objects live")
    add_flag(parser, "--lb-class", default="", help="serve this load balancer class only")
    add_flag(
        parser, "--state-dir", default="", help="keeps the last good intent; empty: nothing is kept"
    )
    add_flag(parser, "--health-port", type=port, default=17473, help="on loopback")
    add_flag(parser, "--metrics-port", type=port, default=9130, help="0 for none")
    add_flag(
        parser,
        "--health-gates",
        choices=("on", "off"),
        default="on",
        help="whether the service proxy's health checks count",
    )
    add_flag(
        parser,
        "--beside-metallb",
        choices=("wait", "ignore"),
        default="wait",
        help="begin no BGP session while MetalLB's speaker runs on the node, or ignore it",
    )
    add_switch(
        parser,
        "--ignore-exclude-lb",
        help="announce from nodes labelled node.kubernetes.io/exclude-from-external-load-balancers",
    )
    add_log_level(parser)
    return parser
