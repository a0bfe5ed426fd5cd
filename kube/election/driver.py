"""Sends what `kube.lease` asks for and tells when leading begins and ends."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

from kube.api import ApiError, Holder, collection_path, object_path
from kube.lease import Election, LeaseBody, Read, Request, Role, Terms, Write
from kube.objects import Json, ObjectName

LOG = logging.getLogger("kube.election")
NOT_FOUND = 404

OnRole: TypeAlias = Callable[[Role], None]


class Elector:
    """A candidate for one Lease; `run` lasts until it is cancelled, then call `release`."""

    def __init__(
        self,
        client: Holder,
        name: ObjectName,
        identity: str,
        on_role: OnRole,
        *,
        terms: Terms | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._client = client
        self._name = name
        self._terms = terms or Terms()
        self._core = Election(identity, self._terms, jitter)
        self._on_role = on_role
        self._told = Role.FOLLOWER
        self._acquired = ""

    def leads(self) -> bool:
        """Tell whether this process leads at this moment; ask before each write."""
        return self._core.role(asyncio.get_running_loop().time()) is Role.LEADER

    def time_left_s(self) -> float:
        """Return for how long leading is certain: the bound of a leader's own requests."""
        until = self._core.leads_until()
        return 0.0 if until is None else max(0.0, until - asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Take part until cancelled; `on_role` is called at each change."""
        loop = asyncio.get_running_loop()
        while True:
            self._tell()
            request = self._core.next_request(loop.time())
            if request is None:
                await asyncio.sleep(max(0.001, self._core.next_deadline() - loop.time()))
            else:
                await self._send(request)

    async def release(self) -> None:
        """Let another take over at once; to be called when what leading meant has ended."""
        loop = asyncio.get_running_loop()
        request = self._core.release(loop.time())
        self._tell()
        if request is not None:
            await self._send(request)

    def _tell(self) -> None:
        role = self._core.role(asyncio.get_running_loop().time())
        if role is not self._told:
            self._told = role
            LOG.info("election", extra={"fields": {"role": role.value, "lease": str(self._name)}})
            self._on_role(role)

    async def _send(self, request: Request) -> None:
        loop = asyncio.get_running_loop()
        try:
            match request:
                case Read(timeout_s):
                    path = object_path("Lease", self._name)
                    lease = await self._client.get(path, timeout_s=timeout_s)
                    self._acquired = (lease.get("spec") or {}).get("acquireTime") or ""
                    self._core.received(lease, loop.time())
                case Write():
                    self._core.written(await self._write(request), loop.time())
        except ApiError as error:
            if isinstance(request, Read) and error.status == NOT_FOUND:
                self._core.absent(loop.time())
                return
            LOG.info("lease", extra={"fields": {"error": str(error)}})
            self._core.failed(loop.time())
        except asyncio.CancelledError:
            self._core.failed(loop.time())
            raise

    async def _write(self, request: Write) -> Json:
        body = self._lease(request.body)
        if request.create:
            path = collection_path("Lease", self._name.namespace)
            return await self._client.create(path, body, timeout_s=request.timeout_s)
        path = object_path("Lease", self._name)
        return await self._client.replace(path, body, timeout_s=request.timeout_s)

    def _lease(self, body: LeaseBody) -> Json:
        # The times are for people and for other implementations; nobody here decides by them.
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: TID251
        if self._told is Role.FOLLOWER or not self._acquired:
            self._acquired = now
        metadata = {"name": self._name.name, "namespace": self._name.namespace}
        if body.resource_version:
            metadata["resourceVersion"] = body.resource_version
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": body.holder,
                "leaseDurationSeconds": max(1, round(self._terms.lease_duration_s)),
                "acquireTime": self._acquired,
                "renewTime": now,
                "leaseTransitions": body.transitions,
            },
        }
