"""The seam's sockets: a listener, a dialler, and the link that both make of a connection.

The dialler speaks first. Each side sends `Begin`, all it holds, `End`, then changes. A line that
is junk or out of step ends the connection and is counted: what it should have said is unknown, so
the dialler comes back and both sides say everything again. What was in force stays in force.

Reading and writing each take at most `TURN_S` of a loop turn, so that a large intent never delays
a protocol's timers. A peer that doesn't read has `outbox_limit` messages, then the link is closed.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import random
import secrets
import socket
import termios
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from speaker.seam.codec import LINE_LIMIT, SeamFault, decode, encode
from speaker.seam.messages import Begin, End, Message
from speaker.seam.mirror import Mirror, SyncFault

TURN_S = 0.002
READ_SIZE = 1 << 16
OUTBOX_LIMIT = 100_000
LINKS_LIMIT = 8
"""brain and wire are two; a few more may linger while they restart."""
BACKOFF_FIRST_S = 0.05
BACKOFF_LAST_S = 2.0

LOG = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Process:
    """One process's side of the seam: who it is, and what it does with what it hears."""

    name: str
    whole: Callable[[str], Iterable[Message]]
    "Everything the named peer must know, read at each connect."
    hear: Callable[[str, Message], None]
    "Called with the peer's name for each message that comes into force, `End` included."
    unknown: Callable[[str], tuple[str, ...]] = lambda _peer: ()
    "Types of messages that cannot be spoken about to the named peer yet."
    lose: Callable[[str], None] = lambda _peer: None
    "Called when the connection to the named peer is over."
    mirrors: dict[str, Mirror] = field(default_factory=dict)
    "What each peer holds; outlives connections."
    outbox_limit: int = OUTBOX_LIMIT
    faults: "Counter[SeamFault | SyncFault]" = field(default_factory=Counter)

    def mirror(self, peer: str) -> Mirror:
        """Return the copy of what the peer holds."""
        return self.mirrors.setdefault(peer, Mirror())


