"""Our BFD against FRR's bfdd: up, failing both ways, changing, leaving."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.lab.bgp_lab import (
    ROUTER,
    ROUTER6,
    SPEAKER,
    SPEAKER6,
    Frr,
    Namespaces,
    needs_lab,
    run,
    until,
)

pytestmark = needs_lab
FAST = ("transmit_ms=100", "receive_ms=100", "multiplier=10")
"With 3 in place of 10 a process that gets no time for 0.3 s would be a failure of the path."

DETECTED_S = 6.0
"Ten times 100 ms, and what a busy machine takes; not the 10 s of the slow intervals."


class OurEnd:
    """Our side, and what it reported."""

    def __init__(self, namespace: str, *words: str) -> None:
        self.child = subprocess.Popen(
            ["ip", "netns", "exec", namespace, sys.executable, "-m", "tests.lab.bfd_end", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.child.stdout is not None
        os.set_blocking(self.child.stdout.fileno(), False)
        self._rest = b""
        self.reports: list[dict[str, Any]] = []

    def say(self, line: str) -> None:
        """Give a line to its stdin."""
        assert self.child.stdin is not None
        self.child.stdin.write(line.encode() + b"\n")
        self.child.stdin.flush()

    def last(self) -> dict[str, Any]:
        """Return its last report."""
        assert self.child.stdout is not None
        with suppress(BlockingIOError):
            *lines, self._rest = (self._rest + (self.child.stdout.read() or b"")).split(b"\n")
            self.reports += [json.loads(line) for line in lines]
        return self.reports[-1] if self.reports else {}

    def states(self) -> list[str]:
        """Return the states reported."""
        self.last()
        return [report["state"] for report in self.reports]


class Ends:
    """Both sides of a session."""

    def __init__(self, namespaces: Namespaces, frr: Frr, ours: OurEnd) -> None:
        self.namespaces, self.frr, self.ours = namespaces, frr, ours

    def theirs(self) -> dict[str, Any]:
        """What bfdd shows of the session."""
        peers = json.loads(self.frr.ask("show bfd peers json") or "[]")
        return peers[0] if peers else {}

    async def theirs_is(self, key: str, value: object) -> None:
        """Wait until bfdd shows this."""
        await until(lambda: self.theirs().get(key) == value, f"their {key} to be {value}")

    async def up(self) -> None:
        """Wait until both sides say so, and have agreed on the fast intervals.

        bfdd sends its own with the packet that says Up, so they are in our socket when it shows Up.
        """
        await until(lambda: self.ours.last().get("state") == "up", "our Up")
        await until(lambda: self.theirs().get("status") == "up", "their Up")
        await until(lambda: self.theirs().get("remote-transmit-interval", 1000) < 1000, "the Poll")


@contextmanager
def ends(bfdd: str, *words: str, tag: str = "bgpt") -> Iterator[Ends]:
    """Run both ends; `bfdd` are lines of FRR's peer, `words` our intent."""
    folder = Path(tempfile.mkdtemp(prefix="herald-bfd-"))
    folder.chmod(0o755)
    namespaces = Namespaces(tag)
    frr = Frr(namespaces.router, folder / "frr")
    namespaces.make()
    frr.start(f"log file /dev/null\nbfd\n{bfdd}\n")
    ours = OurEnd(namespaces.speaker, *words)
    try:
        yield Ends(namespaces, frr, ours)
    finally:
        ours.child.kill()
        ours.child.communicate()
        frr.stop()
        namespaces.remove()
        shutil.rmtree(folder, ignore_errors=True)


INTERVALS = "  detect-multiplier 10\n  receive-interval 100\n  transmit-interval 100\n"
PEER = f" peer {SPEAKER}\n{INTERVALS}"


