import pytest

from netns_lab.plan import NODES_MAX, PlanError, plan_lab
from netns_lab.topology import cable_lines, host_lines, switch_lines, switch_ports


def test_addresses_are_those_the_documentation_promises() -> None:
    plan = plan_lab("x", 3)
    assert [node.lan_v4 for node in plan.nodes] == [
        "192.168.4.101",
        "192.168.4.102",
        "192.168.4.103",
    ]
    assert plan.node("node2").lan_v6 == "fd00:4::102"
    assert [str(a) for a in plan.host("client").nics[0].addresses] == [
        "192.168.4.2/24",
        "fd00:4::2/64",
    ]
    assert str(plan.node("node3").pods_v4) == "10.244.3.128/25"


def test_no_two_ends_of_cables_share_a_name_a_mac_or_an_address() -> None:
    plan = plan_lab("x", 20)
    nics = [nic for host in plan.hosts for nic in host.nics]
    ends = [(nic.peer_namespace, nic.peer) for nic in nics]
    assert len(set(ends)) == len(ends)
    lan = [nic.mac for host in plan.hosts for nic in host.nics if nic.name == "lan0"]
    assert len(set(lan)) == len(lan) == 23
    addresses = [str(a) for nic in nics for a in (*nic.addresses, *nic.peer_addresses)]
    assert len(set(addresses)) == len(addresses)


def test_names_of_ports_fit_what_the_kernel_takes() -> None:
    assert max(len(port) for port in switch_ports(plan_lab("x" * 12, NODES_MAX))) <= 15


@pytest.mark.parametrize("name", ["", "A", "a-b", "x" * 13, "../x"])
def test_name_that_could_be_mistaken_is_refused(name: str) -> None:
    with pytest.raises(PlanError, match="lab name"):
        plan_lab(name, 3)


@pytest.mark.parametrize("nodes", [0, -1, NODES_MAX + 1])
def test_size_out_of_range_is_refused(nodes: int) -> None:
    with pytest.raises(PlanError, match="nodes"):
        plan_lab("x", nodes)


def test_unknown_host_is_named_with_those_there_are() -> None:
    with pytest.raises(PlanError, match=r"no host 'node9'.*client.*node2"):
        plan_lab("x", 2).host("node9")


def test_every_cable_has_both_ends_outside_the_host_namespace() -> None:
    for line in cable_lines(plan_lab("x", 2)):
        assert line.count(" netns herald-x-") == 2


def test_all_cables_of_a_node_end_at_the_switch() -> None:
    assert switch_ports(plan_lab("x", 2), "node2") == ["lan-node2", "mgmt-node2"]


def test_bridges_are_up_before_their_ports_join() -> None:
    lines = list(switch_lines(plan_lab("x", 1)))
    assert lines.index("link set lan up") < lines.index("link set lan-node1 master lan up")


def test_nodes_reach_each_others_pods_by_the_management_net() -> None:
    plan = plan_lab("x", 2)
    lines = list(host_lines(plan, plan.node("node1").host))
    assert "route add 10.244.2.0/24 via 172.30.4.102" in lines
    assert "route add 10.244.1.0/24 via 10.244.1.2" in lines
