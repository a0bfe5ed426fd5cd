"""The proxy: pairs of connections, and what the current fault does to their bytes.

Everything is done in the callback that brings the bytes, so a healthy request is held up for some
tens of microseconds. Answers are not parsed: a connection knows the request it is answering,
since clients of the Kubernetes API don't send the next one before the answer's end.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from netns_lab.faults.counts import Counts
from netns_lab.faults.modes import (
    END_OF_CHUNKS,
    PASS,
    WATCH_HEAD,
    Fault,
    Mode,
    OrderError,
    error_answer,
    gone_answer,
    half_line,
    half_object,
)
from netns_lab.faults.requests import NotHttpError, Request, RequestStream


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the API server is."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


@dataclass
class Faults:
    """What all connections share: the current fault and the counts."""

    upstream: Upstream
    fault: Fault = PASS
    counts: Counts = field(default_factory=Counts)
    connections: set["ClientSide"] = field(default_factory=set)


class ClientSide(asyncio.Protocol):
    """A client's connection, and behind it one to the API server."""

    def __init__(self, shared: Faults) -> None:
        self._shared = shared
        self._requests = RequestStream()
        self._request: Request | None = None
        self._answered = False
        "Whether bytes of the answer to the current request went out."
        self._refused = False
        "Whether the proxy answered it, so that the rest of the request goes nowhere."
        self._address = ""
        self._transport: asyncio.Transport | None = None
        self._upstream: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._withheld: list[bytes] = []
        self._connecting: asyncio.Task[None] | None = None
        self._delayed_until = 0.0

    # -- the client's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Dial the API server for the new client."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._address = peer[0] if isinstance(peer, tuple) else str(peer)
        self._shared.connections.add(self)
        self._shared.counts.connections[self._address] += 1
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        """Take requests apart and send each on, or break it."""
        try:
            for piece in self._requests.feed(data):
                if piece.begins is not None:
                    self._begin(piece.begins)
                self._forward(piece.raw)
        except NotHttpError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection to the API server as well."""
        self._shared.connections.discard(self)
        self._transport = None
        if self._connecting is not None:
            self._connecting.cancel()
        if self._upstream is not None:
            self._upstream.close()

    def pause_writing(self) -> None:
        """Take no more from the server than the client reads."""
        if self._upstream is not None:
            self._upstream.pause_reading()

    def resume_writing(self) -> None:
        """Go on when the client has read."""
        if self._upstream is not None:
            self._upstream.resume_reading()

    # -- the server's side -----------------------------------------------------------------------

    def upstream_made(self, transport: asyncio.Transport) -> None:
        """Send on what came before the server was reached."""
        self._upstream = transport
        if self._broken_by(Mode.OUTAGE):
            return
        for raw in self._waiting:
            transport.write(raw)
        self._waiting.clear()

    def answer_received(self, data: bytes) -> None:
        """Pass an answer's bytes to the client, as the fault lets them."""
        fault = self._shared.fault
        if self._broken_by(Mode.HANG) or self._broken_by(Mode.OUTAGE):
            self._withheld.append(data)
            return
        loop = asyncio.get_running_loop()
        delay_s = fault.delay_ms / 1000 if self._broken_by(Mode.SLOW) else 0.0
        # Later pieces never overtake earlier ones; timers of the same instant have no order.
        due = max(self._delayed_until + 1e-6, loop.time() + delay_s)
        if due <= loop.time() + 1e-6:
            self._reply(data)
        else:
            self._delayed_until = due
            loop.call_at(due, self._reply, data)

    def upstream_lost(self) -> None:
        """End the client's connection after what is still on its way; a frozen one stays open."""
        self._upstream = None
        if self._broken_by(Mode.HANG) or self._broken_by(Mode.OUTAGE):
            return
        delay_s = max(0.0, self._delayed_until - asyncio.get_running_loop().time())
        asyncio.get_running_loop().call_later(delay_s, self._close)

    # -- faults ----------------------------------------------------------------------------------

    def fault_changed(self) -> None:
        """Break what is running, or let go what was held."""
        fault = self._shared.fault
        if fault.mode in (Mode.CLOSE, Mode.REFUSE) and self._concerned():
            self.abort()
            return
        watching = self._request is not None and self._request.is_watch
        if fault.mode in (Mode.GONE, Mode.HALF) and watching and self._concerned():
            if fault.mode is Mode.HALF:
                self._reply((b"" if self._answered else WATCH_HEAD) + half_line())
            else:
                self._reply(END_OF_CHUNKS if self._answered else gone_answer())
            self._close()
            return
        self._release()

    def abort(self) -> None:
        """Reset the client's connection."""
        if self._transport is not None:
            self._transport.abort()

    def _begin(self, request: Request) -> None:
        self._request = request
        self._answered = self._refused = False
        self._shared.counts.add(self._address, request)
        fault = self._shared.fault
        if not fault.concerns(request, self._address):
            return
        match fault.mode:
            case Mode.ERROR:
                self._answer_instead(error_answer(fault.code, fault.message))
            case Mode.GONE if request.is_watch:
                self._answer_instead(gone_answer())
            case Mode.HALF if request.is_watch:
                self._answer_instead(WATCH_HEAD + half_line())
                self._close()
            case Mode.HALF if request.verb in fault.verbs:
                self._answer_instead(half_object())
                self._close()
            case Mode.CLOSE:
                self._refused = True
                self._close()
            case _:
                pass

    def _answer_instead(self, answer: bytes) -> None:
        self._refused = True
        self._reply(answer)

    def _forward(self, raw: bytes) -> None:
        if self._refused or self._transport is None:
            return
        if self._upstream is None or self._broken_by(Mode.OUTAGE):
            self._waiting.append(raw)
        else:
            self._upstream.write(raw)

    def _reply(self, data: bytes) -> None:
        if self._transport is not None and data:
            self._answered = True
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _release(self) -> None:
        if self._broken_by(Mode.HANG) or self._broken_by(Mode.OUTAGE):
            return
        for data in self._withheld:
            self._reply(data)
        self._withheld.clear()
        if self._upstream is not None:
            self.upstream_made(self._upstream)
        elif self._connecting is not None and self._connecting.done():
            self._close()

    def _broken_by(self, mode: Mode) -> bool:
        return self._shared.fault.mode is mode and self._concerned()

    def _concerned(self) -> bool:
        fault = self._shared.fault
        if self._request is None:
            return fault.concerns_client("", self._address) and not fault.selective
        return fault.concerns(self._request, self._address)

    async def _connect(self) -> None:
        upstream = self._shared.upstream
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(
                lambda: ServerSide(self), upstream.host, upstream.port, ssl=upstream.tls
            )
        except OSError:
            if not self._broken_by(Mode.OUTAGE):
                self._close()


