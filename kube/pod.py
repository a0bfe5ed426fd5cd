"""What a daemon needs to live in a Pod: signals, JSON logs, health, readiness and metrics.

`run` gives the main coroutine an event that SIGTERM and SIGINT set; it withdraws and returns. A
second signal cancels it. Health pages listen on loopback unless told; metrics on every address.
"""

import asyncio
import json
import logging
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from kube.session.client import CredentialsError

LOG = logging.getLogger("kube.pod")

LOOPBACK = "127.0.0.1"
EVERYWHERE = None
"All addresses of both families: Prometheus scrapes from other hosts."

Main: TypeAlias = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
Probe: TypeAlias = Callable[[], str]
"Returns why not, or an empty text when all is well."


class PodError(Exception):
    """The process cannot do its work here; the message says what to change."""


def _well() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Pages:
    """What the health server says; `json` maps further paths to what gives their page."""

    ready: Probe
    alive: Probe = _well
    json: Mapping[str, Callable[[], Awaitable[Any]]] = field(default_factory=dict)


class JsonFormatter(logging.Formatter):
    """One JSON line a record: ts, level, logger, event, then `extra={"fields": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            line |= {key: value for key, value in fields.items() if key not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logs(level: str) -> None:
    """Send all logs to stderr as JSON lines, from this level on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def run(main: Main, *, log_level: str = "info") -> int:
    """Run a daemon until it returns; return the exit status: 0, 1, or 2 for wrong use."""
    configure_logs(log_level)
    try:
        asyncio.run(_run(main))
    except CredentialsError as error:
        LOG.critical("cannot run", extra={"fields": {"error": str(error)}})
        return 2
    except PodError as error:
        LOG.critical("cannot run", extra={"fields": {"error": str(error)}})
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        return 1
    except ExceptionGroup as group:
        mine, rest = group.split(PodError)
        for each in _leaves(mine):
            LOG.critical("cannot run", extra={"fields": {"error": str(each)}})
        if rest is not None:
            LOG.critical("crashed", exc_info=rest)
        return 1
    except Exception:
        LOG.critical("crashed", exc_info=True)
        return 1
    return 0


async def _run(main: Main) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    task = loop.create_task(main(stop))

    def on_signal(number: signal.Signals) -> None:
        LOG.info("signal", extra={"fields": {"signal": number.name}})
        if stop.is_set():
            task.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        await task
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def serving(
    pages: Pages,
    registry: CollectorRegistry,
    *,
    health_port: int,
    metrics_port: int,
    health_host: str = LOOPBACK,
) -> AsyncGenerator[None, None]:
    """Serve health and metrics while the context lasts; a metrics port of 0 means none.

    A Pod without the host's network is probed from outside: there the host is the Pod's address.
    """
    health = web.Application()
    health.router.add_get("/healthz", _probe_page(pages.alive))
    health.router.add_get("/readyz", _probe_page(pages.ready))
    for path, show in pages.json.items():
        health.router.add_get(path, _json_page(show))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(_listening(health, health_host, health_port, "health"))
        if metrics_port:
            metrics = web.Application()
            metrics.router.add_get("/metrics", _metrics_page(registry))
            await stack.enter_async_context(
                _listening(metrics, EVERYWHERE, metrics_port, "metrics")
            )
        yield


@asynccontextmanager
async def _listening(
    app: web.Application, host: str | None, port: int, what: str
) -> AsyncGenerator[None, None]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise PodError(
                f"cannot listen on port {port}: {error.strerror or error}: "
                f"choose another --{what}-port or stop what listens there"
            ) from error
        yield
    finally:
        await runner.cleanup()


def _probe_page(probe: Probe) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
    async def page(_: web.Request) -> web.Response:
        reason = probe()
        return web.Response(text=reason or "ok", status=503 if reason else 200)

    return page


def _json_page(
    show: Callable[[], Awaitable[Any]],
) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
    async def page(_: web.Request) -> web.Response:
        body = json.dumps(await show(), default=str)
        return web.Response(text=body, content_type="application/json")

    return page


def _metrics_page(
    registry: CollectorRegistry,
) -> Callable[[web.Request], Coroutine[Any, Any, web.Response]]:
    async def page(_: web.Request) -> web.Response:
        # 5,000 series take 49 ms: in the loop that would delay everything else.
        body = await asyncio.to_thread(generate_latest, registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return page


def _leaves(group: ExceptionGroup[PodError] | None) -> list[PodError]:
    if group is None:
        return []
    found: list[PodError] = []
    for each in group.exceptions:
        found += _leaves(each) if isinstance(each, ExceptionGroup) else [each]
    return found
