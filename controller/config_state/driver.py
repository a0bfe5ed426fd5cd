"""Keeps the controller's ConfigurationState true: written on change, made anew when it is gone.

Whoever deletes or edits the object is noticed by the watch. What the watch shows may be older than
the last write, so it is only a reason to read the object once.
"""

import asyncio
import logging

from controller.events.driver import timestamp
from controller.leader.client import LeaderClient
from controller.verdict import STATE_NAME, state_object
from kube.api import ApiError, Patch, collection_path, object_path
from kube.objects import Json, ObjectName
from kube.verdicts import Verdict
from kube.written import Written

LOG = logging.getLogger("controller.config_state")

RETRY_S, RETRY_AFTER_REFUSAL_S = 5.0, 60.0
REFUSALS = frozenset({400, 403, 404, 422})
"""Not served or not allowed here: asking again at once would not change that."""


class StateWriter:
    """Writes the last verdict it was shown."""

    def __init__(self, leader: LeaderClient, namespace: str) -> None:
        self._leader = leader
        self._namespace = namespace
        self.name = ObjectName(namespace, STATE_NAME)
        self._path = object_path("ConfigurationState", self.name)
        self._wanted: Verdict | None = None
        self._shown: Json = {}
        self._changed = asyncio.Event()
        self._doubted = False
        self.sent = 0
        self.failed = 0

    @property
    def summary(self) -> str:
        """What the object said last."""
        return str(self._shown.get("errorSummary") or "")

    def show(self, verdict: Verdict) -> None:
        """Write this verdict if the object says something else."""
        self._wanted = verdict
        if self._doubted or not verdict.shown_by(self._shown):
            self._changed.set()

    def seen(self, written: Written | None) -> None:
        """Take what the watch shows, None for a deleted object: read it if that is not right."""
        if written and self._wanted and self._wanted.shown_by(written.status):
            return
        self._doubted = True
        self._changed.set()

    def forget(self) -> None:
        """Stop writing: another replica leads."""
        self._wanted, self._shown = None, {}

    async def read(self) -> bool:
        """See what the object says now; tell whether that is known."""
        self._doubted = False
        try:
            self._shown = (await self._leader.get(self._path)).get("status") or {}
        except ApiError as error:
            if not error.not_found:
                LOG.info("configuration state", extra={"fields": {"error": str(error)}})
                self._doubted = True
                return False
            # Not there, or not served: it says nothing.
            self._shown = {}
        return True

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if (verdict := self._wanted) is None:
                continue
            if self._doubted and not await self.read():
                await self._wait(RETRY_S)
            elif not verdict.shown_by(self._shown):
                await self._try_to_write(verdict)

    async def _try_to_write(self, verdict: Verdict) -> None:
        try:
            await self._write(verdict.status(timestamp()))
        except ApiError as error:
            self.failed += 1
            LOG.info("configuration state", extra={"fields": {"error": str(error)}})
            await self._wait(RETRY_AFTER_REFUSAL_S if error.status in REFUSALS else RETRY_S)

    async def _wait(self, seconds: float) -> None:
        """Wait so long before the next attempt, unless there is something new to say."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            self._changed.set()

    async def _write(self, status: Json) -> None:
        body = {"status": status}
        try:
            await self._leader.patch(f"{self._path}/status", body, Patch.MERGE)
        except ApiError as error:
            if not error.not_found:
                raise
            path = collection_path("ConfigurationState", self._namespace)
            await self._leader.create(path, state_object(self._namespace))
            await self._leader.patch(f"{self._path}/status", body, Patch.MERGE)
        self._shown = status
        self.sent += 1