class Link:
    """One connection. `peer` is empty until the peer's `Begin` has named it."""

    def __init__(
        self,
        process: Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        named: Callable[["Link", str], bool],
    ) -> None:
        self.peer = ""
        self._process = process
        self._reader = reader
        self._writer = writer
        self._named = named
        "Asked whether the peer may be called so; the link's `peer` is set before."
        self._outbox: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._turn_ends = 0.0
        self._closed = False

    def send(self, message: Message) -> None:
        """Queue a message; a peer that doesn't read loses the link and syncs anew."""
        if len(self._outbox) >= self._process.outbox_limit:
            LOG.warning("seam-peer-does-not-read", extra={"fields": {"peer": self.peer}})
            self.close()
            return
        self._outbox.append(message)
        self._wake.set()

    def greet(self, peer: str) -> None:
        """Send everything the peer must know."""
        epoch = secrets.token_hex(4)
        self._outbox.append(Begin(epoch, self._process.name, self._process.unknown(peer)))
        self._outbox.extend(self._process.whole(peer))
        self._outbox.append(End(epoch))
        self._wake.set()

    @property
    def unread(self) -> bool:
        """Whether the peer has left some of what was sent unread: a process that hangs does."""
        connection = self._writer.get_extra_info("socket")
        with contextlib.suppress(OSError, ValueError):  # over, or a kernel that doesn't say
            return any(fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))
        return False

    def close(self) -> None:
        """End the connection now; what has been read of it and not applied is dropped."""
        self._closed = True
        self._writer.transport.abort()

    async def run(self) -> None:
        """Read and write until the connection is over."""
        try:
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._write())
                await self._read()
                writing.cancel()
        except* OSError as error:
            LOG.debug("seam-link-over", extra={"fields": {"peer": self.peer, "why": str(error)}})
        finally:
            self.close()

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox:
                self._writer.write(self._batch())
                await self._writer.drain()
                await asyncio.sleep(0)

    def _batch(self) -> bytes:
        loop = asyncio.get_running_loop()
        until = loop.time() + TURN_S
        lines = bytearray()
        while self._outbox and len(lines) < READ_SIZE and loop.time() < until:
            lines += encode(self._outbox.popleft())
        return bytes(lines)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        rest = b""
        while chunk := await self._reader.read(READ_SIZE):
            self._turn_ends = loop.time() + TURN_S
            *lines, rest = (rest + chunk).split(b"\n")
            fault = await self._take(lines)
            if fault is None and len(rest) > LINE_LIMIT:
                fault = SeamFault.OVERSIZE
            if fault is not None:
                self._process.faults[fault] += 1
                fields = {"peer": self.peer, "fault": fault.value}
                LOG.warning("seam-fault", extra={"fields": fields})
                return

    async def _take(self, lines: list[bytes]) -> SeamFault | SyncFault | None:
        for line in lines:
            if self._closed:
                return None  # the peer's next connection speaks for it already
            message = decode(line)
            if isinstance(message, SeamFault):
                return message
            if not self.peer and not self._introduce(message):
                return SyncFault.BEFORE_BEGIN
            mirror = self._process.mirror(self.peer)
            changes = mirror.receive(message)
            if isinstance(changes, SyncFault):
                return changes
            # Heard to the end, even when the connection ends meanwhile, but for what the peer's
            # next connection has said otherwise by then.
            for change in changes:
                if mirror.in_force(change):
                    self._process.hear(self.peer, change)
                await self._breathe()
            await self._breathe()
        return None

    def _introduce(self, message: Message) -> bool:
        if not isinstance(message, Begin) or not self._named(self, message.sender):
            return False
        self.peer = message.sender
        return True

    async def _breathe(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() > self._turn_ends:
            await asyncio.sleep(0)
            self._turn_ends = loop.time() + TURN_S


class Listener:
    """Listens on a unix socket; a peer's new connection takes the place of its old one."""

    def __init__(self, path: Path, process: Process, peers: Iterable[str]) -> None:
        self._path = path
        self._process = process
        self._peers = frozenset(peers)
        self._links: dict[str, Link] = {}
        self._open: dict[Link, None] = {}
        "In the order of their coming."

    def connected(self, peer: str) -> bool:
        """Tell whether the peer is there."""
        return peer in self._links

    def send(self, message: Message, *, to: str) -> None:
        """Queue a message for the peer; dropped when it isn't there, for it will ask for all."""
        link = self._links.get(to)
        if link is not None:
            link.send(message)

    async def run(self) -> None:
        """Listen until cancelled."""
        async with asyncio.TaskGroup() as tasks:

            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if len(self._open) >= LINKS_LIMIT and not self._make_room():
                    writer.transport.abort()
                    return
                tasks.create_task(self._keep(Link(self._process, reader, writer, self._named)))

            server = await asyncio.start_unix_server(accept, sock=_bound(self._path))
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                server.close()
                with contextlib.suppress(FileNotFoundError):
                    self._path.unlink()

    async def _keep(self, link: Link) -> None:
        self._open[link] = None
        try:
            await link.run()
        finally:
            self._open.pop(link, None)
            if self._links.get(link.peer) is link:
                del self._links[link.peer]
                self._process.mirror(link.peer).lose_connection()
                self._process.lose(link.peer)

    def _make_room(self) -> bool:
        """Close who has been silent longest: connections that say nothing must not lock us out."""
        for link in self._open:
            if not link.peer:
                del self._open[link]
                link.close()
                return True
        return False

    def _named(self, link: Link, peer: str) -> bool:
        if peer not in self._peers:
            return False
        before = self._links.get(peer)
        if before is not None:
            before.close()
        self._links[peer] = link
        link.greet(peer)
        return True


class Dialler:
    """Keeps a connection to one peer's socket, dialling again with a growing, jittered pause."""

    def __init__(self, path: Path, process: Process, peer: str) -> None:
        self._path = path
        self._process = process
        self._peer = peer
        self._link: Link | None = None

    @property
    def connected(self) -> bool:
        """Whether the peer has answered on the present connection."""
        return self._link is not None and self._link.peer != ""

    @property
    def unread(self) -> bool:
        """Whether the peer is there and has left some of what was sent unread."""
        return self._link is not None and self._link.unread

    def send(self, message: Message) -> None:
        """Queue a message; dropped when not connected, for a connect sends everything."""
        if self._link is not None:
            self._link.send(message)

    def sync(self) -> None:
        """Say everything again on the present connection, if there is one."""
        if self._link is not None:
            self._link.greet(self._peer)

    async def run(self) -> None:
        """Dial until cancelled."""
        pause_s = BACKOFF_FIRST_S
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(self._path)
            except OSError as error:
                LOG.debug("seam-dial", extra={"fields": {"peer": self._peer, "why": str(error)}})
            else:
                if await self._keep(Link(self._process, reader, writer, self._named)):
                    pause_s = BACKOFF_FIRST_S
            await asyncio.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(pause_s * 2, BACKOFF_LAST_S)

    async def _keep(self, link: Link) -> bool:
        """Run the link; tell whether the peer's whole state came through it."""
        self._link = link
        link.greet(self._peer)
        try:
            await link.run()
        finally:
            self._link = None
            if link.peer:
                self._process.mirror(self._peer).lose_connection()
                self._process.lose(self._peer)
        return link.peer != ""

    def _named(self, _link: Link, peer: str) -> bool:
        return peer == self._peer


def _bound(path: Path) -> socket.socket:
    """Return a socket bound to the path, which only the owner and the group may use."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o117)
    try:
        bound.bind(os.fspath(path))
    finally:
        os.umask(before)
    return bound
