"""Why a session is down, in words that say what to look at.

ExaBGP gives the numbers of the NOTIFICATION that ended it: RFC 4271 4.5, RFC 4486, RFC 5492,
RFC 6608.
"""

import re

_NOTIFICATION = re.compile(r"notification (sent|received) \((\d+),(\d+)\)")

_WORDS: dict[tuple[int, int], str] = {
    (2, 2): "bad peer AS: myASN and peerASN don't match what the other side has",
    (2, 3): "bad BGP identifier: both sides have the same router ID, or it isn't valid",
    (2, 6): "unacceptable hold time",
    (2, 7): "unsupported capability",
    (4, 0): "hold timer expired: nothing was heard for the hold time",
    (6, 1): "maximum number of prefixes reached: its limit for us is too low",
    (6, 2): "administrative shutdown",
    (6, 3): "peer de-configured",
    (6, 4): "administrative reset",
    (6, 5): "connection rejected: it has no neighbor with this node's address",
    (6, 6): "other configuration change",
    (6, 7): "connection collision",
    (6, 8): "out of resources",
    (6, 9): "hard reset",
    (6, 10): "BFD down",
}
_CODES = {
    1: "message header error",
    2: "OPEN message error",
    3: "UPDATE message error",
    4: "hold timer expired",
    5: "it was not ready for this message yet",
    6: "cease",
    7: "ROUTE-REFRESH message error",
}


def explain(reason: str) -> str:
    """Return ExaBGP's reason in words; what isn't understood stays as it is."""
    found = _NOTIFICATION.search(reason)
    if found is None:
        return reason
    code, subcode = int(found[2]), int(found[3])
    words = _WORDS.get((code, subcode), _CODES.get(code, "unknown error"))
    said = "the peer ended the session" if found[1] == "received" else "this side ended it"
    return f"{said}: {words} ({code},{subcode})"
