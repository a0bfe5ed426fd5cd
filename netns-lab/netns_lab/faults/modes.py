"""What can be wrong with the API server, as values; and whom it concerns."""

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from netns_lab.faults.requests import Request


class Mode(Enum):
    """A way of being broken."""

    PASS = "pass"
    GONE = "gone"
    "Watches are answered 410; those that run are ended."
    HANG = "hang"
    "Requests arrive and take effect, answers don't come back; watches fall silent."
    OUTAGE = "outage"
    "Nothing gets through either way, as if the server's machine were frozen."
    HALF = "half"
    "Watches break off in the middle of a line; other answers only where `verbs` names them."
    SLOW = "slow"
    "Every piece of an answer is held back for `delay_ms`."
    CLOSE = "close"
    "Connections are taken and closed as soon as a request comes."
    REFUSE = "refuse"
    "Nobody listens."
    ERROR = "error"
    "Requests are answered with the HTTP status `code`, and `message` in it."


@dataclass(frozen=True, slots=True)
class Fault:
    """One order: the mode, and which requests it concerns; empty means all."""

    mode: Mode = Mode.PASS
    match: str = ""
    "A part of the path with its query."
    verbs: tuple[str, ...] = ()
    client: str = ""
    "The client's address, or a part of its User-Agent."
    delay_ms: int = 500
    code: int = 500
    message: str = "answered by the lab's fault proxy"

    def concerns(self, request: Request, address: str) -> bool:
        """Return whether a request by this client is broken."""
        if self.match and self.match not in request.target:
            return False
        if self.verbs and request.verb not in self.verbs:
            return False
        return self.concerns_client(request.agent, address)

    def concerns_client(self, agent: str, address: str) -> bool:
        """Return whether anything of this client is broken."""
        return not self.client or self.client == address or self.client in agent

    @property
    def selective(self) -> bool:
        """Whether some requests are spared, so that connections as such have to work."""
        return bool(self.match or self.verbs or self.client)


PASS = Fault()


class OrderError(ValueError):
    """An order that can't be followed; the text says why and what there is."""


def parse_fault(order: dict[str, Any]) -> Fault:
    """Return the fault an order asks for; raise OrderError when it makes no sense."""
    modes = ", ".join(mode.value for mode in Mode)
    try:
        mode = Mode(order.get("mode"))
    except ValueError as error:
        raise OrderError(f"no mode {order.get('mode')!r}; there are: {modes}") from error
    known = {"mode", "match", "verbs", "client", "delay_ms", "code", "message"}
    if unknown := order.keys() - known:
        raise OrderError(
            f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
    if mode is Mode.REFUSE and order.keys() > {"mode"}:
        raise OrderError("refuse can't spare anybody: a closed port is closed for all")
    try:
        return Fault(
            mode=mode,
            match=str(order.get("match", "")),
            verbs=tuple(order.get("verbs", ())),
            client=str(order.get("client", "")),
            delay_ms=int(order.get("delay_ms", 500)),
            code=int(order.get("code", 500)),
            message=str(order.get("message", PASS.message)),
        )
    except (TypeError, ValueError) as error:
        raise OrderError(f"{order}: {error}") from error


_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def status_object(code: int, message: str) -> bytes:
    """Return a `Status` as the API server writes it."""
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": _REASONS.get(code, "Unknown"),
        "code": code,
    }
    return json.dumps(status).encode()


def error_answer(code: int, message: str) -> bytes:
    """Return a whole answer with that status."""
    body = status_object(code, message)
    head = f"HTTP/1.1 {code} Fault\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


WATCH_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)


END_OF_CHUNKS = b"0\r\n\r\n"


def gone_answer() -> bytes:
    """Return a watch that only says 410, as the real server answers an old resourceVersion."""
    status = status_object(410, "too old resource version: 1 (2)")
    line = b'{"type":"ERROR","object":' + status + b"}\n"
    return WATCH_HEAD + chunk(line) + END_OF_CHUNKS


def half_object() -> bytes:
    """Return an answer that promises more than it has."""
    body = b'{"kind":"ServiceList","apiVersion":"v1","items":[{"metadata":{"name":"we'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % (2 * len(body)) + body


def half_line() -> bytes:
    """Return a chunk with the first half of an event."""
    return chunk(b'{"type":"MODIFIED","object":{"kind":"Service","metadata":{"name":"we')


def chunk(content: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(content), content)
