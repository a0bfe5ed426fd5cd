"""The brain's ways out: a channel to each of the other processes, and Events for the API.

Neither ever delays a decision: a channel queues, Events are coalesced and written beside.
"""

import asyncio
import logging
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kube.api import ApiError, collection_path
from kube.client import Client
from speaker.brain.events import ServiceEvent, body
from speaker.brain.lastgood import Said, from_lines, to_lines
from speaker.brain.told import Told
from speaker.seam.driver import Dialler, Process
from speaker.seam.messages import Message
from speaker.seam.mirror import Mirror

LOG = logging.getLogger("speaker.brain")

SAVE_INTERVAL_S = 1.0
"Between writes of the last good intent, at least."
EVENTS_PER_S = 20.0
EVENTS_LIMIT = 5000
"Waiting Events; the oldest are dropped and counted."
EVENT_KIND = "Event"


class Channel:
    """What one of the other processes must know, and the connection to it.

    Nothing is said before something is known: an empty whole would withdraw everything. Types of
    messages that cannot be known yet are named in `Begin`, so that what the peer holds stays.
    """

    def __init__(
        self,
        path: Path,
        peer: str,
        kinds: Iterable[type],
        hear: Callable[[str, Message], None],
        lose: Callable[[str], None],
    ) -> None:
        self.peer = peer
        self.told = Told()
        self.kinds = tuple(kinds)
        self.unknown = {kind.__name__ for kind in self.kinds}
        self.process = Process(
            name="brain",
            whole=lambda _: self.told.whole(),
            unknown=lambda _: tuple(sorted(self.unknown)),
            hear=hear,
            lose=lose,
        )
        self._dialler = Dialler(path, self.process, peer)
        self._start = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether the peer is there."""
        return self._dialler.connected

    @property
    def unread(self) -> bool:
        """Whether the peer is there and has left some of what it was told unread."""
        return self._dialler.unread

    @property
    def mirror(self) -> Mirror:
        """What the peer says."""
        return self.process.mirror(self.peer)

    def know(self, kinds: Iterable[type]) -> None:
        """Be sure about these types from now on, and say everything when that is new."""
        newly = self.unknown & {kind.__name__ for kind in kinds}
        if newly:
            self.unknown -= newly
            LOG.info("known", extra={"fields": {"peer": self.peer, "kinds": sorted(newly)}})
            self._dialler.sync()
            self._start.set()

    def restore(self, messages: Iterable[Message], unknown: Iterable[str]) -> None:
        """Say what was last known to be good, but for these types."""
        for message in messages:
            self.told.set(message)
        self.know([kind for kind in self.kinds if kind.__name__ not in set(unknown)])

    def send(self, messages: Iterable[Message]) -> None:
        """Send what has changed."""
        for message in messages:
            self._dialler.send(message)

    async def run(self) -> None:
        """Keep the connection until cancelled."""
        await self._start.wait()
        await self._dialler.run()


class EventWriter:
    """Writes Events one after another, at a bounded rate; a newer one replaces a waiting one."""

    def __init__(self, client: Client, node: str) -> None:
        self._client = client
        self._node = node
        self._waiting: dict[object, ServiceEvent] = {}
        self._wake = asyncio.Event()
        loop = asyncio.get_running_loop()
        # The one place where the wall clock is needed; read once, then counted on the loop's.
        self._epoch = datetime.now(UTC) - timedelta(seconds=loop.time())  # noqa: TID251
        self.counts: Counter[str] = Counter()
        "Events `written`, `failed` and `dropped`."

    def add(self, event: ServiceEvent) -> None:
        """Queue an Event."""
        self._waiting.pop(event.key, None)
        if len(self._waiting) >= EVENTS_LIMIT:
            self._waiting.pop(next(iter(self._waiting)))
            self.counts["dropped"] += 1
        self._waiting[event.key] = event
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._write(self._waiting.pop(next(iter(self._waiting))))
                await asyncio.sleep(1 / EVENTS_PER_S)

    async def _write(self, event: ServiceEvent) -> None:
        now = self._epoch + timedelta(seconds=asyncio.get_running_loop().time())
        document = body(
            event,
            name=f"{event.service.name[:200]}.{secrets.token_hex(8)}",
            node=self._node,
            timestamp=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        try:
            await self._client.create(
                collection_path(EVENT_KIND, event.service.namespace), document
            )
        except ApiError as error:
            self.counts["failed"] += 1
            LOG.info("event not written", extra={"fields": {"error": str(error)}})
        else:
            self.counts["written"] += 1


class LastGood:
    """Keeps what the channels say in a folder, and reads it back when the API is not there."""

    def __init__(self, folder: Path | None, channels: tuple[Channel, ...]) -> None:
        self._folder = folder
        self._channels = channels
        self._before = {each.peer: _read(folder, each) for each in channels}
        "What a predecessor has kept."
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()

    def changed(self) -> None:
        """Write soon: something else is said now."""
        self._changed.set()

    async def run(self) -> None:
        """Write what changes until cancelled; without a folder do nothing."""
        while self._folder is not None:
            await self._changed.wait()
            await self.flush()
            await asyncio.sleep(SAVE_INTERVAL_S)

    async def flush(self) -> None:
        """Write now what has changed since the last time."""
        async with self._writing:
            if self._folder is not None and self._changed.is_set():
                self._changed.clear()
                await asyncio.to_thread(self._save, self._folder, self._said())

    def load(self) -> bool:
        """Say what was last good; tell whether there was anything."""
        found = [(each, self._before[each.peer]) for each in self._channels]
        for channel, before in found:
            if before.messages:
                channel.restore(before.messages, before.unknown)
        return any(before.messages for _, before in found)

    def _said(self) -> dict[str, Said]:
        return {
            each.peer: Said(tuple(each.told.whole()), frozenset(each.unknown)).completed(
                self._before[each.peer]
            )
            for each in self._channels
        }

    @staticmethod
    def _save(folder: Path, said: dict[str, Said]) -> None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for peer, each in said.items():
                # Passwords and keys are in it; a rename leaves the old file whole until then.
                draft = folder / f"{peer}.draft"
                with open(
                    os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
                ) as out:
                    out.write(to_lines(each))
                draft.rename(folder / f"{peer}.intent")
        except OSError as error:
            LOG.warning("last good not kept", extra={"fields": {"error": str(error)}})


def _read(folder: Path | None, channel: Channel) -> Said:
    """Return what is kept of a channel; nothing, with all of it unknown, when there is no file."""
    nothing = Said((), frozenset(kind.__name__ for kind in channel.kinds))
    if folder is None:
        return nothing
    try:
        text = (folder / f"{channel.peer}.intent").read_bytes()
    except OSError:
        return nothing
    found = from_lines(text)
    if found is None:
        LOG.warning("last good not readable", extra={"fields": {"of": channel.peer}})
    return found or nothing
