"""Why a session is down, in words that say what to look at.

ExaBGP gives the numbers of the NOTIFICATION that ended it (RFC 4271 4.5, RFC 4486, RFC 5492,
RFC 6608), or what happened to the TCP connection.
"""

import re

from speaker.bgp.config import Neighbour

_NOTIFICATION = re.compile(r"notification (sent|received) \((\d+),(\d+)\)(.*)")
_CONNECTION = "closing connection"
_BROKEN = "Broken TCP connection"
_CLOSED = "the TCP connection was closed by the remote end"
_RESET = "[Errno ECONNRESET]"
"It was closed by the remote end, with something of ours unread."

_THEIR_ASN = re.compile(r"ASN in OPEN \((\d+)\)")
_BAD_PEER_AS = (2, 2)

_WORDS: dict[tuple[int, int], str] = {
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


def explain(reason: str, neighbour: Neighbour) -> str:
    """Return ExaBGP's reason in words; what isn't understood stays as it is."""
    found = _NOTIFICATION.search(reason)
    if found is None:
        return _connection(reason, neighbour)
    received, code, subcode = found[1] == "received", int(found[2]), int(found[3])
    said = "the peer ended the session" if received else "this side ended it"
    if (code, subcode) == _BAD_PEER_AS:
        words = _bad_peer_as(found[4], neighbour, received=received)
        return f"{said}: {words}"
    known = _WORDS.get((code, subcode))
    numbers = "" if known else f" (NOTIFICATION {code}, subcode {subcode})"
    return f"{said}: {known or _CODES.get(code, 'unknown error')}{numbers}"


def no_answer(neighbour: Neighbour) -> str:
    """Return what to say of a peer that nothing has been heard of."""
    return f"no answer from {neighbour.address} port {neighbour.port}"


def _bad_peer_as(detail: str, neighbour: Neighbour, *, received: bool) -> str:
    """RFC 4271 6.2: who gets the OPEN finds the AS in it unacceptable."""
    if received:
        return (
            f"it does not take AS {neighbour.my_asn} (myASN) from this node, which expects AS "
            f"{neighbour.peer_asn} (peerASN) of it: one of the two is not what the peer has"
        )
    theirs = _THEIR_ASN.search(detail)
    says = f"the peer says that it is AS {theirs[1]}" if theirs else "the peer says another AS"
    return (
        f"{says}, and peerASN is {neighbour.peer_asn} (this node is AS {neighbour.my_asn}, myASN)"
    )


def _connection(reason: str, neighbour: Neighbour) -> str:
    """Return in words what happened to the TCP connection."""
    what, _, error = reason.partition(": ")
    if what != _CONNECTION:
        return reason
    if error == _CLOSED or _RESET in error:
        return f"{neighbour.address} closed the connection without a word"
    words = f"{no_answer(neighbour)}: is the peer there, and does it listen for this node?"
    return words if error in ("", _BROKEN) else f"the connection failed: {error}"
