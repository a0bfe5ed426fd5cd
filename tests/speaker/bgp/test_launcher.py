"""What the launcher mends in ExaBGP, with ExaBGP's own queue of updates; and that it is tied."""

import signal
import subprocess
import sys
from typing import Any

import pytest
from exabgp.bgp.message import Action
from exabgp.bgp.message.update.attribute.attributes import Attributes
from exabgp.bgp.message.update.attribute.med import MED
from exabgp.bgp.message.update.nlri.cidr import CIDR
from exabgp.bgp.message.update.nlri.inet import INET
from exabgp.logger import log
from exabgp.protocol.family import AFI, SAFI
from exabgp.protocol.ip import IP, IPv4
from exabgp.rib.change import Change
from exabgp.rib.outgoing import OutgoingRIB

from speaker.bgp.launcher import keep_last_change

FAMILY = (AFI.ipv4, SAFI.unicast)
GONE = -1


class Queue(OutgoingRIB):  # type: ignore[misc]  # ExaBGP has no types
    """A queue of its own, so that the launcher mends no other."""


@pytest.fixture
def rib() -> Any:
    """Return a queue as the launcher has it."""
    log.silence()
    keep_last_change(Queue)
    return Queue(True, [FAMILY])


def change(prefix: str, med: int) -> Any:
    nlri = INET(*FAMILY, Action.ANNOUNCE)
    nlri.cidr, nlri.nexthop = CIDR(IPv4.pton(prefix), 32), IP.create("10.9.0.1")
    attributes = Attributes()
    attributes.add(MED(med))
    return Change(nlri, attributes)


def say(rib: Any, prefix: str, med: int) -> None:
    """Announce with this MED, or withdraw."""
    if med == GONE:
        rib.del_from_rib(change(prefix, 0))
    else:
        rib.add_to_rib(change(prefix, med))


def peer_has(rib: Any) -> dict[str, int]:
    """Return what a peer has that was sent all that waits."""
    table: dict[str, int] = {}
    for update in rib.updates(True):
        for nlri in update.nlris:
            prefix = nlri.cidr.prefix()
            if nlri.action == Action.WITHDRAW:
                table.pop(prefix, None)
            else:
                table[prefix] = update.attributes[MED.ID].med
    return table


ONE, TWO = "10.0.0.1", "10.0.0.2"


@pytest.mark.parametrize(
    "said",
    [
        pytest.param([(ONE, 7), (ONE, GONE), (ONE, 7)], id="announced-withdrawn-announced"),
        pytest.param([(TWO, GONE), (ONE, 7), (ONE, GONE)], id="announced-withdrawn"),
        pytest.param([(TWO, GONE), (ONE, GONE), (ONE, 7)], id="withdrawn-announced"),
        pytest.param([(TWO, 7), (ONE, 9), (ONE, 7)], id="attributes-that-another-prefix-has"),
        pytest.param([(ONE, 7), (ONE, 9), (ONE, 7)], id="attributes-changed-and-changed-back"),
        pytest.param([(ONE, 7), (ONE, 9)], id="attributes-changed"),
    ],
)
def test_the_last_change_of_a_prefix_is_what_the_peer_has(
    rib: Any, said: list[tuple[str, int]]
) -> None:
    for prefix, med in said:
        say(rib, prefix, med)
    wanted = {f"{prefix}/32": med for prefix, med in dict(said).items() if med != GONE}

    assert peer_has(rib) == wanted


def test_what_has_been_sent_is_withdrawn(rib: Any) -> None:
    say(rib, ONE, 7)
    peer_has(rib)
    say(rib, ONE, GONE)

    sent = [(nlri.action, nlri.cidr.prefix()) for u in rib.updates(True) for nlri in u.nlris]
    assert sent == [(Action.WITHDRAW, f"{ONE}/32")]


def test_one_whose_parent_died_while_it_was_loaded_ends() -> None:
    another = 1
    words = ["-m", "speaker.bgp.launcher", "server", "/nowhere/exabgp.conf", str(another)]

    done = subprocess.run([sys.executable, *words], timeout=100, check=False)

    assert done.returncode == -signal.SIGKILL
