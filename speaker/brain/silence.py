"""Which of this node's processes hang: a connection stays when the process behind it stands still.

The brain tells each of them something every second, so whoever is alive reads. One that has left
something unread for longer than `HANGS_S`, and says nothing, is named: what it said last is shown
as if it were so. A large intent is read in pieces, while reports come back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

HANGS_S = 5.0
"""Longer than a busy machine lets a process wait, shorter than a kubelet's patience."""


@dataclass(slots=True)
class Silence:
    """Since when, in loop seconds, each process has neither read nor said anything."""

    _since: dict[str, float] = field(default_factory=dict)

    def look(self, peer: str, *, unread: bool, now: float) -> None:
        """Note whether the process has read all that it was told a while ago."""
        if unread:
            self._since.setdefault(peer, now)
        else:
            self._since.pop(peer, None)

    def heard(self, peer: str) -> None:
        """Note that it says something."""
        self._since.pop(peer, None)

    def hanging(self, now: float) -> Mapping[str, float]:
        """Return for how many seconds each that hangs has been silent."""
        return {peer: now - at for peer, at in self._since.items() if now - at > HANGS_S}
