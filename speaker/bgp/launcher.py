"""ExaBGP 5.0.15 with its faults mended: run by the supervisor as `python -m speaker.bgp.launcher`.

This runs in ExaBGP's own process and is the only code of ours there. Everything replaced here was
seen to fail in exactly this version, which is therefore pinned:

* A config that doesn't parse leaves the parser's scope behind, and every later reload fails; a file
  missing at reload ends the API process. → Clean first, keep the neighbours on failure.
* A reload asked for while updates wait to be sent is dropped without a word. → It isn't deferred,
  and each reload answers on the API pipe (`{"type": "reload", "ok": …}`).
* Nothing tells when the updates have left. → `show pending` counts, for each neighbour, what is
  still to be sent.
* All timers use the wall clock, so a step of it ends every session. → They use the monotonic one.
* Keepalives are always a third of the hold time. → A neighbour's description may give seconds.
* Reconnecting backs off up to a minute after an outage of the router. → At most five seconds.
* A command's routes are taken fifty a turn, and turns are 10 ms apart. → All of a command at once.
* What waits to be sent is sorted by attributes, so of two changes of one prefix the later may leave
  first, and nobody notices what the peer is left with. → Only the last change waits.
* Why a connection failed, or which AS the peer said, is told to nobody. → The event has it.
* A session that the router ended for BFD is opened again within 15 ms. FRR then still frees what it
  had for the peer, and a dynamic neighbour is left without BFD for good. → After a quarter second.
* Leaving root fails where the user has no name. → The supervisor has the right user already.
* A dead supervisor, or a dead ExaBGP, leaves a child behind. → The kernel kills it.
"""

# ruff: noqa: SLF001  # ExaBGP gives no other way to what is mended here

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import exabgp.bgp.timer
import exabgp.reactor.api.processes
import exabgp.reactor.asynchronous
import exabgp.reactor.delay
import exabgp.reactor.keepalive
from exabgp.application.main import main
from exabgp.configuration.configuration import Configuration
from exabgp.reactor.api.command.command import Command
from exabgp.reactor.daemon import Daemon
from exabgp.reactor.loop import Reactor
from exabgp.reactor.peer import Peer
from exabgp.reactor.protocol import Protocol
from exabgp.rib.outgoing import OutgoingRIB
from exabgp.version import version

MENDED_VERSION = "5.0.15"
PR_SET_PDEATHSIG = 1
BACKOFF_LIMIT_S = 5
ROUTES_PER_TURN = 500
BFD_DOWN = (6, 10)
"Cease, BFD Down: RFC 9384."
AFTER_BFD_DOWN_S = 0.25
"A tenth was enough in six tries; BFD itself takes seconds to be up again."
TERSE = ("closing connection", "notification sent (2,2)")
KEEPALIVE_WORDS = "keepalive "
API_PROCESS = "speaker"

Anything = Any  # ExaBGP ships no types


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, by what a stopped one obeys too."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call, while all this was loaded
        os.kill(os.getpid(), signal.SIGKILL)


def start_helper_tied(parent: int) -> None:
    """Run between fork and exec of the API process."""
    os.setpgrp()
    die_with(parent)


def mend_reload() -> None:
    """Make each reload start clean, keep what it had when it fails, and say how it went."""
    parse, reload = Configuration._reload, Reactor.reload

    def reload_configuration(self: Anything) -> Anything:
        self._cleanup()
        neighbours, processes = self.neighbors, self.processes
        loaded = parse(self)
        if loaded is not True:
            self.neighbors, self.processes = neighbours, processes
        return loaded

    def reload_and_tell(self: Anything) -> Anything:
        loaded = reload(self)
        if API_PROCESS in self.processes._process:
            said = {"type": "reload", "ok": bool(loaded), "error": str(self.configuration.error)}
            self.processes.write(API_PROCESS, json.dumps(said))
        return loaded

    Configuration._reload = reload_configuration
    Reactor.reload = reload_and_tell
    Reactor._pending_adjribout = lambda _self: False


