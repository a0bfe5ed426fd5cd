from dataclasses import replace

from netns_lab.proxy_rules import Backend, ProxyPort, ProxyService, ruleset, usable

NODE_IPS = ("192.168.4.101", "fd00:4::101")


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
    return ruleset(services, node, NODE_IPS)


def test_terminating_endpoints_serve_only_when_none_is_ready() -> None:
    going = Backend("10.244.1.130", 80, "node1", ready=False, serving=True, terminating=True)
    unready = backend("10.244.1.131", ready=False)
    assert usable([going, backend("10.244.1.132")]) == (backend("10.244.1.132"),)
    assert usable([going, unready]) == (going,)


def test_traffic_from_outside_is_masqueraded_with_policy_cluster_only() -> None:
    out = "chain sdefault__web_0_out {\n    meta mark set mark or 0x4000"
    assert out in rules(service(backend("10.244.1.130")))
    assert out not in rules(service(backend("10.244.1.130"), local=True))


def test_policy_local_takes_only_this_nodes_endpoints_and_drops_without_one() -> None:
    both = service(backend("10.244.1.130"), backend("10.244.2.130", "node2"), local=True)
    out = rules(both).split("chain sdefault__web_0_out")[1].split("}\n")[0]
    assert "10.244.1.130" in out
    assert "10.244.2.130" not in out
    assert "192.168.4.10 . tcp . 8090 : drop" in rules(both, node="node3")


def test_service_without_endpoints_is_refused_everywhere() -> None:
    text = rules(service())
    for key in ("10.96.0.5 . tcp . 8090", "192.168.4.10 . tcp . 8090", "tcp . 30001"):
        assert f"{key} : goto refuse" in text


def test_service_of_one_family_leaves_the_other_alone() -> None:
    six = rules(service(backend("10.244.1.130"))).split("table ip6 herald_proxy {")[1]
    assert "30001" not in six


def test_health_check_counts_ready_endpoints_of_the_node_once() -> None:
    one = service(backend("10.244.1.130"), backend("10.244.2.130", "node2"))
    two_ports = replace(one, ports=one.ports * 2)
    assert two_ports.local_ready("node1") == 1
    assert service(backend("10.244.1.130", ready=False)).local_ready("node1") == 0
