"""Listens for a sign of life: one frame of any kind from another host of the segment.

Open only while a sign is sought, since its socket sees all of the NIC's traffic until the first
foreign frame.
"""

import asyncio
from collections.abc import Callable, Collection

from speaker.l2.ethernet import EtherType, shows_another_host
from speaker.l2.filter import anything_heard
from speaker.l2.links import Link
from speaker.wire.sockets import FrameSocket

BATCH = 64


class LifeListener:
    """One NIC's ear. `found` is called with the first foreign frame after each `listen`."""

    def __init__(
        self,
        *,
        found: Callable[[], None],
        alive: Callable[[], bool],
        own_macs: Callable[[], Collection[bytes]],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._found = found
        self._alive = alive
        self._own_macs = own_macs
        self._open: FrameSocket | None = None

    def listen(self, link: Link) -> None:
        """Begin, or go on. A NIC that can't be opened now is tried with the next question."""
        if self._open is not None:
            return
        try:
            self._open = FrameSocket(link.name, link.index, EtherType.ANY)
        except OSError:
            return
        self._open.attach(anything_heard())
        self._loop.add_reader(self._open, self._read, self._open)

    def close(self) -> None:
        """Stop."""
        if self._open is not None:
            self._loop.remove_reader(self._open)
            self._open.close()
            self._open = None

    def _read(self, source: FrameSocket) -> None:
        if not self._alive():
            return
        own = self._own_macs()
        for _ in range(BATCH):
            frame = source.read()
            if frame is None:
                return
            if shows_another_host(frame, own):
                self.close()
                self._found()
                return