def count_pending() -> None:
    """Add the command `show pending`: a line for each neighbour with what is still to be sent."""
    new_update = Protocol.new_update

    def new_update_counted(self: Anything, include_withdraw: bool) -> Iterator[Anything]:
        self.peer.herald_sending = True
        try:
            yield from new_update(self, include_withdraw)
        finally:
            self.peer.herald_sending = False

    def show_pending(_self: Anything, reactor: Anything, service: str, *_line: Anything) -> bool:
        for name, peer in reactor._peers.items():
            outgoing = peer.neighbor.rib.outgoing
            waiting = len(outgoing._new_nlri) + len(outgoing._refresh_changes)
            sending = peer.established() and getattr(peer, "herald_sending", False)
            reactor.processes.write(service, f"pending {waiting + sending} {name}")
        reactor.processes.answer_done(service)
        return True

    Protocol.new_update = new_update_counted
    Command.register("show pending", False)(show_pending)


def mend_timers() -> None:
    """Take the monotonic clock, the keepalive time of the description, and a short back-off."""
    clock = SimpleNamespace(time=time.monotonic)
    exabgp.bgp.timer.time = clock
    exabgp.reactor.delay.time = clock
    start_keepalives = exabgp.reactor.keepalive.KA.__init__
    back_off = exabgp.reactor.delay.Delay.increase

    def start(self: Anything, session: Anything, protocol: Anything) -> None:
        start_keepalives(self, session, protocol)
        words = str(protocol.neighbor["description"] or "")
        third_s = self.send_timer.keepalive
        if words.startswith(KEEPALIVE_WORDS) and third_s:
            wanted_s = int(words.removeprefix(KEEPALIVE_WORDS))
            self.send_timer.keepalive = min(wanted_s or third_s, third_s)

    def increase(self: Anything) -> None:
        back_off(self)
        self._next = min(self._next, BACKOFF_LIMIT_S)

    exabgp.reactor.keepalive.KA.__init__ = start
    exabgp.reactor.delay.Delay.increase = increase


def keep_last_change(queue: Anything = OutgoingRIB) -> None:
    """Have a change of a prefix take the place of one that waits to be sent.

    ExaBGP does so for withdrawals alone. An announcement that follows another, or a withdrawal, was
    added to the waiting routes of its attributes, which may have been first in the queue.
    """
    add = queue._update_rib

    def replace(self: Anything, change: Anything) -> None:
        before = self._new_nlri.get(change.index())
        if before is not None:
            for waiting in self._new_attr_af_nlri[before.attributes.index()].values():
                waiting.pop(change.index(), None)
        add(self, change)

    queue._update_rib = replace


def tell_why() -> None:
    """Give the error with the reasons that say too little without it.

    Not with others: a peer's own words must not get into the API's lines.
    """
    close = Peer._close

    def close_and_tell(self: Anything, message: str = "", error: Anything = "") -> None:
        close(self, f"{message}: {error}" if message in TERSE else message, error)

    Peer._close = close_and_tell


def wait_after_bfd_down() -> None:
    """Give a router that ended the session for BFD time to forget it."""
    reset = Peer._reset

    def reset_and_wait(self: Anything, message: str = "", error: Anything = "") -> None:
        reset(self, message, error)
        if (getattr(error, "code", 0), getattr(error, "subcode", 0)) == BFD_DOWN:
            self._delay._time = time.monotonic() + AFTER_BFD_DOWN_S

    Peer._reset = reset_and_wait


def run() -> None:
    """Mend ExaBGP and become it; the arguments are its own, but the last: who started this."""
    if version != MENDED_VERSION:
        sys.exit(f"ExaBGP {MENDED_VERSION} is needed, not {version}: install herald[daemon]")
    die_with(int(sys.argv.pop()))
    exabgp.reactor.asynchronous.ASYNC.LIMIT = ROUTES_PER_TURN
    exabgp.reactor.api.processes.preexec_helper = partial(start_helper_tied, os.getpid())
    Daemon.drop_privileges = lambda _self: True
    mend_reload()
    count_pending()
    mend_timers()
    keep_last_change()
    tell_why()
    wait_after_bfd_down()
    sys.argv[0] = "exabgp"
    sys.exit(main())


if __name__ == "__main__":
    run()
