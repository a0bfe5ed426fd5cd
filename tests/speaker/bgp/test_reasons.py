"""ExaBGP's reasons in words."""

import pytest

from speaker.bgp.reasons import explain


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        pytest.param(
            "notification received (2,2)",
            "the peer ended the session: bad peer AS: myASN and peerASN don't match what the"
            " other side has (2,2)",
            id="known",
        ),
        pytest.param(
            "notification sent (4,0)",
            "this side ended it: hold timer expired: nothing was heard for the hold time (4,0)",
            id="ours",
        ),
        pytest.param(
            "notification received (6,77)", "the peer ended the session: cease (6,77)", id="subcode"
        ),
        pytest.param(
            "notification received (9,1)",
            "the peer ended the session: unknown error (9,1)",
            id="code",
        ),
        pytest.param("closing connection", "closing connection", id="no notification"),
    ],
)
def test_a_reason_says_who_and_why(reason: str, words: str) -> None:
    assert explain(reason) == words
