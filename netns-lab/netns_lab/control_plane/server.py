"""The embedded API server on aiohttp: bytes in, bytes out, watches streamed as they happen.

A write reaches the watchers in the loop turn it was made in; the only timer is the one that sends
bookmarks. The controllers (`controllers.py`) run in the same process, after each turn with writes.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from secrets import choice

from aiohttp import web

from netns_lab.control_plane.api import Source
from netns_lab.control_plane.core import Core
from netns_lab.control_plane.listing import Watch
from netns_lab.control_plane.paths import Request
from netns_lab.control_plane.releases import NEWEST, OLDEST, RELEASE_PATH
from netns_lab.control_plane.rest import Response, answer

BOOKMARK_INTERVAL_S = 60.0
"""As the real server: a quiet watch hears of it once a minute."""

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def real_source() -> Source:
    """Return the wall clock and real random names."""

    def stamp(seconds: int = 0) -> str:
        moment = datetime.now(UTC) + timedelta(seconds=seconds)  # noqa: TID251 -- objects carry it
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    return Source(
        now=stamp,
        uid=lambda: str(uuid.uuid4()),
        suffix=lambda: "".join(choice(_SUFFIX_LETTERS) for _ in range(5)),
        deadline=stamp,
    )


class EmbeddedServer:
    """The API server in this process; `start` and `stop` belong to one event loop."""

    def __init__(self, *, window: int = 8192) -> None:
        self._core = Core(real_source(), self._schedule_controllers, window=window)
        self.store = self._core.store
        self.api = self._core.api
        self.controllers = self._core.controllers
        self.url = ""
        self._watches: set[Watch] = set()
        self._runner: web.ServerRunner | None = None
        self._bookmarks: asyncio.TimerHandle | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Fill the store with what every cluster has and listen."""
        self._core.fill()
        server = web.Server(self._handle, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound_host, bound_port = self._runner.addresses[0][:2]
        self.url = f"http://{bound_host}:{bound_port}"
        self._schedule_bookmarks()

    async def stop(self) -> None:
        """End all watches and stop listening."""
        if self._bookmarks is not None:
            self._bookmarks.cancel()
        for watch in tuple(self._watches):
            watch.end()
        if self._runner is not None:
            await self._runner.cleanup()

    def bookmark(self) -> None:
        """Send a bookmark to every watcher that asked for them."""
        for watch in tuple(self._watches):
            watch.bookmark()

    def _schedule_controllers(self) -> None:
        asyncio.get_running_loop().call_soon(self.controllers.run)

    def _schedule_bookmarks(self) -> None:
        loop = asyncio.get_running_loop()
        self._bookmarks = loop.call_later(BOOKMARK_INTERVAL_S, self._send_bookmarks)

    def _send_bookmarks(self) -> None:
        self.bookmark()
        self._schedule_bookmarks()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read() if request.can_read_body else b""
        if (request.method, request.path) == ("PUT", RELEASE_PATH):
            return self._play_release(body)
        due = asyncio.Event()
        reply = answer(
            self.api,
            Request(
                method=request.method,
                path=request.path,
                query=request.query,
                media_type=request.content_type,
                accept=request.headers.get("Accept", ""),
                body=body,
            ),
            due.set,
        )
        if isinstance(reply, Response):
            return web.Response(
                status=reply.code, body=reply.body, headers={"Content-Type": reply.media_type}
            )
        return await self._stream(request, reply, due)

    def _play_release(self, body: bytes) -> web.Response:
        """Be another release from now on: its start ends every watch of the one before."""
        try:
            minor = int(json.loads(body)["minor"])
        except (ValueError, KeyError, TypeError):
            minor = 0
        if not OLDEST <= minor <= NEWEST:
            return web.json_response({"message": f"minor: {OLDEST} to {NEWEST}"}, status=400)
        for watch in tuple(self._watches):
            watch.end()
        self._core.play(minor)
        return web.json_response({"minor": minor})

    async def _stream(
        self, request: web.BaseRequest, watch: Watch, due: asyncio.Event
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        self._watches.add(watch)
        try:
            await response.prepare(request)
            async with asyncio.timeout(watch.timeout_s):
                await _pump(watch, response, due)
        except TimeoutError:
            # The real server's last word before its time-out lets a quiet watch resume.
            watch.bookmark()
            await response.write(watch.take())
        except ConnectionError:
            return response  # the watcher went away in the middle of a write
        finally:
            watch.close()
            self._watches.discard(watch)
        await response.write_eof()
        return response


async def _pump(watch: Watch, response: web.StreamResponse, due: asyncio.Event) -> None:
    while True:
        due.clear()
        lines = watch.take()
        if lines:
            await response.write(lines)
        elif watch.ended:
            return
        else:
            await due.wait()


@asynccontextmanager
async def embedded(
    host: str = "127.0.0.1", port: int = 0, *, window: int = 8192
) -> AsyncIterator[EmbeddedServer]:
    """Run a server inside this loop, on a free port unless one is given."""
    server = EmbeddedServer(window=window)
    await server.start(host, port)
    try:
        yield server
    finally:
        await server.stop()
