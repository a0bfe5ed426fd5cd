"""The last good intent, as text: what wire and bgp were told, for a start without an API server.

The form is the seam's own: `Begin`, one line a message, `End`. A file without its `End` was cut
off in writing and counts for nothing.
"""

from collections.abc import Iterable

from speaker.seam.codec import SeamFault, decode, encode
from speaker.seam.messages import Begin, End, Message
from speaker.seam.mirror import Mirror, SyncFault

EPOCH = "last-good"


def to_lines(messages: Iterable[Message], unknown: Iterable[str]) -> bytes:
    """Return the text of what one process was told."""
    whole = (Begin(EPOCH, "brain", tuple(sorted(unknown))), *messages, End(EPOCH))
    return b"".join(encode(message) for message in whole)


def from_lines(text: bytes) -> tuple[list[Message], tuple[str, ...]] | None:
    """Return the messages and the types that were not known; None when the text is no good."""
    mirror = Mirror()
    unknown: tuple[str, ...] = ()
    for line in text.splitlines():
        message = decode(line)
        if isinstance(message, SeamFault) or isinstance(mirror.receive(message), SyncFault):
            return None
        if isinstance(message, Begin):
            unknown = message.unknown
    return (list(mirror.held.values()), unknown) if mirror.complete else None
