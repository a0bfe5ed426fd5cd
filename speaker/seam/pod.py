"""The frame of a process that must stay small: signals, JSON logs, flags, health pages.

wire and bgp run in it. It needs the standard library only; the brain and the controller use
`kube.pod`, which does the same with more comfort.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import math
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REQUEST_LIMIT = 8192
REQUEST_TIMEOUT_S = 5.0
LEVELS = ("debug", "info", "warning", "error")
STATUS_TEXTS = {200: "OK", 400: "Bad Request", 404: "Not Found", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a GET."""

    body: str
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"


class JsonLines(logging.Formatter):
    """One JSON object a line, with the keys of `kube.pod`: ts, level, logger, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, separators=(",", ":"))


def log_as_json(level: str) -> None:
    """Send all logs to stderr, one JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def add_flag(
    parser: argparse.ArgumentParser, flag: str, *, choices: Sequence[str] = (), **options: Any
) -> None:
    """Add `--some-flag`, whose default may come from `HERALD_SOME_FLAG`."""
    variable = "HERALD_" + flag.lstrip("-").replace("-", "_").upper()
    default = options.get("default") or "none"
    without = "needed" if options.get("required") else f"default: {default}"
    options["help"] = f"{options.get('help', '')} ({without}; also {variable})"
    if choices:
        # argparse runs `type` over a default that is text; its own `choices` it would not check.
        options |= {"type": _one_of(choices), "metavar": "|".join(choices)}
    value = os.environ.get(variable)
    if value is not None:
        options |= {"default": value, "required": False}
    parser.add_argument(flag, **options)


def add_switch(parser: argparse.ArgumentParser, flag: str, **options: Any) -> None:
    """Add `--some-flag` that is `true` when it is given, and `false` when it is not."""
    choices = ("true", "false")
    add_flag(parser, flag, choices=choices, default="false", nargs="?", const="true", **options)


def add_log_level(parser: argparse.ArgumentParser) -> None:
    """Add `--log-level`."""
    text = "least severe level that is logged"
    add_flag(parser, "--log-level", choices=LEVELS, default="info", help=text)


def port(text: str) -> int:
    """Return a port number, or 0."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def seconds(text: str) -> float:
    """Return a span of time."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 up")
    return value


def need_folder(flag: str, path: Path) -> None:
    """End the process with a sentence when the folder isn't there."""
    if not path.is_dir():
        sys.stderr.write(f"{flag}: {path} is no folder; create it and start again\n")
        sys.exit(2)


def stopping() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set; call it inside the loop."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


async def serve_pages(port: int, pages: Mapping[str, Callable[[], Page]]) -> None:
    """Answer GET on loopback until cancelled; port 0 serves nothing."""
    if port == 0:
        await asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        refused = (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError)
        with contextlib.closing(writer), contextlib.suppress(*refused):
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(_page(head, pages)))
                await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", port, limit=REQUEST_LIMIT)
    async with server:
        await server.serve_forever()


def health_pages(
    ready: Callable[[], str], counters: Callable[[], Mapping[str, float]]
) -> Mapping[str, Callable[[], Page]]:
    """Return `/healthz`, `/readyz` and `/metrics`; `ready` gives what is missing, empty for yes."""

    def readiness() -> Page:
        missing = ready()
        return Page(f"not ready: {missing}\n", 503) if missing else Page("ok\n")

    return {
        "/healthz": lambda: Page("ok\n"),
        "/readyz": readiness,
        "/metrics": lambda: Page(metrics_text(counters())),
    }


def metrics_text(values: Mapping[str, float]) -> str:
    """Return Prometheus' text format; `name:label=value,label=value` makes labels."""
    return "".join(f"{_series(name)} {value:g}\n" for name, value in sorted(values.items()))


def _series(name: str) -> str:
    metric, _, labels = name.partition(":")
    if not labels:
        return metric
    pairs = (label.partition("=") for label in labels.split(","))
    return metric + "{" + ",".join(f"{key}={json.dumps(value)}" for key, _, value in pairs) + "}"


def _one_of(choices: Sequence[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text.lower() not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(choices)}")
        return text.lower()

    return check


def _page(head: bytes, pages: Mapping[str, Callable[[], Page]]) -> Page:
    method, _, rest = head.decode("latin-1").partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if method != "GET":
        return Page("only GET\n", 400)
    find = pages.get(path)
    return find() if find else Page("no such page\n", 404)


def _response(page: Page) -> bytes:
    body = page.body.encode()
    head = (
        f"HTTP/1.1 {page.status} {STATUS_TEXTS[page.status]}\r\n"
        f"Content-Type: {page.content_type}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
