"""`herald-speaker bgp`: the process that keeps ExaBGP."""

import argparse
import asyncio
from collections.abc import Sequence
from pathlib import Path

from speaker.bgp.driver import Supervisor
from speaker.seam.pod import (
    add_flag,
    add_log_level,
    health_pages,
    log_as_json,
    need_folder,
    port,
    seconds,
    serve_pages,
    stopping,
)

LEAVE_LIMIT_S = 3.0
"Beyond `--bgp-wait-s`; then it ends, withdrawn or not, since the kubelet will not wait."


def main(arguments: Sequence[str]) -> None:
    """Run until SIGTERM, and leave without loss."""
    options = parse_flags(arguments)
    need_folder("--socket-dir", options.socket_dir)
    need_folder("--run-dir", options.run_dir)
    log_as_json(options.log_level)
    asyncio.run(_run(options))


def parse_flags(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line and the environment; exits with 2 on wrong use."""
    parser = argparse.ArgumentParser(
        prog="herald-speaker bgp",
        description="Announces routes by ExaBGP, as the brain tells it through its socket.",
        epilog="example: herald-speaker bgp --node-name node1 --socket-dir /run/herald"
        " --run-dir /run/herald/bgp",
    )
    add_flag(parser, "--node-name", required=True, help="this node's name in Kubernetes")
    add_flag(parser, "--socket-dir", type=Path, required=True, help="where bgp.sock is made")
    add_flag(parser, "--run-dir", type=Path, required=True, help="where ExaBGP's config is kept")
    add_flag(parser, "--health-port", type=port, default=17475, help="on loopback; 0: none")
    add_flag(
        parser, "--bgp-wait-s", type=seconds, default=2.0,
        help="seconds that routes stay de-preferred before they are withdrawn",
    )  # fmt: skip
    add_log_level(parser)
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace) -> None:
    stop = stopping()
    supervisor = Supervisor(
        node=options.node_name,
        socket_dir=options.socket_dir,
        run_dir=options.run_dir,
        bgp_wait_s=options.bgp_wait_s,
    )
    pages = health_pages(supervisor.missing, supervisor.metrics)
    serving = asyncio.create_task(serve_pages(options.health_port, pages))
    working = asyncio.create_task(supervisor.run())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, working, stopped], return_when=asyncio.FIRST_COMPLETED)
    if stopped.done():
        supervisor.leave()
        await asyncio.wait([serving, working], timeout=options.bgp_wait_s + LEAVE_LIMIT_S,
                           return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
    ended = [task for task in (serving, working) if task.done()]
    for task in (serving, working, stopped):
        task.cancel()
    await asyncio.wait([serving, working, stopped])
    for task in ended:
        task.result()  # what broke is told by a traceback, and the pod restarts
