"""HTTP/1.1 requests in a stream of bytes: where each begins, what it asks for, where it ends.

Pure, and only what a proxy needs: the bytes themselves go through unchanged. Responses are not
parsed. What isn't HTTP/1.1 raises `NotHttpError`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

HEAD_LIMIT_BYTES = 64 << 10
_WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class NotHttpError(ValueError):
    """The client sent something else than HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Request:
    """The head of one request."""

    method: str
    target: str
    agent: str = ""

    @property
    def path(self) -> str:
        """The path without its query."""
        return urlsplit(self.target).path

    @property
    def is_watch(self) -> bool:
        """Whether the answer is a stream of events."""
        return self.verb == "watch"

    @property
    def verb(self) -> str:
        """The Kubernetes verb: get, list, watch, create, update, patch, delete."""
        if self.method != "GET":
            return _WRITES.get(self.method, self.method.lower())
        query = parse_qs(urlsplit(self.target).query)
        if query.get("watch", ["false"])[-1].lower() in ("1", "true"):
            return "watch"
        return "get" if self._parts[2] else "list"

    @property
    def resource(self) -> str:
        """The plural, with the subresource: `services/status`; the path when it is no resource."""
        plural, subresource, _ = self._parts
        if not plural:
            return self.path
        return f"{plural}/{subresource}" if subresource else plural

    @property
    def _parts(self) -> tuple[str, str, str]:
        parts = self.path.strip("/").split("/")
        start = {"api": 2, "apis": 3}.get(parts[0], len(parts))
        rest = parts[start:]
        if len(rest) > 2 and rest[0] == "namespaces" and rest[2] not in ("status", "finalize"):
            rest = rest[2:]
        plural, name, subresource = (*rest, "", "", "")[:3]
        return plural, subresource, name


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of the stream; `begins` is the request whose head they are."""

    raw: bytes
    begins: Request | None = None


class RequestStream:
    """Cuts what a client sends into heads and bodies."""

    def __init__(self) -> None:
        self._held = b""
        self._body_left = 0
        self._chunked = False

    def feed(self, received: bytes) -> Iterator[Piece]:
        """Yield the pieces that are complete; every byte comes out once and in order."""
        self._held += received
        while self._held:
            piece = self._next()
            if piece is None:
                return
            yield piece

    def _next(self) -> Piece | None:
        if self._body_left:
            raw, self._held = self._held[: self._body_left], self._held[self._body_left :]
            self._body_left -= len(raw)
            return Piece(raw)
        if self._chunked:
            return self._next_chunk()
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            if len(self._held) > HEAD_LIMIT_BYTES:
                raise NotHttpError("no end of a request's head")
            return None
        raw, self._held = self._held[: end + 4], self._held[end + 4 :]
        return Piece(raw, self._parse(raw))

    def _next_chunk(self) -> Piece | None:
        end = self._held.find(b"\r\n")
        if end < 0:
            return None
        try:
            size = int(self._held[:end].split(b";")[0], 16)
        except ValueError as error:
            raise NotHttpError("not the size of a chunk") from error
        raw, self._held = self._held[: end + 2], self._held[end + 2 :]
        self._body_left = size + 2
        self._chunked = size > 0
        return Piece(raw)

    def _parse(self, raw: bytes) -> Request:
        line, *headers = raw.decode("latin-1").split("\r\n")
        parts = line.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise NotHttpError(f"not a request line: {line[:80]!r}")
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (header.partition(":") for header in headers if header)
        }
        self._chunked = fields.get("transfer-encoding", "").lower() == "chunked"
        if not self._chunked:
            length = fields.get("content-length", "0")
            if not length.isdecimal():
                raise NotHttpError("not a content length")
            self._body_left = int(length)
        return Request(parts[0], parts[1], fields.get("user-agent", ""))
