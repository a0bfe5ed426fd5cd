"""The HTTPS server that the API server asks before it stores one of Herald's objects.

It answers from the snapshot that the controller's watch keeps, on every replica. Without a
certificate yet it refuses every handshake, which to the API server is a webhook that is down: by
the failure policy `Ignore` that blocks nobody.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge

from controller.admission.certificate import Material
from controller.admission.judgement import Standing, judge, standing_of, without
from controller.admission.review import (
    Judgement,
    JunkError,
    Request,
    answer,
    parse_review,
)
from kube.driver import Deleted
from kube.pod import PodError
from kube.snapshot import Kind, Snapshot

LOG = logging.getLogger("controller.admission")

PATH = "/validate"
NEWS_LIMIT_S = 0.5
"""How long what other objects stand in the way of waits for news; the API server waits for 3 s."""
ALONE = standing_of(Snapshot(listed=frozenset(Kind)))
"""With nothing else in the cluster: what is refused here is refused for itself."""
MAX_REVIEW = 8 * 2**20
"""The API server takes requests of up to 3 MiB; a review holds the object twice."""


class Webhook:
    """Judges reviews by the last snapshot it was shown, less what `deleted` names of it."""

    def __init__(
        self,
        namespace: str,
        registry: CollectorRegistry,
        deleted: Callable[[], Deleted],
        news_limit_s: float = NEWS_LIMIT_S,
    ) -> None:
        self._namespace = namespace
        self._news_limit_s = news_limit_s
        self._deleted = deleted
        self._snapshot = Snapshot()
        self._changed = asyncio.Event()
        self._basis: tuple[Snapshot, Deleted] = self._snapshot, frozenset()
        self._standing = standing_of(self._snapshot)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._reviews = Counter(
            "herald_admission_reviews",
            "Reviews that the API server asked for",
            ["kind", "answer"],
            registry=registry,
        )

    def on_change(self, snapshot: Snapshot) -> None:
        """Take the cluster as it is now."""
        self._snapshot = snapshot
        self._changed.set()

    def present(self, material: Material) -> None:
        """Use this certificate for new connections; those that are open stay."""
        # OpenSSL's loader wants a file, and the root file system is read-only.
        descriptor = os.memfd_create("webhook", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, material.certificate + material.key)
            self._context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncGenerator[None, None]:
        """Serve while the context lasts; no host means all addresses."""
        app = web.Application(client_max_size=MAX_REVIEW)
        app.router.add_post(PATH, self._validate)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host or None, port, ssl_context=self._context).start()
            except OSError as error:
                raise PodError(
                    f"cannot listen on port {port}: {error.strerror or error}: choose another "
                    "--webhook-port, or 0 for no webhook"
                ) from error
            yield
        finally:
            await runner.cleanup()

    async def _validate(self, http: web.Request) -> web.Response:
        try:
            request = parse_review(await http.read())
        except JunkError as error:
            return self._junk(http, str(error), 400)
        except web.HTTPRequestEntityTooLarge as error:
            return self._junk(http, f"more than {MAX_REVIEW} bytes", error.status)
        judgement = await self._judge(request)
        word = "allowed" if judgement.allowed else "refused"
        self._reviews.labels(request.kind.value, word).inc()
        if not judgement.allowed:
            fields = {"object": f"{request.kind.value} {request.name}", "why": judgement.sentences}
            LOG.info("refused", extra={"fields": fields})
        return web.json_response(answer(request, judgement))

    def _junk(self, http: web.Request, text: str, status: int) -> web.Response:
        self._reviews.labels("", "junk").inc()
        LOG.warning("no review", extra={"fields": {"from": http.remote, "error": text}})
        return web.Response(status=status, text=f"{text}\n")

    async def _judge(self, request: Request) -> Judgement:
        """Judge by the snapshot; where other objects stand in the way, once more by a newer one.

        `kubectl delete -f` deletes a peer and its BFD profile within a millisecond, a program a
        pool and makes the next one: sooner than a watch tells that the former is gone.
        """
        deadline = asyncio.get_running_loop().time() + self._news_limit_s
        while True:
            self._changed.clear()
            judgement = judge(request, self._current(), self._namespace)
            if judgement.allowed or not judge(request, ALONE, self._namespace).allowed:
                return judgement
            try:
                async with asyncio.timeout_at(deadline):
                    await self._changed.wait()
            except TimeoutError:
                return judgement

    def _current(self) -> Standing:
        deleted = self._deleted()
        if self._basis[0] is not self._snapshot or self._basis[1] != deleted:
            self._basis = self._snapshot, deleted
            self._standing = standing_of(without(self._snapshot, deleted), self._standing)
        return self._standing


def gauge_expiry(registry: CollectorRegistry, expires: Callable[[], datetime | None]) -> None:
    """Show when the certificate runs out, 0 while there is none."""
    gauge = Gauge(
        "herald_webhook_certificate_expires_timestamp_seconds",
        "When the webhook's certificate runs out, 0 without one",
        registry=registry,
    )
    gauge.set_function(lambda: at.timestamp() if (at := expires()) else 0.0)
