"""What happened so far while a lab comes up, for whoever asks, also late."""

import asyncio
from collections.abc import AsyncIterator


class Progress:
    """A list of sentences that grows until it is finished."""

    def __init__(self) -> None:
        self._said: list[str] = []
        self._finished = False
        self._more = asyncio.Event()

    @property
    def finished(self) -> bool:
        """True when nothing more comes."""
        return self._finished

    def say(self, text: str) -> None:
        """Add a sentence."""
        self._said.append(text)
        self._wake()

    def finish(self) -> None:
        """Say that this was all."""
        self._finished = True
        self._wake()

    async def follow(self) -> AsyncIterator[str]:
        """Give all sentences from the first on, until it is finished."""
        given = 0
        while True:
            more = self._more
            while given < len(self._said):
                yield self._said[given]
                given += 1
            if self._finished:
                return
            await more.wait()

    def _wake(self) -> None:
        self._more.set()
        self._more = asyncio.Event()
