"""Keeps the controller's ConfigurationState true: written on change, made anew when it is gone."""

import asyncio
import logging

from controller.events.driver import timestamp
from controller.leader.client import LeaderClient
from controller.verdict import STATE_NAME, state_object
from kube.api import ApiError, Patch, collection_path, object_path
from kube.objects import Json, ObjectName
from kube.verdicts import Verdict

LOG = logging.getLogger("controller.config_state")

RETRY_S = 5.0
LOOK_S, LOOK_AFTER_REFUSAL_S = 10.0, 60.0
"""How often the object is read while nothing changes: somebody may have deleted it."""
FINAL = frozenset({400, 403, 404, 422})


class StateWriter:
    """Writes the last verdict it was shown."""

    def __init__(self, leader: LeaderClient, namespace: str) -> None:
        self._leader = leader
        self._namespace = namespace
        self._path = object_path("ConfigurationState", ObjectName(namespace, STATE_NAME))
        self._wanted: Verdict | None = None
        self._shown: Json = {}
        self._changed = asyncio.Event()
        self.sent = 0
        self.failed = 0

    @property
    def summary(self) -> str:
        """What the object said last."""
        return str(self._shown.get("errorSummary") or "")

    def show(self, verdict: Verdict) -> None:
        """Write this verdict if the object says something else."""
        self._wanted = verdict
        if not verdict.shown_by(self._shown):
            self._changed.set()

    def forget(self) -> None:
        """Stop writing: another replica leads."""
        self._wanted = None

    async def read(self) -> None:
        """See what the object says now; a kind that isn't served says nothing."""
        try:
            self._shown = (await self._leader.get(self._path)).get("status") or {}
        except ApiError as error:
            if not error.not_found:
                LOG.info("configuration state", extra={"fields": {"error": str(error)}})
            self._shown = {}

    async def run(self) -> None:
        """Write until cancelled."""
        look_s = LOOK_S
        while True:
            await self._wait(look_s)
            look_s = LOOK_S
            verdict = self._wanted
            if verdict is None or verdict.shown_by(self._shown):
                continue
            try:
                await self._write(verdict.status(timestamp()))
            except ApiError as error:
                self.failed += 1
                LOG.info("configuration state", extra={"fields": {"error": str(error)}})
                if error.status in FINAL:
                    # Not served or not allowed here: asking again at once would not change that.
                    look_s = LOOK_AFTER_REFUSAL_S
                    continue
                await asyncio.sleep(RETRY_S)
                self._changed.set()

    async def _wait(self, look_s: float) -> None:
        """Return when there is something to write, or after a look at what is there."""
        try:
            async with asyncio.timeout(look_s):
                await self._changed.wait()
        except TimeoutError:
            if self._wanted is not None:
                await self._look()
        self._changed.clear()

    async def _look(self) -> None:
        try:
            self._shown = (await self._leader.get(self._path)).get("status") or {}
        except ApiError as error:
            # Not to be had is not gone.
            if error.not_found:
                self._shown = {}

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
