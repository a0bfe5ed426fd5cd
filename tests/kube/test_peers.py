"""Which BGP peers are good, with MetalLB's words for what is wrong."""

from typing import Any

import pytest

from kube.configuration import Configuration
from kube.crds import BFDProfile
from kube.faults import Reason
from kube.objects import ObjectName, Secret
from kube.snapshot import Snapshot
from kube.validation import usable
from tests.builders import HERALD, bgp_peer, by_name, node, resource
from tests.kube.test_validation import cluster, faults_of, only

BASIC = "kubernetes.io/basic-auth"


def secret(text: str) -> dict[str, Any]:
    return {"passwordSecret": {"name": text}}


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"peerAddress": "router"}, "peerAddress", "invalid BGPPeer address"),
        ({"peerAddress": ""}, "peerAddress", "missing BGPPeer address"),
        ({"myASN": 0}, "myASN", "missing local ASN"),
        ({"peerASN": 0}, "peerASN", "missing peer ASN"),
        ({"sourceAddress": "x"}, "sourceAddress", "invalid sourceAddress"),
        ({"sourceAddress": "fd00::1"}, "sourceAddress", "of different families"),
        ({"routerID": "fd00::1"}, "routerID", "invalid router ID"),
        ({"holdTime": "2s"}, "holdTime", "must be 0 or >=3s"),
        ({"holdTime": "65536s"}, "holdTime", "at most 65535s"),
        ({"holdTime": "-9s"}, "holdTime", "must be 0 or >=3s"),
        ({"holdTime": "soon"}, "holdTime", "invalid duration"),
        ({"holdTime": "9s", "keepaliveTime": "10s"}, "keepaliveTime", "must be lower"),
        ({"ebgpMultiHop": True, "peerASN": 64512}, "ebgpMultiHop", "iBGP"),
        ({"bfdProfile": "no"}, "bfdProfile", "references non existing bfd"),
        (secret("no"), "passwordSecret", "secret ref not found"),
        (secret("tls"), "passwordSecret", "type mismatch"),
        (secret("nil"), "passwordSecret", "password not specified"),
        (secret("nil") | {"password": "x"}, "passwordSecret", "both password and secret"),
        ({"vrf": "red"}, "vrf", "not supported"),
        ({"localASN": 1}, "localASN", "not supported"),
        ({"connectTime": "5s"}, "connectTime", "not supported"),
        ({"dualStackAddressFamily": True}, "dualStackAddressFamily", "not supported"),
    ],
)
def test_bad_peers_are_refused(spec: dict[str, Any], field: str, words: str) -> None:
    secrets = {
        (tls := ObjectName(HERALD, "tls")): Secret(tls, "Opaque", {"password": b"x"}),
        (nil := ObjectName(HERALD, "nil")): Secret(nil, BASIC),
    }
    good = bgp_peer("good", peerAddress="192.168.4.9")
    config, faults = usable(cluster(bgp_peers=[bgp_peer(**spec), good], secrets=secrets))
    assert [peer.name for peer in config.peers] == ["good"]
    fault = only(faults)
    assert fault.field == f"spec.{field}"
    assert words in fault.text


def test_peer_whose_secret_goes_keeps_its_password() -> None:
    place = ObjectName(HERALD, "key")
    secret = Secret(place, BASIC, {"password": b"sesame"})
    peers = [bgp_peer(passwordSecret={"name": "key"})]
    before, faults = usable(cluster(bgp_peers=peers, secrets={place: secret}))
    assert faults == ()
    after, faults = usable(cluster(bgp_peers=peers), before)
    assert after.peers == before.peers
    assert after.peers[0].password == "sesame"
    assert only(faults).reason is Reason.BAD_SECRET
    assert "sesame" not in repr(after)


def test_peer_waits_without_a_fault_while_secrets_are_not_known() -> None:
    snapshot = Snapshot(bgp_peers=by_name(bgp_peer(passwordSecret={"name": "key"})))
    assert usable(snapshot) == (Configuration(), ())


def test_two_sessions_with_one_address_need_different_nodes() -> None:
    def on(name: str, text: str) -> Any:
        return bgp_peer(text, nodeSelectors=[{"matchLabels": {"kubernetes.io/hostname": name}}])

    nodes = {name: node(name) for name in ("n1", "n2")}
    assert faults_of(bgp_peers=[on("n1", "a"), on("n2", "b")], nodes=nodes) == ()
    fault = only(faults_of(bgp_peers=[on("n1", "a"), on("n1", "b")], nodes=nodes))
    assert fault.name.name == "b"
    assert "already exists" in fault.text


def test_echo_mode_is_refused_and_so_is_the_peer_that_wants_it() -> None:
    config, faults = usable(
        cluster(
            bfd_profiles=[resource(BFDProfile, "echo", {"echoMode": True})],
            bgp_peers=[bgp_peer(bfdProfile="echo")],
        )
    )
    assert config.peers == ()
    assert [fault.field for fault in faults] == ["spec.echoMode", "spec.bfdProfile"]
    assert "which is refused" in faults[1].text
