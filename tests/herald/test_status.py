"""`herald status`: fine only when all is, and otherwise what is not."""

import json
from typing import Any

import pytest

from herald.output import Failure
from herald.reach import ClusterReach
from kube.crds import BGPAdvertisement, L2Advertisement
from tests.builders import bgp_advertisement, bgp_peer, l2_advertisement, pool
from tests.herald.clusters import L2_ONLY, PODS, Cluster, pod, service
from tests.herald.pages import owner, page
from tests.speaker.policy.clusters import VIP, basics


def test_status_shows_nodes_and_addresses_and_is_fine(cluster: Cluster) -> None:
    result = cluster.run("status")

    assert result.exit_code == 0, result.output
    for word in ("node1", "node2", VIP, "default/web", "first"):
        assert word in result.output


def test_status_as_json_is_the_nodes_own_pages_and_who_leads(cluster: Cluster) -> None:
    shown = json.loads(cluster.run("status", "-o", "json").output)

    assert shown["troubles"] == []
    assert shown["nodes"]["node1"]["addresses"][0]["address"] == VIP
    assert shown["controllers"] == {"pods": ["controller-a"], "leader": "controller-a"}


def test_status_is_not_fine_when_a_brain_does_not_answer(cluster: Cluster) -> None:
    cluster.node_dies("node2", "error: unable to forward port because pod is not running")
    result = cluster.run("status")

    assert result.exit_code == 1
    assert "node2: its brain does not answer" in result.output
    assert "unable to forward port because pod is not running" in result.output


def test_an_owner_that_does_not_answer_is_named_by_the_others(cluster: Cluster) -> None:
    cluster.node_dies("node1")
    output = cluster.run("status").output

    assert "node1 (by node2's report; its brain does not answer)" in output
    assert "no node announces it" not in output
    assert "announced by node1 (by node2's report" in cluster.run("explain", VIP).output


@pytest.mark.parametrize(
    ("annotations", "words"),
    [
        pytest.param({"address_pool": "frist"}, 'unknown pool "frist"', id="unknown pool"),
        pytest.param({}, "herald-controller is at work", id="nobody gives it one"),
    ],
)
def test_a_service_without_an_address_is_told(
    cluster: Cluster, annotations: dict[str, str], words: str
) -> None:
    cluster.objects("api_v1_services", service("web", VIP), service("new", **annotations))
    result = cluster.run("status")

    assert result.exit_code == 1
    assert "! Service default/new has no address" in result.output
    assert words in result.output


def test_a_service_of_another_class_is_not_ours(cluster: Cluster) -> None:
    theirs = service("theirs")
    theirs["spec"]["loadBalancerClass"] = "other.example/lb"
    cluster.objects("api_v1_services", service("web", VIP), theirs)

    assert cluster.run("status").exit_code == 0
    asked = cluster.run("status", "--lb-class", "other.example/lb")
    assert "Service default/theirs has no address" in asked.output


def test_many_services_without_an_address_leave_the_screen_readable(cluster: Cluster) -> None:
    new = [service(f"new{number}", address_pool="x") for number in range(25)]
    cluster.objects("api_v1_services", service("web", VIP), *new)

    assert "! and 5 more: -o json has them all" in cluster.run("status").output
    assert len(json.loads(cluster.run("status", "-o", "json").output)["troubles"]) == 25


def test_controllers_that_are_not_ready_are_told(cluster: Cluster) -> None:
    cluster.controllers("controller-a", ready=False)
    result = cluster.run("status")

    assert result.exit_code == 1
    assert "no controller is ready" in result.output


@pytest.mark.parametrize(
    ("leader", "words"),
    [
        pytest.param("", "no controller leads", id="no holder"),
        pytest.param("controller-b", "the controller that leads, controller-b, is not", id="gone"),
    ],
)
def test_a_lease_that_nobody_alive_holds_is_told(cluster: Cluster, leader: str, words: str) -> None:
    cluster.controllers("controller-a", leader=leader)
    result = cluster.run("status")

    assert result.exit_code == 1
    assert words in result.output


