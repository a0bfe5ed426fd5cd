"""How long the processes of a lab were ready to run and were not given a processor.

The kernel counts it for each thread (`run_delay`, the second number of its `schedstat`), and adds a
wait when it has ended. So what a thread's number grew by between two looks is its waits that ended
in between. Runs as a process (`python -m netns_lab.drill.starvation`) until standard input ends;
then prints one JSON line: the most that each process waited from one look to the next. Where the
kernel does not count, nobody waited.
"""

import argparse
import contextlib
import os
import select
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from netns_lab import netns
from netns_lab.drill.probe import say_ready, say_report

PROC = Path("/proc")


class Thread:
    """One thread: its open `schedstat`, and what that said last."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path / "schedstat", os.O_RDONLY | os.O_CLOEXEC)
        self.waited_ns = self._read()

    def waited_since(self) -> float:
        """Return the seconds of waiting that ended since the last look."""
        before, self.waited_ns = self.waited_ns, self._read()
        return (self.waited_ns - before) / 1e9

    def _read(self) -> int:
        return int(os.pread(self.fd, 100, 0).split()[1])


def name_of(command_line: str) -> str:
    """Return what runs: the program and its first word, or Python's module."""
    given = [word for word in command_line.split("\0") if word] or [""]
    program, *words = [w if w.startswith("-") else w.rpartition("/")[2] for w in given]
    if program.startswith("python") and words:
        program, *words = words[1:] if words[0] == "-m" else words
    return " ".join([program, *(word for word in words[:1] if not word.startswith("-"))])


class Starvation:
    """Watches the threads that there are at its start; `waits` has the longest by process."""

    def __init__(self, process_ids: Iterable[int]) -> None:
        self._threads: dict[Thread, str] = {}
        self.waits: dict[str, float] = {}
        for process_id in process_ids:
            # It may end at any moment, or the kernel may not count.
            with contextlib.suppress(OSError, IndexError):
                self._follow(PROC / str(process_id))

    def _follow(self, process: Path) -> None:
        name = f"{name_of((process / 'cmdline').read_text())} ({process.name})"
        for path in (process / "task").iterdir():
            self._threads[Thread(path)] = name

    def look(self) -> None:
        """Note what each thread waited since the last look."""
        for thread, name in list(self._threads.items()):
            try:
                waited_s = thread.waited_since()
            except (OSError, IndexError):  # it ended
                del self._threads[thread]
                os.close(thread.fd)
            else:
                self.waits[name] = max(waited_s, self.waits.get(name, 0.0))

    def run(self, step_s: float) -> None:
        """Look every `step_s` until standard input ends."""
        poll = select.poll()
        poll.register(sys.stdin, select.POLLIN | select.POLLHUP)
        say_ready()
        due = time.monotonic()
        while not poll.poll(max(0.0, due - time.monotonic()) * 1000):
            due = time.monotonic() + step_s
            self.look()
        self.look()

    def report(self) -> dict[str, Any]:
        """Return what was seen as JSON."""
        return {"waits_s": self.waits}


def main() -> None:
    """Run the watch."""
    parser = argparse.ArgumentParser(prog="python -m netns_lab.drill.starvation")
    parser.add_argument("--namespaces", required=True, nargs="+")
    parser.add_argument("--step-ms", type=float, default=20.0)
    chosen = parser.parse_args()
    starvation = Starvation(netns.process_ids(chosen.namespaces))
    starvation.run(chosen.step_ms / 1000)
    say_report(starvation.report())


if __name__ == "__main__":
    main()
