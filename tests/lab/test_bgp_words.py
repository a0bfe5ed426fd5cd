"""Why a session does not come up, in the words that the operator reads, with a real FRR."""

import pytest

from speaker.seam.messages import PeerIntent
from tests.lab.bgp_lab import bgp_lab, frr_config, needs_lab, peer, route, until

pytestmark = needs_lab


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        pytest.param(
            peer(address="10.9.0.77"),
            "no answer from 10.9.0.77 port 179: is the peer there, and does it listen",
            id="no such host",
        ),
        pytest.param(
            peer(port=1790),
            "no answer from 10.9.0.2 port 1790: is the peer there, and does it listen",
            id="nobody listens",
        ),
        pytest.param(
            peer(my_asn=64999),
            "it does not take AS 64999 (myASN) from this node, which expects AS 64513 (peerASN)",
            id="our AS is wrong",
        ),
        pytest.param(
            peer(peer_asn=64999),
            "the peer says that it is AS 64513, and peerASN is 64999 (this node is AS 64512, myASN",
            id="theirs is wrong",
        ),
    ],
)
async def test_a_session_that_does_not_come_up_says_what_to_look_at(
    wanted: PeerIntent, words: str
) -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.brain.say(wanted, route("192.168.4.10/32"))
        lab.brain.start()

        # The next try may be told of before we look.
        await until(lambda: any(words in each for each in lab.brain.reasons("router")), words)


async def test_a_router_whose_daemon_dies_closed_the_connection() -> None:
    async with bgp_lab(frr_config()) as lab:
        lab.brain.say(peer(), route("192.168.4.10/32"))
        lab.brain.start()
        await until(lambda: lab.brain.is_up("router"), "the session")
        lab.frr.stop("bgpd")

        await until(lambda: not lab.brain.is_up("router"), "its end")
        report = lab.brain.session("router")
        assert report is not None
        assert "closed the connection" in report.reason or "no answer from" in report.reason
