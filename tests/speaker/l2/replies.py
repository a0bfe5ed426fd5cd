"""What a responder says to a frame, as the segment's driver asks it."""

from speaker.l2.ethernet import FrameDrop
from speaker.l2.ndp import Solicitation, parse_ndp
from speaker.l2.responder import Responder


def reply_to_ndp(responder: Responder, frame: bytes) -> bytes | FrameDrop:
    """The advertisement that answers a solicitation, or why there is none."""
    asked = parse_ndp(frame)
    if isinstance(asked, FrameDrop):
        return asked
    if not isinstance(asked, Solicitation):
        return FrameDrop.NOT_ASKED
    return responder.reply_to_solicitation(asked)
