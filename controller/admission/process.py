"""Webhook and certificate as one part of the controller: both while the context lasts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from controller.admission.driver import CertificateKeeper
from controller.admission.webhook import Webhook, gauge_expiry
from kube.client import Client


@asynccontextmanager
async def admitting(
    client: Client,
    webhook: Webhook,
    registry: CollectorRegistry,
    *,
    namespace: str,
    host: str,
    port: int,
) -> AsyncGenerator[None, None]:
    """Serve the webhook with a certificate that is kept good; a port of 0 means not at all."""
    if not port:
        yield
        return
    keeper = CertificateKeeper(client, namespace, webhook.present)
    gauge_expiry(registry, lambda: keeper.expires)
    async with webhook.serving(host, port), asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(keeper.run())
        try:
            yield
        finally:
            keeping.cancel()
