"""The last good intent, as text: what wire and bgp were told, for a start without an API server.

The form is the seam's own: `Begin`, one line a message, `End`. A file without its `End` was cut
off in writing and counts for nothing.
"""

from dataclasses import dataclass

from speaker.seam.codec import SeamFault, decode, encode
from speaker.seam.messages import Begin, End, Message
from speaker.seam.mirror import Mirror, SyncFault

EPOCH = "last-good"


@dataclass(frozen=True, slots=True)
class Said:
    """What one process was told, and the types of messages that could not be told yet."""

    messages: tuple[Message, ...]
    unknown: frozenset[str]

    def completed(self, before: "Said") -> "Said":
        """Return this with what was said before about the types that are not known yet.

        A brain that has just started knows little, and must not forget what its predecessor knew.
        """
        known = (m for m in self.messages if type(m).__name__ not in self.unknown)
        older = (m for m in before.messages if type(m).__name__ in self.unknown)
        return Said((*known, *older), self.unknown & before.unknown)


def to_lines(said: Said) -> bytes:
    """Return the text of what one process was told."""
    whole = (Begin(EPOCH, "brain", tuple(sorted(said.unknown))), *said.messages, End(EPOCH))
    return b"".join(encode(message) for message in whole)


def from_lines(text: bytes) -> Said | None:
    """Return what the text says; None when it is no good."""
    mirror = Mirror()
    unknown: tuple[str, ...] = ()
    for line in text.splitlines():
        message = decode(line)
        if isinstance(message, SeamFault) or isinstance(mirror.receive(message), SyncFault):
            return None
        if isinstance(message, Begin):
            unknown = message.unknown
    return Said(tuple(mirror.held.values()), frozenset(unknown)) if mirror.complete else None
