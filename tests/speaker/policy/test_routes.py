"""From decisions to routes: aggregation, peers, communities, preferences."""

from ipaddress import ip_address, ip_network
from typing import Any

from kube.configuration import BFDTimers, BGPAd, Configuration, Peer, Pool
from kube.ranges import parse_range
from kube.selectors import LabelSelector
from speaker.policy.decide import Verdicts, decide_address
from speaker.policy.deciding import Deciding
from speaker.policy.gates import Gate, Protocol
from speaker.policy.health import NODE_PORT, Verdict
from speaker.policy.peers import sessions_of
from speaker.policy.routes import with_peers
from speaker.seam.messages import BfdIntent, RouteIntent, RouteVariant
from tests.builders import endpoints, node, service
from tests.speaker.policy.clusters import ME, VIP, snapshot, view

POOL = Pool("first", (parse_range("192.168.4.0/24"), parse_range("fd00:4::/64")))
NODE1 = LabelSelector.model_validate({"matchLabels": {"kubernetes.io/hostname": "node1"}})
NODE2 = LabelSelector.model_validate({"matchLabels": {"kubernetes.io/hostname": "node2"}})
V6 = "fd00:4::10"


def ad(name: str = "bgp", **changes: Any) -> BGPAd:
    changes["peers"] = frozenset(changes.get("peers", ()))
    return BGPAd(name, frozenset({"first"}), **changes)


def peer(name: str, address: str = "192.168.4.1", **changes: Any) -> Peer:
    return Peer(name, ip_address(address), 64512, 64513, **changes)


A, B = peer("a"), peer("b", "192.168.4.2")


def configuration(*ads: BGPAd, peers: tuple[Peer, ...] = (A, B)) -> Configuration:
    return Configuration(pools=(POOL,), bgp=ads, peers=peers)


def routes(
    found: Configuration, *addresses: str, verdicts: Verdicts | None = None
) -> list[RouteIntent]:
    state: list[Any] = [node("node1")]
    for number, address in enumerate(addresses or (VIP,)):
        state += [service(f"s{number}", ingress=[address]), endpoints(f"s{number}", "node1")]
    deciding, made = Deciding(ME), snapshot(*state)
    deciding.update(made, found, made.services)
    deciding.step(verdicts, lambda: True)
    return deciding.routes()


def test_an_address_becomes_a_host_route_to_every_peer() -> None:
    found = configuration(ad())

    assert routes(found) == [RouteIntent(ip_network(f"{VIP}/32"), ("a", "b"))]
    assert routes(found, V6) == [RouteIntent(ip_network(f"{V6}/128"), ("a", "b"))]


def test_aggregation_joins_addresses_and_lasts_until_the_last_is_gone() -> None:
    found = configuration(ad(aggregation_length=24, aggregation_length_v6=64))

    assert [r.prefix for r in routes(found, VIP, "192.168.4.11", V6)] == [
        ip_network("192.168.4.0/24"),
        ip_network("fd00:4::/64"),
    ]


def test_two_advertisements_of_one_prefix_join_their_communities() -> None:
    found = configuration(ad("x", communities=("64512:2",)), ad("y", communities=("64512:1",)))

    assert routes(found)[0].communities == ("64512:1", "64512:2")


def test_an_address_and_its_aggregate_go_out_together() -> None:
    found = configuration(
        ad("host", communities=("65535:65282",)), ad("all", aggregation_length=24)
    )

    assert {str(r.prefix): r.communities for r in routes(found)} == {
        f"{VIP}/32": ("65535:65282",),
        "192.168.4.0/24": (),
    }


def test_peers_with_other_attributes_are_variants_of_the_route() -> None:
    found = configuration(
        ad("x", peers=["a"], local_pref=100), ad("y", peers=["b"], local_pref=200)
    )

    assert routes(found) == [
        RouteIntent(
            ip_network(f"{VIP}/32"),
            ("a",),
            local_pref=100,
            variants=(RouteVariant(("b",), local_pref=200),),
        )
    ]


def test_of_contradicting_preferences_the_first_is_used_and_the_other_reported() -> None:
    found = configuration(ad("x", local_pref=100), ad("y", local_pref=200))
    state = [node("node1"), service("web", ingress=[VIP]), endpoints("web", "node1")]
    decision = decide_address(
        view(*state, configuration=found), Protocol.BGP, ip_address(VIP), None
    )
    assert decision is not None
    decision = with_peers(decision, sessions_of(found, node("node1")))

    assert decision.may
    assert [w.gate for w in decision.reported] == [Gate.CONSISTENT] * 2
    assert decision.reported[0].object == "BGPAdvertisement y"
    assert routes(found)[0].local_pref == 100


def test_an_advertisement_for_another_node_does_not_count() -> None:
    found = configuration(ad("x", node_selectors=(NODE2,), communities=("1:1",)), ad("y"))

    assert routes(found)[0].communities == ()


def test_without_a_peer_on_this_node_the_gate_says_so() -> None:
    elsewhere = peer("a", node_selectors=(NODE2,))
    for found, opener in (
        (configuration(ad(), peers=(elsewhere,)), "BGPPeer"),
        (configuration(ad(peers=["gone"])), "BGPAdvertisement bgp"),
    ):
        made = snapshot(node("node1"), service("web", ingress=[VIP]), endpoints("web", "node1"))
        deciding = Deciding(ME)
        deciding.update(made, found, made.services)
        deciding.step(None, lambda: True)
        decision = deciding.decisions[Protocol.BGP, ip_address(VIP)]
        assert [(w.gate, w.object) for w in decision.closed] == [(Gate.PEER, opener)]
        assert deciding.routes() == []


def test_an_aggregate_is_preferred_while_one_address_of_it_is_well() -> None:
    found = configuration(ad())

    assert routes(found, verdicts={NODE_PORT: Verdict.FAILED})[0].de_preferred
    assert not routes(found, verdicts={NODE_PORT: Verdict.OPEN})[0].de_preferred


def test_what_is_not_known_yet_is_kept_but_not_begun() -> None:
    assert not routes(configuration(ad()), verdicts={})[0].may_begin


def test_sessions_are_those_whose_selectors_select_the_node() -> None:
    found = configuration(
        peers=(peer("a", node_selectors=(NODE1,)), peer("b", node_selectors=(NODE2,)))
    )

    assert list(sessions_of(found, node("node1")).peers) == ["a"]
    assert not sessions_of(found, None).peers


def test_one_bfd_session_serves_all_peers_of_an_address() -> None:
    fast = BFDTimers("fast", receive_ms=100, transmit_ms=50)
    found = configuration(peers=(peer("a", bfd=fast), peer("b", port=1179, bfd=fast), peer("c")))
    sessions = sessions_of(found, node("node1"))

    assert sessions.bfd == (BfdIntent(ip_address("192.168.4.1"), transmit_ms=50, receive_ms=100),)
    assert [each.bfd for each in sessions.bgp] == [True, True, False]


def test_a_password_does_not_show_in_the_intents_repr() -> None:
    found = configuration(peers=(peer("a", password="hunter2"),))

    assert "hunter2" not in repr(sessions_of(found, node("node1")).bgp)