async def test_a_session_comes_up_with_the_agreed_intervals() -> None:
    with ends(PEER, ROUTER, "transmit_ms=150", "receive_ms=120", "multiplier=4") as both:
        await both.up()
        theirs = both.theirs()

        assert theirs["remote-transmit-interval"] == 150
        assert theirs["remote-receive-interval"] == 120
        assert theirs["remote-detect-multiplier"] == 4


async def test_an_ipv6_session_comes_up() -> None:
    with ends(f" peer {SPEAKER6}\n{INTERVALS}", ROUTER6, *FAST) as both:
        await both.up()


async def test_a_multihop_session_comes_up() -> None:
    there = f" peer {SPEAKER} multihop local-address {ROUTER}\n{INTERVALS}"
    words = (ROUTER, "multihop=1", f"local={SPEAKER}", *FAST)
    with ends(there, *words) as both:
        await both.up()


async def test_a_passive_session_waits_and_comes_up() -> None:
    with ends(PEER, ROUTER, "passive=1", *FAST) as both:
        await both.up()


async def test_a_dead_neighbour_is_noticed_within_detection_time() -> None:
    with ends(PEER, ROUTER, *FAST) as both:
        await both.up()
        killed_at = time.monotonic()
        both.frr.stop("bfdd")
        report = await until(
            lambda: (last := both.ours.last())["state"] == "down" and last, "our Down"
        )

        assert report["why"] == "control-detection-time-expired"
        assert report["at"] - killed_at < DETECTED_S


async def test_a_cut_cable_is_noticed_by_both() -> None:
    with ends(PEER, ROUTER, *FAST) as both:
        await both.up()
        run("ip", "-n", both.namespaces.speaker, "link", "set", "lan0", "down")
        await until(lambda: both.ours.last()["state"] == "down", "our Down")
        await until(lambda: both.theirs()["status"] == "down", "their Down")
        run("ip", "-n", both.namespaces.speaker, "link", "set", "lan0", "up")

        await until(lambda: both.ours.last()["state"] == "up", "our Up again")


async def test_our_death_is_noticed_by_frr() -> None:
    with ends(PEER, ROUTER, *FAST) as both:
        await both.up()
        both.ours.child.send_signal(signal.SIGSTOP)
        await until(lambda: both.theirs()["status"] == "down", "their Down", limit_s=DETECTED_S)
        both.ours.child.send_signal(signal.SIGCONT)

        await until(lambda: both.theirs()["status"] == "up", "their Up again")


async def test_changed_intervals_cause_no_flap() -> None:
    # An interval that changes before the other side knows is more than three of the one before; and
    # three of each are so long that a process may get no time for a second.
    there = f" peer {SPEAKER}\n  receive-interval 400\n  transmit-interval 400\n"
    with ends(there, ROUTER, "transmit_ms=400", "receive_ms=400") as both:
        await both.up()
        reports = len(both.ours.states())
        for ours, theirs in ((500, 450), (2000, 1800), (550, 2500), (400, 500)):
            both.ours.say(f"{ROUTER} transmit_ms={ours} receive_ms={ours}")
            both.frr.configure(
                "bfd", f"peer {SPEAKER}", f"receive-interval {theirs}",
                f"transmit-interval {theirs}",
            )  # fmt: skip
            await both.theirs_is("remote-transmit-interval", ours)

        assert both.ours.states()[reports:] == []
        assert both.theirs()["status"] == "up"


async def test_each_sides_admin_down_is_said_as_such() -> None:
    with ends(PEER, ROUTER, *FAST) as both:
        await both.up()
        both.frr.configure("bfd", f"peer {SPEAKER}", "shutdown")
        await until(lambda: both.ours.last()["state"] == "admin-down", "their wish")
        both.frr.configure("bfd", f"peer {SPEAKER}", "no shutdown")
        await both.up()
        both.ours.say("leave")

        await until(lambda: both.ours.last()["why"] == "administratively-down", "our own word")
        await both.theirs_is("status", "down")
        await both.theirs_is("remote-diagnostic", "administratively down")
