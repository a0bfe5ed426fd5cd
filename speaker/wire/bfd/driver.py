"""Joins the table of BFD sessions to the loop: one timer, sockets that follow the intents."""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable

from speaker.bfd.table import SessionTable
from speaker.seam.messages import Address, BfdIntent, BfdReport, BfdState
from speaker.wire.bfd.sockets import ListeningSocket, SendingSocket

LOG = logging.getLogger(__name__)

BATCH = 64
Path = tuple[Address, Address | None, bool]


class BfdDriver:
    """All BFD sessions of the node. Construct inside the loop."""

    def __init__(self, report: Callable[[BfdReport], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._report = report
        self._table = SessionTable(
            jitter=random.random, random_32=lambda: random.SystemRandom().getrandbits(32)
        )
        self._listening: dict[tuple[int, bool], ListeningSocket] = {}
        self._sending: dict[Path, SendingSocket] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.failures: Counter[str] = Counter()

    @property
    def table(self) -> SessionTable:
        """The sessions."""
        return self._table

    def want(self, intent: BfdIntent) -> None:
        """Begin a session or change its values."""
        fault = self._table.want(intent, self._loop.time())
        if fault is not None:
            self._report(BfdReport(intent.peer, BfdState.DOWN, fault.value))
        self._listen(intent.peer.version, multihop=intent.multihop)
        self._settle()

    def unwant(self, peer: Address) -> None:
        """End a session."""
        self._table.unwant(peer, self._loop.time())
        self._settle()

    def leave(self) -> None:
        """Tell every peer AdminDown: this node goes."""
        self._table.disable_all(self._loop.time())
        self._settle()

    def close(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        for listening in self._listening.values():
            self._loop.remove_reader(listening)
            listening.close()
        for sending in self._sending.values():
            sending.close()

    def _listen(self, version: int, *, multihop: bool) -> None:
        if (version, multihop) in self._listening:
            return
        try:
            made = ListeningSocket(version, multihop=multihop)
        except OSError as error:  # another BFD daemon has the port: said once a want, and counted
            self.failures["listen"] += 1
            LOG.error("bfd-port-not-available", extra={"fields": {"why": str(error)}})  # noqa: TRY400 a fact, no traceback
            return
        self._listening[version, multihop] = made
        self._loop.add_reader(made, self._read, made)

    def _read(self, source: ListeningSocket) -> None:
        for _ in range(BATCH):
            received = source.read()
            if received is None:
                break
            self._table.receive_datagram(*received, self._loop.time())
        self._settle()

    def _settle(self) -> None:
        for datagram in self._table.datagrams_to_send(self._loop.time()):
            path = (datagram.peer, datagram.local, datagram.multihop)
            sending = self._sending.get(path) or self._open(path)
            if sending is None or not sending.send(datagram.payload):
                self.failures["send"] += 1
        while (report := self._table.next_event()) is not None:
            self._report(report)
        self._close_unused()
        self._arm()

    def _open(self, path: Path) -> SendingSocket | None:
        peer, local, multihop = path
        try:
            made = SendingSocket(peer, local, multihop=multihop)
        except OSError:  # the local address isn't there yet: tried again with the next packet
            return None
        self._sending[path] = made
        return made

    def _close_unused(self) -> None:
        for path in [p for p in self._sending if self._table.session(p[0]) is None]:
            self._sending.pop(path).close()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self._table.next_deadline()
        if at is not None:
            self._timer = self._loop.call_at(max(at, self._loop.time()), self._on_time, at)

    def _on_time(self, at: float) -> None:
        self._timer = None
        self._table.handle_deadline(max(at, self._loop.time()))
        self._settle()
