"""The webhook over TLS on loopback: reviews, junk, no certificate yet, another certificate."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry

from controller.admission.certificate import Keys, Material, issue
from controller.admission.webhook import PATH, Webhook
from kube.driver import Deleted
from kube.objects import ObjectName
from kube.pod import PodError
from kube.snapshot import Kind, Snapshot
from tests.builders import HERALD, by_name, pool
from tests.controller.admission.reviews import body, review, stored

HOST = "localhost"
NOW = datetime.now(UTC)  # noqa: TID251 -- the TLS client reads the wall clock too
REVIEW = body(review("CREATE", stored("IPAddressPool", pool("a", "192.0.2.0/28"))))


def material(at: datetime = NOW) -> Material:
    private = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    return issue(HOST, Keys(private[0], private[1], (1, 2)), at)


def free_port() -> int:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        return int(there.getsockname()[1])


class Caller:
    """The API server's part."""

    def __init__(self, port: int) -> None:
        self._url = f"https://127.0.0.1:{port}{PATH}"

    async def ask(self, trusted: Material, payload: bytes) -> tuple[int, str]:
        context = ssl.create_default_context(cadata=trusted.authorities.decode())
        connector = aiohttp.TCPConnector(ssl=context)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(self._url, data=BytesIO(payload), server_hostname=HOST) as response,
        ):
            return response.status, await response.text()


@asynccontextmanager
async def served(
    *resources: Any,
    registry: CollectorRegistry | None = None,
    deleted: Callable[[], Deleted] = frozenset,
    news_limit_s: float = 0.05,
) -> AsyncIterator[tuple[Webhook, Caller]]:
    webhook = Webhook(HERALD, registry or CollectorRegistry(), deleted, news_limit_s)
    webhook.on_change(Snapshot(pools=by_name(*resources), listed=frozenset(Kind)))
    port = free_port()
    async with webhook.serving("127.0.0.1", port):
        yield webhook, Caller(port)


async def test_judges_by_the_last_snapshot_it_was_shown() -> None:
    good = material()
    async with served() as (webhook, caller):
        webhook.present(good)
        assert '"allowed": true' in (await caller.ask(good, REVIEW))[1]
        overlapping = by_name(pool("first", "192.0.2.0/24"))
        webhook.on_change(Snapshot(pools=overlapping, listed=frozenset(Kind)))
        assert "overlaps with already defined CIDR" in (await caller.ask(good, REVIEW))[1]


async def test_object_whose_deletion_is_not_believed_yet_stands_in_nobodys_way() -> None:
    """A pool that gets another name: deleted, and applied anew in the same second."""
    good = material()
    gone = {(Kind.IP_ADDRESS_POOL, ObjectName(HERALD, "first"))}
    first = pool("first", "192.0.2.0/24")
    async with served(first, deleted=lambda: frozenset(gone)) as (webhook, caller):
        webhook.present(good)
        assert '"allowed": true' in (await caller.ask(good, REVIEW))[1]
        gone.clear()
        assert "overlaps with already defined CIDR" in (await caller.ask(good, REVIEW))[1]


async def test_conflict_waits_a_moment_for_the_news_that_ends_it() -> None:
    good = material()
    loop = asyncio.get_running_loop()
    without = Snapshot(listed=frozenset(Kind))
    asked: list[bool] = []

    def deleted() -> Deleted:
        asked.append(True)
        if len(asked) == 1:
            loop.call_soon(webhook.on_change, without)
        return frozenset()

    first = pool("first", "192.0.2.0/24")
    async with served(first, deleted=deleted, news_limit_s=10.0) as (webhook, caller):
        webhook.present(good)
        assert '"allowed": true' in (await caller.ask(good, REVIEW))[1]
    assert len(asked) == 2


async def test_junk_gets_a_sentence_and_is_counted() -> None:
    good, registry = material(), CollectorRegistry()
    async with served(registry=registry) as (webhook, caller):
        webhook.present(good)
        assert await caller.ask(good, b"{}") == (400, "the body is no AdmissionReview\n")
        assert (await caller.ask(good, b"x" * (9 * 2**20)))[0] == 413
        assert (await caller.ask(good, REVIEW))[0] == 200

    def count(kind: str, answer: str) -> float | None:
        labels = {"kind": kind, "answer": answer}
        return registry.get_sample_value("herald_admission_reviews_total", labels)

    assert count("", "junk") == 2
    assert count("IPAddressPool", "allowed") == 1


async def test_new_certificate_is_used_without_a_restart() -> None:
    expired, good = material(NOW - timedelta(days=100)), material()
    async with served() as (webhook, caller):
        with pytest.raises(aiohttp.ClientError):
            await caller.ask(good, REVIEW)  # no certificate yet
        webhook.present(expired)
        with pytest.raises(aiohttp.ClientError, match="expired"):
            await caller.ask(expired, REVIEW)
        webhook.present(good)
        assert (await caller.ask(good, REVIEW))[0] == 200


async def test_port_that_is_taken_is_named() -> None:
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        there.listen()
        webhook = Webhook(HERALD, CollectorRegistry(), frozenset)
        with pytest.raises(PodError, match="--webhook-port"):
            async with webhook.serving("127.0.0.1", there.getsockname()[1]):
                pass
