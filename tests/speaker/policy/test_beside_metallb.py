"""Beside MetalLB's speaker: no session is begun, none that was begun is given up."""

from typing import Any

import pytest

from kube import objects
from kube.objects import ObjectName
from speaker.policy.deciding import Deciding
from speaker.policy.gates import Gate, Protocol
from speaker.policy.view import Self
from tests.builders import endpoints, node, service
from tests.speaker.policy.clusters import ME, VIP, snapshot, speaker_pod
from tests.speaker.policy.test_routes import ad, configuration, peer

WEB = (node("node1"), service("web", ingress=[VIP]), endpoints("web", "node1"))
CHART = {"app.kubernetes.io/name": "metallb", "app.kubernetes.io/component": "speaker"}
MANIFESTS = {"app": "metallb", "component": "speaker"}


def metallb(on: str = "node1", labels: dict[str, str] = CHART, **fields: Any) -> objects.Pod:
    return objects.Pod(
        ObjectName(ME.namespace, f"speaker-{on}-x"), "uid", labels, on, **{"ready": True} | fields
    )


def live(*states: tuple[Any, ...], own: Self = ME, **configured: Any) -> Deciding:
    """What is decided after these states, one after the other."""
    deciding = Deciding(own)
    for state in states:
        made = snapshot(*WEB, *state)
        deciding.update(made, configuration(ad(), **configured), made.services)
        deciding.step(None, lambda: True)
    return deciding


def gates(deciding: Deciding) -> list[tuple[Gate, str]]:
    (decision,) = deciding.of(Protocol.BGP)
    return [(each.gate, each.object) for each in decision.closed]


@pytest.mark.parametrize(
    ("pod", "waits"),
    [
        pytest.param(metallb(), True, id="of the chart"),
        pytest.param(metallb(labels=MANIFESTS), True, id="of the manifests"),
        pytest.param(metallb(terminating=True), True, id="asked to end, and not ended"),
        pytest.param(metallb(ready=False), False, id="not ready"),
        pytest.param(metallb("node2"), False, id="on another node"),
        pytest.param(
            metallb(labels=CHART | {"app.kubernetes.io/component": "controller"}),
            False,
            id="its controller",
        ),
        pytest.param(speaker_pod("node1"), False, id="ours"),
    ],
)
def test_sessions_wait_while_it_runs_on_the_node(pod: objects.Pod, waits: bool) -> None:
    deciding = live((pod,))

    assert (deciding.sessions.bgp == ()) is waits
    assert (deciding.routes() == []) is waits
    expected = [(Gate.PEER, "Pod metallb-system/speaker-node1-x")] if waits else []
    assert gates(deciding) == expected


def test_they_begin_when_it_is_gone() -> None:
    deciding = live((metallb(),), ())

    assert list(deciding.sessions.peers) == ["a", "b"]
    assert gates(deciding) == []


def test_those_begun_are_kept_when_it_comes_and_new_ones_wait() -> None:
    deciding = live((), (metallb(),))
    assert list(deciding.sessions.peers) == ["a", "b"]
    assert not deciding.sessions.waiting

    made = snapshot(*WEB, metallb())
    more = configuration(ad(), peers=(peer("b", "192.168.4.2"), peer("c", "192.168.4.3")))
    deciding.update(made, more, ())
    assert list(deciding.sessions.peers) == ["b"]
    assert list(deciding.sessions.waiting) == ["c"]


def test_the_flag_lets_them_begin_beside_it() -> None:
    own = Self(ME.node, heeds_metallb=False)

    assert list(live((metallb(),), own=own).sessions.peers) == ["a", "b"]


def test_an_advertisement_of_other_peers_is_not_said_to_wait() -> None:
    made = snapshot(*WEB, metallb())
    deciding = Deciding(ME)
    deciding.update(made, configuration(ad(peers=["gone"])), made.services)
    deciding.step(None, lambda: True)

    assert gates(deciding) == [(Gate.PEER, "BGPAdvertisement bgp")]