class ServerSide(asyncio.Protocol):
    """The connection to the API server that belongs to one client's."""

    def __init__(self, client: ClientSide) -> None:
        self._client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the client's side."""
        self._client.upstream_made(cast(asyncio.Transport, transport))

    def data_received(self, data: bytes) -> None:
        """Hand over a piece of an answer."""
        self._client.answer_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the client's side."""
        self._client.upstream_lost()


class FaultProxy:
    """The listening side, and the orders it follows."""

    def __init__(
        self, host: str, port: int, upstream: Upstream, tls: ssl.SSLContext | None = None
    ) -> None:
        self.port = port
        self._host = host
        self._tls = tls
        self._shared = Faults(upstream)
        self._server: asyncio.Server | None = None

    @property
    def counts(self) -> Counts:
        """Requests so far."""
        return self._shared.counts

    @property
    def fault(self) -> Fault:
        """The fault in force."""
        return self._shared.fault

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        make: Callable[[], ClientSide] = lambda: ClientSide(self._shared)  # noqa: E731
        options: dict[str, Any] = {"reuse_address": True, "ssl": self._tls}
        self._server = await loop.create_server(make, self._host, self.port, **options)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self._shared.connections):
            connection.abort()

    def use_certificate(self, certificate: Path, key: Path) -> None:
        """Show another certificate to new connections, and end those that saw the old one."""
        if self._tls is None:
            raise OrderError("this proxy speaks no TLS: it has no certificate to change")
        self._tls.load_cert_chain(certificate, key)
        for connection in tuple(self._shared.connections):
            connection.abort()

    async def set_fault(self, fault: Fault) -> None:
        """Break from now on as told; `PASS` mends everything."""
        self._shared.fault = fault
        if fault.mode is Mode.REFUSE:
            await self.stop()
            return
        if self._server is None:
            await self.start()
        for connection in tuple(self._shared.connections):
            connection.fault_changed()
