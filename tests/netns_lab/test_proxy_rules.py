from dataclasses import replace

from netns_lab.proxy_rules import Backend, ProxyPort, ProxyService, change_script, usable


def backend(address: str, node: str = "node1", *, ready: bool = True) -> Backend:
    return Backend(address, 80, node, ready=ready, serving=ready, terminating=False)


def service(*backends: Backend, local: bool = False) -> ProxyService:
    return ProxyService(
        name="default/web",
        cluster_ips=("10.96.0.5",),
        load_balancer_ips=("192.168.4.10",),
        local=local,
        affinity=False,
        health_check_node_port=0,
        ports=(ProxyPort("TCP", 8090, 30001, backends),),
    )


def rules(*services: ProxyService, node: str = "node1") -> str:
    return change_script([(None, each) for each in services], node)


OUT = "add rule ip herald_proxy sdefault__web_0_out "


def test_terminating_endpoints_serve_only_when_none_is_ready() -> None:
    going = Backend("10.244.1.130", 80, "node1", ready=False, serving=True, terminating=True)
    unready = backend("10.244.1.131", ready=False)
    assert usable([going, backend("10.244.1.132")]) == (backend("10.244.1.132"),)
    assert usable([going, unready]) == (going,)


def test_traffic_from_outside_is_masqueraded_with_policy_cluster_only() -> None:
    marked = f"{OUT}meta mark set mark or 0x4000"
    assert marked in rules(service(backend("10.244.1.130")))
    assert marked not in rules(service(backend("10.244.1.130"), local=True))


def test_policy_local_takes_only_this_nodes_endpoints_and_drops_without_one() -> None:
    both = service(backend("10.244.1.130"), backend("10.244.2.130", "node2"), local=True)
    out = [line for line in rules(both).splitlines() if line.startswith(OUT) and "dnat" in line]
    assert len(out) == 1
    assert "10.244.1.130" in out[0]
    assert "10.244.2.130" not in out[0]
    assert "192.168.4.10 . tcp . 8090 : drop" in rules(both, node="node3")


def test_service_without_endpoints_is_refused_everywhere() -> None:
    text = rules(service())
    for key in ("10.96.0.5 . tcp . 8090", "192.168.4.10 . tcp . 8090", "tcp . 30001"):
        assert f"{key} : goto refuse" in text


def test_service_of_one_family_leaves_the_other_alone() -> None:
    assert " ip6 " not in rules(service(backend("10.244.1.130")))


def test_nothing_is_touched_that_did_not_change() -> None:
    same = service(backend("10.244.1.130"))
    assert change_script([(same, same)], "node1") == ""
    moved = change_script([(same, service(backend("10.244.1.131")))], "node1")
    assert "element" not in moved
    assert "flush chain ip herald_proxy sdefault__web_0_in" in moved


def test_last_endpoint_gone_closes_before_its_chain_is_deleted() -> None:
    lines = change_script([(service(backend("10.244.1.130")), service())], "node1").splitlines()
    open_key = "delete element ip herald_proxy services { 10.96.0.5 . tcp . 8090 }"
    assert lines.index(open_key) < lines.index("delete chain ip herald_proxy sdefault__web_0_in")
    assert any("closed_services { 10.96.0.5 . tcp . 8090 : goto refuse }" in x for x in lines)


def test_address_that_changes_hands_is_deleted_before_it_is_added() -> None:
    one = service(backend("10.244.1.130"))
    other = replace(one, name="default/other", cluster_ips=("10.96.0.6",))
    bare = replace(one, load_balancer_ips=())
    lines = change_script(
        [(replace(other, load_balancer_ips=()), other), (one, bare)], "node1"
    ).splitlines()
    key = "192.168.4.10 . tcp . 8090"
    mine = [line for line in lines if key in line]
    assert [line.split()[0] for line in mine] == ["delete", "add"]
    assert "sdefault__other_0_out" in mine[1]


def test_health_check_counts_ready_endpoints_of_the_node_once() -> None:
    one = service(backend("10.244.1.130"), backend("10.244.2.130", "node2"))
    two_ports = replace(one, ports=one.ports * 2)
    assert two_ports.local_ready("node1") == 1
    assert service(backend("10.244.1.130", ready=False)).local_ready("node1") == 0
