"""ExaBGP's reasons in words."""

import pytest

from speaker.bgp.reasons import explain
from tests.speaker.bgp.samples import neighbour


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        pytest.param(
            "notification received (2,2)",
            "the peer ended the session: it does not take AS 64512 (myASN) from this node, which"
            " expects AS 64513 (peerASN) of it: one of the two is not what the peer has",
            id="the peer finds our AS bad",
        ),
        pytest.param(
            "notification sent (2,2): OPEN message error / Bad Peer AS / ASN in OPEN (64999) did"
            " not match ASN expected (64513)",
            "this side ended it: the peer says that it is AS 64999, and peerASN is 64513 (this"
            " node is AS 64512, myASN)",
            id="we find theirs bad",
        ),
        pytest.param(
            "notification sent (2,2)",
            "this side ended it: the peer says another AS, and peerASN is 64513 (this node is AS"
            " 64512, myASN)",
            id="and do not know which",
        ),
        pytest.param(
            "notification sent (4,0)",
            "this side ended it: hold timer expired: nothing was heard for the hold time",
            id="ours",
        ),
        pytest.param(
            "notification received (6,77)",
            "the peer ended the session: cease (NOTIFICATION 6, subcode 77)",
            id="subcode",
        ),
        pytest.param(
            "notification received (9,1)",
            "the peer ended the session: unknown error (NOTIFICATION 9, subcode 1)",
            id="code",
        ),
        pytest.param(
            "closing connection: Broken TCP connection",
            "no answer from 10.9.0.2 port 179: is the peer there, and does it listen for this"
            " node?",
            id="no TCP connection",
        ),
        pytest.param(
            "closing connection: the TCP connection was closed by the remote end",
            "10.9.0.2 closed the connection without a word",
            id="closed",
        ),
        pytest.param(
            "closing connection: issue reading on the socket: [Errno ECONNRESET] [Errno 104]"
            " Connection reset by peer",
            "10.9.0.2 closed the connection without a word",
            id="reset",
        ),
        pytest.param(
            "closing connection: could not bind",
            "the connection failed: could not bind",
            id="another failure",
        ),
        pytest.param("process problem", "process problem", id="what is not understood"),
    ],
)
def test_a_reason_says_who_and_why(reason: str, words: str) -> None:
    assert explain(reason, neighbour()) == words
