"""`herald-speaker wire`: flags, the shape of the process, and how it ends.

On SIGTERM everything is handed over: the segment's addresses to the neighbours, BFD kept up until
bgp has withdrawn its routes. Then it exits 0.
"""

import argparse
import asyncio
import gc
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speaker.l2.segment import FAST, STANDARD, AlonePolicy
from speaker.seam.pod import (
    add_flag,
    add_log_level,
    add_switch,
    health_pages,
    log_as_json,
    need_folder,
    port,
    seconds,
    serve_pages,
    stopping,
)
from speaker.wire.driver import Wire
from speaker.wire.nics.driver import WireConfig

LOG = logging.getLogger(__name__)

PROFILES = {"standard": STANDARD, "fast": FAST}
POLL_S = 0.02
FAREWELL_S = 0.1
"""Long enough for the last release to be sent thrice and AdminDown once."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The command line, parsed."""

    config: WireConfig
    log_level: str
    health_port: int
    grace_s: float
    bgp_wait_s: float
    realtime: bool


def main(arguments: Sequence[str]) -> None:
    """Run the process until SIGTERM."""
    flags = parse_flags(arguments)
    need_folder("--socket-dir", flags.config.socket_dir)
    log_as_json(flags.log_level)
    if flags.realtime:
        _ask_for_realtime()
    gc.freeze()
    gc.set_threshold(100_000, 50, 1000)  # a full collection would cost a timer its time
    asyncio.run(serve(flags))


def parse_flags(arguments: Sequence[str]) -> Flags:
    """Read the command line and the environment; exits with 2 on wrong use."""
    parser = argparse.ArgumentParser(
        prog="herald-speaker wire",
        description="Answers ARP and NDP, talks to the neighbours, keeps BFD sessions.",
        epilog="example: herald-speaker wire --node-name node1 --socket-dir /run/herald",
    )
    add_flag(parser, "--node-name", required=True, help="name of this Node")
    add_flag(parser, "--socket-dir", required=True, type=Path, help="folder shared with the brain")
    add_log_level(parser)
    add_flag(parser, "--health-port", type=port, default=17474, help="on loopback; 0 for none")
    add_flag(parser, "--grace-s", type=seconds, default=10.0, help="time to hand over on SIGTERM")
    add_flag(parser, "--bgp-wait-s", type=seconds, default=2.0, help="as given to bgp")
    add_flag(
        parser,
        "--profile",
        choices=tuple(PROFILES),
        default="standard",
        help="how quickly a silent node is noticed: the same everywhere",
    )
    add_flag(
        parser,
        "--segment-expects-policy",
        choices=[policy.value for policy in AlonePolicy],
        default="keep",
        help="keep or yield the addresses when none of the expected nodes is heard",
    )
    add_switch(parser, "--realtime", help="ask for SCHED_RR")
    parsed = parser.parse_args(arguments)
    config = WireConfig(
        node=parsed.node_name,
        socket_dir=parsed.socket_dir,
        timing=PROFILES[parsed.profile],
        alone=AlonePolicy(parsed.segment_expects_policy),
        epoch_ms=time.time_ns() // 1_000_000 - int(time.monotonic() * 1000),
    )
    return Flags(
        config=config,
        log_level=parsed.log_level,
        health_port=parsed.health_port,
        grace_s=parsed.grace_s,
        bgp_wait_s=parsed.bgp_wait_s,
        realtime=parsed.realtime == "true",
    )


async def serve(flags: Flags) -> None:
    """Serve until SIGTERM, then hand over."""
    stop = stopping()
    broken = first_fault()
    wire = Wire(flags.config)
    pages = health_pages(lambda: wire.ready, wire.counters)
    async with asyncio.TaskGroup() as tasks:
        serving = [
            tasks.create_task(wire.run()),
            tasks.create_task(serve_pages(flags.health_port, pages)),
        ]
        LOG.info("started", extra={"fields": {"node": flags.config.node}})
        told = asyncio.ensure_future(stop.wait())
        await asyncio.wait((told, broken), return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            broken.result()
        await leave(wire, flags)
        for task in serving:
            task.cancel()


def first_fault() -> asyncio.Future[None]:
    """Return a future that fails with the first exception in a callback of the loop.

    The loop would log it and go on, with a timer that nobody sets again: a speaker that answers
    and sends no hellos. Ending is better, the pod is restarted and takes its claims up again.
    """
    loop = asyncio.get_running_loop()
    broken = loop.create_future()

    def take(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        if not broken.done():
            broken.set_exception(context.get("exception") or RuntimeError(context["message"]))

    loop.set_exception_handler(take)
    return broken


async def leave(wire: Wire, flags: Flags) -> None:
    """Hand over within the grace period; its last second is for the end itself."""
    loop = asyncio.get_running_loop()
    until = loop.time() + max(flags.grace_s - 1, 0.0)
    LOG.info("handing-over", extra={"fields": {"grace_s": flags.grace_s}})
    wire.leave(until)
    if wire.bfd.table.intents:
        try:
            async with asyncio.timeout(flags.bgp_wait_s + 1):
                await wire.withdrawn.wait()
        except TimeoutError:
            LOG.warning(
                "bgp-did-not-withdraw", extra={"fields": {"waited_s": flags.bgp_wait_s + 1}}
            )
        wire.bfd.leave()
    await _drained(wire, until + 0.5)
    await asyncio.sleep(FAREWELL_S)
    LOG.info("stopped", extra={"fields": {"handed_over": wire.nics.drained}})


async def _drained(wire: Wire, until: float) -> None:
    loop = asyncio.get_running_loop()
    while not wire.nics.drained and loop.time() < until:  # noqa: ASYNC110 a core tells no one
        await asyncio.sleep(POLL_S)


def _ask_for_realtime() -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        LOG.warning("realtime-not-permitted", extra={"fields": {"needs": "SYS_NICE"}})
