"""Real processes of the lab: each in its namespace, its output in a log file, started again.

`Process` keeps one command running as the kubelet keeps a container: it starts it again after it
ended, waiting 0.2 s, then twice as long each time up to 5 s, and from 0.2 s again once it ran for
10 s. A held process stays down until released: so a drill takes a machine away.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

BACK_OFF_FIRST_S, BACK_OFF_MAX_S = 0.2, 5.0
STEADY_S = 10.0
NEEDS_LIMIT_S, NEEDS_POLL_S = 5.0, 0.01
LAST_LINE_BYTES = 4096

LOG = logging.getLogger("netns_lab.processes")


class ProcessState(Enum):
    """What `herald lab status` shows of a process."""

    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting to restart"
    HELD = "held"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """What to run where; `host` is the lab's word for the machine."""

    name: str
    host: str
    namespace: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    needs: Path | None = None
    "A socket that must be there before the start; waited for, `NEEDS_LIMIT_S` at most."


class Process:
    """One supervised command; `run` is its life, as a task of the supervisor."""

    def __init__(self, plan: ProcessPlan) -> None:
        self.plan = plan
        self.state = ProcessState.STARTING
        self.starts = 0
        self.last_exit: int | None = None
        self.options: tuple[str, ...] = ()
        "Added to its arguments from the next start on."
        self._child: asyncio.subprocess.Process | None = None
        self._released = asyncio.Event()
        self._released.set()
        self._stopping = asyncio.Event()

    @property
    def process_id(self) -> int | None:
        """The process, or None while there is none."""
        child = self._child
        return child.pid if child is not None and child.returncode is None else None

    async def run(self) -> None:
        """Keep the command running until `kill`."""
        back_off_s = BACK_OFF_FIRST_S
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            await self._released.wait()
            if self._stopping.is_set():
                break
            began = loop.time()
            await self._run_once()
            if self._stopping.is_set() or not self._released.is_set():
                continue
            back_off_s = BACK_OFF_FIRST_S if loop.time() - began > STEADY_S else back_off_s
            self.state = ProcessState.WAITING
            await self._sleep_or_stop(back_off_s)
            back_off_s = min(back_off_s * 2, BACK_OFF_MAX_S)
        self.state = ProcessState.STOPPED

    def hold(self) -> None:
        """Let it not be started again until `release`; what runs is not touched."""
        self._released.clear()
        if self.process_id is None:
            self.state = ProcessState.HELD

    def release(self) -> None:
        """Let it be started again."""
        self._released.set()

    def signal(self, number: int) -> bool:
        """Send a signal as a kubelet would; False when the process does not run.

        SIGTERM goes to the process alone, as to a container's first; a kill or a freeze takes its
        children along, as the container's cgroup does.
        """
        process_id = self.process_id
        if process_id is None:
            return False
        send = os.kill if number == signal.SIGTERM else os.killpg
        try:
            send(process_id, number)
        except ProcessLookupError:
            return False
        return True

    def end(self, number: int) -> None:
        """Send it a last signal; when it has ended it stays so, and `run` returns."""
        self._stopping.set()
        self._released.set()
        self.signal(number)

    def kill(self) -> None:
        """End it at once and for good."""
        self.end(signal.SIGKILL)

    def last_line(self) -> str:
        """Return the last line of its log, empty when there is none."""
        try:
            with self.plan.log.open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(0, log.tell() - LAST_LINE_BYTES))
                lines = log.read().decode(errors="replace").split("\n")
        except OSError:
            return ""
        # A traceback of a group ends with a frame of dashes; words are wanted.
        worded = (line.strip() for line in reversed(lines) if any(c.isalpha() for c in line))
        return next(worded, "")

    async def _run_once(self) -> None:
        await self._wait_for_needs()
        with self.plan.log.open("ab") as log:
            self._child = child = await asyncio.create_subprocess_exec(
                *("ip", "netns", "exec", self.plan.namespace, *self.plan.argv),
                *self.options,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self.plan.env,
                start_new_session=True,
            )
        self.starts += 1
        self.state = ProcessState.RUNNING
        self.last_exit = await child.wait()
        # What it started in its session must not outlive it, as in a container.
        _kill_group(child.pid)
        self.state = ProcessState.STOPPED if self._released.is_set() else ProcessState.HELD

    async def _wait_for_needs(self) -> None:
        needs, waited_s = self.plan.needs, 0.0
        while needs is not None and not needs.exists() and waited_s < NEEDS_LIMIT_S:
            await self._sleep_or_stop(NEEDS_POLL_S)
            waited_s += NEEDS_POLL_S

    async def _sleep_or_stop(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


async def run_quietly(argv: list[str]) -> int:
    """Run a command to its end without its output; return its exit status."""
    child = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await child.wait()


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
