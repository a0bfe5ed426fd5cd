"""Requests to the API server, in plain JSON: typed models cost fifty times as much.

Every call has a deadline, and every failure is an `ApiError`.
"""

import asyncio
import gc
import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from kube.api import ApiError, Page, Patch, parse_error
from kube.objects import Json
from kube.session.client import CredentialsError, Session

__all__ = ["ApiError", "Client", "CredentialsError", "Page", "Patch"]

REQUEST_TIMEOUT_S = 10.0
LIST_TIMEOUT_S = 30.0
"For each page."
PAGE_SIZE = 500
LONGEST_LINE = 4 * 2**20
"etcd takes objects of 1.5 MiB; managed fields and the envelope come on top."


class Client:
    """A connection to one API server; use `async with Client.connect(kubeconfig) as client`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._listing = 0
        self.requests: Counter[tuple[str, int]] = Counter()
        "Requests by verb and HTTP status, 0 for no answer."

    @classmethod
    @asynccontextmanager
    async def connect(cls, kubeconfig: str | None = None) -> AsyncGenerator[Self, None]:
        """Give a client for the kubeconfig file, or for the Pod's service account without one."""
        session = Session(kubeconfig)
        await session.open()
        try:
            yield cls(session)
        finally:
            await session.close()

    async def get(self, path: str, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Json:
        """Return one object, or any JSON document of the API server."""
        return await self._request("GET", path, timeout_s=timeout_s)

    async def list_pages(
        self,
        path: str,
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = PAGE_SIZE,
        timeout_s: float = LIST_TIMEOUT_S,
    ) -> AsyncGenerator[Page, None]:
        """Give the pages of a list; 410 means that it must be started again."""
        token = ""
        with self._collector_paused():
            while True:
                query = _selection(label_selector, field_selector) | {"limit": str(limit)}
                if token:
                    query["continue"] = token
                body = await self._request("GET", path, query=query, timeout_s=timeout_s)
                page = _page(body)
                yield page
                if not page.next:
                    return
                token = page.next
                await asyncio.sleep(0)

    async def create(self, path: str, body: Json, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Json:
        """Create an object in a collection and return it as stored."""
        return await self._request("POST", path, body=body, timeout_s=timeout_s)

    async def replace(self, path: str, body: Json, *, timeout_s: float = REQUEST_TIMEOUT_S) -> Json:
        """Replace an object; a resourceVersion in the body is a precondition (409)."""
        return await self._request("PUT", path, body=body, timeout_s=timeout_s)

    async def patch(
        self,
        path: str,
        body: Json | list[Json],
        kind: Patch = Patch.MERGE,
        *,
        field_manager: str = "",
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Json:
        """Patch an object; for `Patch.APPLY` the field manager is needed and conflicts forced."""
        query = {"fieldManager": field_manager} if field_manager else {}
        if kind is Patch.APPLY:
            query["force"] = "true"
        return await self._request(
            "PATCH", path, body=body, query=query, content=kind.value, timeout_s=timeout_s
        )

    async def delete(
        self,
        path: str,
        *,
        uid: str = "",
        resource_version: str = "",
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> Json:
        """Delete an object, only while it has this UID and resource version where given."""
        given = {"uid": uid, "resourceVersion": resource_version}
        wanted = {key: value for key, value in given.items() if value}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": wanted}
        return await self._request(
            "DELETE", path, body=options if wanted else None, timeout_s=timeout_s
        )

    async def watch_lines(
        self,
        path: str,
        *,
        resource_version: str,
        watch_s: int,
        idle_s: float,
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncGenerator[bytes, None]:
        """Give the lines of a watch, the first (empty) as soon as it is open.

        The server ends it after `watch_s`; silence for `idle_s` raises. A line without newline
        at its end is the half line of a broken connection.
        """
        query = _selection(label_selector, field_selector) | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(watch_s),
        }
        with self._failures_named("WATCH"):
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                response = await self._session.send("GET", path, query=query)
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    await self._checked("WATCH", response)
                yield b""
                rest = b""
                # A deadline for each read, not each line: a busy watch brings many at once.
                while chunk := await _read(response.content, idle_s):
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield line + b"\n"
                    if len(rest) > LONGEST_LINE:
                        raise ValueError("a line longer than any object")
                if rest:
                    yield rest
            finally:
                response.close()

    async def _request(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: str = "application/json",
    ) -> Json:
        with self._failures_named(method):
            async with asyncio.timeout(timeout_s):
                response = await self._session.send(
                    method, path, query=query or {}, body=body, content=content
                )
                async with response:
                    await self._checked(method, response)
                    answer = json.loads(await response.read())
        if not isinstance(answer, dict):
            raise ApiError(0, "BadAnswer", f"{method} {path} gave no JSON object")
        return answer

    async def _checked(self, verb: str, response: aiohttp.ClientResponse) -> None:
        self.requests[verb, response.status] += 1
        if response.status == 401:
            self._session.distrust()
        else:
            self._session.trust()
        if response.status < 400:
            return
        raw = await response.read()
        try:
            body = json.loads(raw)
        except ValueError:
            body = raw.decode(errors="replace")
        raise parse_error(response.status, response.reason or "", body)

    def _failures_named(self, verb: str) -> "_Failures":
        return _Failures(self, verb)

    def _collector_paused(self) -> "_Pause":
        return _Pause(self)

    def failed(self, verb: str, *, certificate: bool) -> None:
        """Count a request without an answer; after a TLS failure read the credentials anew."""
        self.requests[verb, 0] += 1
        if certificate:
            self._session.distrust()

    def listing(self, change: int) -> None:
        """Pause the cyclic collector while lists run: it is most of their cost."""
        self._listing += change
        if change > 0 and self._listing == 1:
            gc.disable()
        elif self._listing == 0:
            gc.enable()


class _Failures:
    """Turns what aiohttp, asyncio and json raise into ApiError."""

    def __init__(self, client: Client, verb: str) -> None:
        self._client = client
        self._verb = verb

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, TimeoutError):
            self._client.failed(self._verb, certificate=False)
            raise ApiError(0, "Timeout", f"no answer to {self._verb} in time") from error
        if isinstance(error, aiohttp.ClientError | OSError):
            certificate = isinstance(error, aiohttp.ClientSSLError)
            self._client.failed(self._verb, certificate=certificate)
            raise ApiError(0, "Unreachable", str(error) or type(error).__name__) from error
        # aiohttp's own parser raises outside its ClientError, for a line without end for one.
        if isinstance(error, ValueError | HttpProcessingError):
            self._client.failed(self._verb, certificate=False)
            raise ApiError(0, "BadAnswer", str(error)) from error


class _Pause:
    """Keeps the collector off while a list runs."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __enter__(self) -> None:
        self._client.listing(1)

    def __exit__(self, *_: object) -> None:
        self._client.listing(-1)


async def _read(content: aiohttp.StreamReader, idle_s: float) -> bytes:
    """Return what has come, or what comes next; nothing at the end."""
    async with asyncio.timeout(idle_s):
        return await content.readany()


def _selection(label_selector: str, field_selector: str) -> dict[str, str]:
    given = {"labelSelector": label_selector, "fieldSelector": field_selector}
    return {key: value for key, value in given.items() if value}


def _page(body: Json) -> Page:
    meta = body.get("metadata") or {}
    items = body.get("items")
    if not isinstance(items, list):
        # An answer that is no list must never be taken for an empty one.
        raise ApiError(0, "BadAnswer", "a list without items")
    return Page(tuple(items), str(meta.get("resourceVersion") or ""), meta.get("continue") or "")