@pytest.mark.parametrize("where", [("--namespace", "foo"), ()])
def test_a_namespace_without_herald_is_not_fine(cluster: Cluster, where: tuple[str, ...]) -> None:
    cluster.objects(PODS, pod("other", "unrelated"))
    result = cluster.run("status", *where)

    assert result.exit_code == 1
    assert f"no speaker Pod in namespace {where[1] if where else 'metallb-system'}" in result.output
    assert "no controller Pod in namespace" in result.output
    assert cluster.run("why-moved", VIP, *where).exit_code == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param(
            [pool("first", "192.168.4.10/31"), l2_advertisement(ipAddressPools=["frist"])],
            'unknown pool "frist"',
            id="pool",
        ),
        pytest.param(
            [bgp_peer(), bgp_advertisement(peers=["roter", "router"])],
            'unknown peer "roter"',
            id="peer",
        ),
    ],
)
def test_a_name_that_leads_nowhere_is_trouble(
    cluster: Cluster, wrong: list[object], words: str
) -> None:
    cluster.page("node1", page("node1", [*L2_ONLY, *wrong], wire=[owner("owned", "node1")]))
    result = cluster.run("status")

    assert result.exit_code == 1
    assert any(line.startswith("! ") and words in line for line in result.output.splitlines())


def unadvertised(**changes: Any) -> list[Any]:
    return [e for e in basics(**changes) if not isinstance(e, L2Advertisement | BGPAdvertisement)]


def test_an_address_that_no_advertisement_is_for_is_told(cluster: Cluster) -> None:
    for node in ("node1", "node2"):
        cluster.page(node, page(node, unadvertised()))
    result = cluster.run("status")

    assert result.exit_code == 1
    assert f"! {VIP}: no node announces it, for no advertisement selects it: `" in result.output


def test_addresses_that_are_not_ours_need_no_advertisement(cluster: Cluster) -> None:
    for node in ("node1", "node2"):
        cluster.page(node, page(node, unadvertised(load_balancer_class="other.example/lb")))

    assert cluster.run("status").exit_code == 0


def test_advice_is_no_trouble(cluster: Cluster) -> None:
    shown = page("node1", L2_ONLY, wire=[owner("owned", "node1")])
    advice = {"object": "BFDProfile metallb-system/x", "field": "spec.echoInterval",
              "sentence": "has no effect", "reason": "no-effect", "refused": False}  # fmt: skip
    cluster.page("node1", shown | {"faults": [advice]})
    result = cluster.run("status")

    assert result.exit_code == 0, result.output
    assert "- BFDProfile metallb-system/x: spec.echoInterval: has no effect" in result.output


def test_a_process_that_hangs_is_told(cluster: Cluster) -> None:
    shown = page("node1", L2_ONLY, wire=[owner("owned", "node1")], silent_s={"wire": 7.2})
    cluster.page("node1", shown)
    result = cluster.run("status")

    assert result.exit_code == 1
    assert "! node1: its wire process has not read for 7 s what the brain says" in result.output


def test_an_api_server_that_refuses_does_not_hide_the_nodes(cluster: Cluster) -> None:
    cluster.fails("api_v1_services", "error: connection refused")
    result = cluster.run("status")

    assert result.exit_code == 1
    assert "default/web" in result.output
    assert "! nothing is known of the Services and the controller: kubectl get" in result.output
    assert "connection refused" in result.output


def test_what_is_asked_of_kubectl_has_an_end(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    reach = ClusterReach("metallb-system", (), page_limit_s=0.2)
    reach.nodes()
    cluster.fails("api_v1_services", "hang")
    cluster.node_dies("node1", "hang")

    with pytest.raises(Failure, match=r"no answer in 0\.2 s"):
        ClusterReach("metallb-system", (), api_limit_s=0.2).get("/api/v1/services")
    assert reach.status("node1") is None
    assert "says nothing for 0.2 s" in reach.why_silent("node1")


def test_a_lab_and_a_cluster_exclude_each_other(cluster: Cluster) -> None:
    assert cluster.run("status", "--lab", "x").exit_code == 2
