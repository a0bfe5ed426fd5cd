from typing import Any

from netns_lab.proxy_rules import Backend, ProxyPort, ProxyService
from netns_lab.service_proxy import _gone_udp, proxy_service

SERVICE: dict[str, Any] = {
    "spec": {
        "clusterIP": "10.96.0.5",
        "clusterIPs": ["10.96.0.5", "fd00:10:96::5"],
        "externalTrafficPolicy": "Local",
        "healthCheckNodePort": 32000,
        "externalIPs": ["203.0.113.1"],
        "ports": [{"name": "http", "port": 80, "nodePort": 30001, "targetPort": 8080}],
    },
    "status": {"loadBalancer": {"ingress": [{"ip": "192.168.4.10"}, {"hostname": "x"}]}},
}


def slice_of(*endpoints: dict[str, Any], name: str = "http") -> dict[str, Any]:
    return {
        "addressType": "IPv4",
        "ports": [{"name": name, "port": 8080}],
        "endpoints": list(endpoints),
    }


def endpoint(address: str, node: str = "node1", **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": conditions}


def test_service_is_read_with_all_its_addresses() -> None:
    read = proxy_service(("default", "web"), SERVICE, [])
    assert read.name == "default/web"
    assert read.cluster_ips == ("10.96.0.5", "fd00:10:96::5")
    assert read.load_balancer_ips == ("192.168.4.10", "203.0.113.1")
    assert read.local
    assert read.health_check_node_port == 32000
    assert read.ports == (ProxyPort("TCP", 80, 30001, ()),)


def test_endpoints_without_conditions_are_ready_and_serving() -> None:
    read = proxy_service(("default", "web"), SERVICE, [slice_of(endpoint("10.244.1.129"))])
    assert read.ports[0].backends == (
        Backend("10.244.1.129", 8080, "node1", ready=True, serving=True, terminating=False),
    )


def test_terminating_endpoint_keeps_its_conditions() -> None:
    going = endpoint("10.244.1.129", ready=False, serving=True, terminating=True)
    read = proxy_service(("default", "web"), SERVICE, [slice_of(going)])
    backend = read.ports[0].backends[0]
    assert (backend.ready, backend.serving, backend.terminating) == (False, True, True)
    assert read.local_ready("node1") == 0


def test_slices_with_another_port_name_serve_other_ports() -> None:
    read = proxy_service(("default", "web"), SERVICE, [slice_of(endpoint("10.1.1.1"), name="x")])
    assert read.ports[0].backends == ()


def test_endpoint_in_two_slices_counts_once() -> None:
    # Allowed while the controller moves it from one slice to another.
    both = [slice_of(endpoint("10.244.1.129")), slice_of(endpoint("10.244.1.129"))]
    assert len(proxy_service(("default", "web"), SERVICE, both).ports[0].backends) == 1


def test_udp_flows_are_forgotten_once_their_endpoint_serves_no_more() -> None:
    ports = [{"name": "dns", "protocol": "UDP", "port": 53, "targetPort": 8080}]
    udp = SERVICE | {"spec": SERVICE["spec"] | {"ports": ports}}

    def with_endpoint(**conditions: bool) -> ProxyService:
        endpoints = [endpoint("10.244.1.9", "node1", **conditions), endpoint("10.244.2.9", "node2")]
        return proxy_service(("default", "dns"), udp, [slice_of(*endpoints, name="dns")])

    ready = with_endpoint(ready=True, serving=True, terminating=False)
    ending = with_endpoint(ready=False, serving=True, terminating=True)
    ended = with_endpoint(ready=False, serving=False, terminating=True)

    assert list(_gone_udp(ready, ending)) == []
    assert {backend for _, backend in _gone_udp(ending, ended)} == {"10.244.1.9"}
