"""`herald explain` and `why-moved` through a stand-in for kubectl."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from herald.cli import cli
from kube.objects import EndpointSlice
from tests.builders import bgp_peer, l2_advertisement, pool
from tests.herald.clusters import HERALD_OBJECTS, L2_ONLY, PLAIN, PODS, Cluster, pod, service
from tests.herald.pages import owner, page
from tests.speaker.policy.clusters import VIP, basics


@pytest.mark.parametrize("target", ["web", "default/web", VIP])
def test_explain_says_who_has_it_and_why_not_the_others(cluster: Cluster, target: str) -> None:
    result = cluster.run("explain", target)

    assert result.exit_code == 0, result.output
    assert f"Service default/web has {VIP} from pool first" in result.output
    assert f"{VIP} by layer2: announced by node1" in result.output
    assert "node2 may: leaves it to node1 on lan0" in result.output
    assert f"{VIP} by bgp: nobody asks for it" in result.output


def test_explain_says_what_is_wrong_with_a_node(cluster: Cluster) -> None:
    cluster.node_dies("node2")

    assert "! node2: its brain does not answer" in cluster.run("explain", "web").output


def test_explain_all_shows_each_open_gate_in_words(cluster: Cluster) -> None:
    output = cluster.run("explain", "web", "--all").output

    assert output.count("open   endpoint: the Service has a usable endpoint") == 2


def test_a_gate_that_is_closed_for_one_reason_on_all_nodes_is_told_once(cluster: Cluster) -> None:
    state = [each for each in L2_ONLY if not isinstance(each, EndpointSlice)]
    for node in ("node1", "node2"):
        cluster.page(node, page(node, state))
    plain, every = (cluster.run("explain", "web", *more).output for more in ((), ("--all",)))

    assert plain.count("closed on all nodes: endpoint: Service default/web: spec.selector: ") == 1
    assert plain.count("none of its endpoints is ready") == 1
    assert every.count("    closed endpoint: Service default/web: spec.selector: ") == 2


def test_explain_of_a_service_without_an_address_is_the_controllers(cluster: Cluster) -> None:
    cluster.objects("api_v1_services", service("web", VIP), service("new"))
    result = cluster.run("explain", "new")

    assert result.exit_code == 1
    assert "Service default/new has no address" in result.output


@pytest.mark.parametrize(
    ("leader", "words"),
    [
        pytest.param("controller-a", "pool first is full, 4 of 4", id="the controller's"),
        pytest.param("", 'unknown pool "frist"', id="its own where none leads"),
    ],
)
def test_explain_takes_the_words_of_a_controller_that_leads(
    cluster: Cluster, leader: str, words: str
) -> None:
    new = service("new", address_pool="frist")
    told = {"type": "herald.io/AddressAssigned", "status": "False", "reason": "PoolFull"}
    new["status"]["conditions"] = [told | {"message": "pool first is full, 4 of 4: add a range"}]
    cluster.objects("api_v1_services", new)
    cluster.controllers("controller-a", leader=leader)

    assert f"Service default/new has no address: {words}" in cluster.run("explain", "new").output


def test_explain_leaves_out_addresses_of_nodes(cluster: Cluster) -> None:
    """The controller never gives them: what it says of a full pool counts them out."""
    at = {"addresses": [{"type": "InternalIP", "address": "192.168.4.11"}]}
    cluster.objects("api_v1_nodes", {"metadata": {"name": "node1"}, "status": at})
    cluster.objects("api_v1_services", service("web", VIP), service("new"))

    assert "1 left out because nodes have them" in cluster.run("explain", "new").output


@pytest.mark.parametrize(
    ("target", "words"),
    [
        pytest.param("nowhere", "does not exist", id="no such Service"),
        pytest.param("192.168.4.99", "no Service has the address", id="no such address"),
    ],
)
def test_explain_of_nothing_is_not_fine(cluster: Cluster, target: str, words: str) -> None:
    result = cluster.run("explain", target)

    assert result.exit_code == 1
    assert words in result.output


def test_why_moved_tells_when_from_where_and_why(cluster: Cluster) -> None:
    output = cluster.run("why-moved", VIP).output

    assert "10.0 s ago  lan0  nobody -> node1: the node that had it fell silent" in output


def test_why_moved_says_that_nothing_moved_only_of_an_address_that_is_there(
    cluster: Cluster,
) -> None:
    cluster.page("node1", page("node1", L2_ONLY, wire=[owner("owned", "node1")]))
    still = cluster.run("why-moved", VIP)
    unknown = cluster.run("why-moved", "192.168.4.99")

    assert (still.exit_code, unknown.exit_code) == (0, 1)
    assert "has not moved" in still.output
    assert "has not moved" not in unknown.output
    assert "no node that answers knows 192.168.4.99" in unknown.output


def test_why_moved_without_any_brain_claims_nothing(cluster: Cluster) -> None:
    cluster.node_dies("node1")
    cluster.node_dies("node2")
    result = cluster.run("why-moved", VIP)

    assert result.exit_code == 1
    assert "has not moved" not in result.output
    assert "! node1: its brain does not answer" in result.output


def test_why_moved_without_one_brain_says_what_the_others_saw_and_who_is_missing(
    cluster: Cluster,
) -> None:
    cluster.node_dies("node2")
    result = cluster.run("why-moved", VIP)

    assert result.exit_code == 1
    assert "nobody -> node1" in result.output
    assert "! node2: its brain does not answer" in result.output


def test_why_moved_of_no_address_is_wrong_use(cluster: Cluster) -> None:
    assert cluster.run("why-moved", "web").exit_code == 2


OTHER_POOL = {"metadata": PLAIN | {"name": "other"}, "spec": {"addresses": ["192.0.2.0/24"]}}


def faulty(*wrong: Any, wanted: list[Any] = L2_ONLY, **more: Any) -> dict[str, Any]:
    return page("node1", [*wanted, *wrong], wire=[owner("owned", "node1")], **more)


def test_explain_leaves_out_faults_that_concern_others(cluster: Cluster) -> None:
    ad = {"metadata": PLAIN | {"name": "elsewhere"}, "spec": {"ipAddressPools": ["other", "othr"]}}
    cluster.objects(f"{HERALD_OBJECTS}l2advertisements", {"metadata": PLAIN | {"name": "l2"}}, ad)
    cluster.page(
        "node1",
        faulty(
            pool("other", "192.0.2.0/33"),
            l2_advertisement("elsewhere", ipAddressPools=["other", "othr"]),
            bgp_peer(passwordSecret={"name": "gone"}),
        ),
    )
    output = cluster.run("explain", "web").output

    assert "!" not in output
    assert "3 other faults: see `herald status`" in output


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param([pool("first", "192.168.4.10/33")], "IPAddressPool", id="its pool"),
        pytest.param(
            [l2_advertisement(nodeSelectors=[{"matchLabels": {}}, {"matchLabels": {}}])],
            "L2Advertisement",
            id="its advertisement",
        ),
    ],
)
def test_explain_tells_faults_of_what_the_service_uses(
    cluster: Cluster, wrong: list[Any], words: str
) -> None:
    cluster.page("node1", faulty(*wrong))
    output = cluster.run("explain", "web").output

    assert any(f"! {words} metallb-system/" in line for line in output.splitlines()), output
    assert "other fault" not in output


def test_explain_tells_faults_of_peers_where_a_peer_is_asked_for(cluster: Cluster) -> None:
    cluster.objects(f"{HERALD_OBJECTS}bgpadvertisements", {"metadata": PLAIN | {"name": "bgp"}})
    shown = faulty(bgp_peer(passwordSecret={"name": "gone"}), wanted=basics())
    cluster.page("node1", shown)

    assert "! BGPPeer metallb-system/router" in cluster.run("explain", "web").output


def test_explain_of_an_advertisement_with_a_mistyped_pool_tells_it(cluster: Cluster) -> None:
    ad = {"metadata": PLAIN | {"name": "l2"}, "spec": {"ipAddressPools": ["frist"]}}
    cluster.objects(f"{HERALD_OBJECTS}l2advertisements", ad)
    nothing = [each for each in L2_ONLY if type(each).__name__ != "L2Advertisement"]
    mistyped = l2_advertisement(ipAddressPools=["frist"])
    for node in ("node1", "node2"):
        cluster.page(node, page(node, [*nothing, mistyped]))
    output = cluster.run("explain", "web").output

    assert (
        '! L2Advertisement metallb-system/l2: spec.ipAddressPools: unknown pool "frist"' in output
    )
    assert "closed advertisement" in output


def test_gates_of_a_protocol_that_nobody_asks_for_are_shown_on_request_only(
    cluster: Cluster,
) -> None:
    plain, every = (cluster.run("explain", "web", *more).output for more in ((), ("--all",)))

    assert f"{VIP} by bgp: nobody asks for it" in plain
    assert "closed" not in plain
    assert "closed advertisement" in every


def test_explain_in_a_namespace_without_herald_says_so(cluster: Cluster) -> None:
    cluster.objects(PODS, pod("other", "unrelated"))

    assert "! no speaker Pod in namespace metallb-system" in cluster.run("explain", "web").output


def test_explain_as_json_has_the_faults_and_how_many_others_there_are(cluster: Cluster) -> None:
    cluster.page("node1", faulty(bgp_peer(passwordSecret={"name": "gone"})))
    shown = json.loads(cluster.run("explain", "web", "-o", "json").output)

    assert (shown["faults"], shown["other_faults"]) == ([], 1)


@pytest.mark.parametrize("command", ["status", "explain", "why-moved"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])

    assert result.exit_code == 0
    assert "Example:" in result.output
