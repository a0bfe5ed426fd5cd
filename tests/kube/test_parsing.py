"""From the API's JSON to values: defaults as Kubernetes defines them, faults with a name."""

from ipaddress import ip_address
from typing import Any

import pytest

from kube.objects import IPFamilyPolicy, ObjectError, ServicePort, TrafficPolicy
from kube.parsing import (
    parse_endpoint_slice,
    parse_node,
    parse_pod,
    parse_secret,
    parse_service,
)

META = {"name": "web", "namespace": "shop", "uid": "u", "resourceVersion": "7"}


def service(spec: dict[str, Any] | None = None, **rest: Any) -> dict[str, Any]:
    return {"kind": "Service", "metadata": META, "spec": spec or {}} | rest


def test_service_without_fields_has_the_defaults_of_the_api() -> None:
    parsed = parse_service(service())
    assert parsed.type == "ClusterIP"
    assert parsed.traffic_policy is TrafficPolicy.CLUSTER
    assert parsed.ip_family_policy is IPFamilyPolicy.SINGLE_STACK
    assert parsed.load_balancer_class is None
    assert (parsed.ports, parsed.ingress, parsed.ingress_complete) == ((), (), True)


def test_service_keeps_what_is_decided_on_and_nothing_else() -> None:
    annotations = {
        "metallb.io/address-pool": "a",
        "metallb.universe.tf/address-pool": "b",
        "herald.io/drain": "true",
        "kubectl.kubernetes.io/last-applied-configuration": "long",
    }
    parsed = parse_service(
        service(
            {"type": "LoadBalancer", "ports": [{"port": 80}], "clusterIPs": ["10.96.0.1"]},
            metadata=META | {"annotations": annotations},
        )
    )
    assert parsed.ports == (ServicePort("TCP", 80),)
    assert set(parsed.annotations) == set(annotations) - {
        "kubectl.kubernetes.io/last-applied-configuration"
    }
    assert parsed.annotation("address-pool") == "a"
    assert parsed.annotation("loadBalancerIPs") is None


def test_empty_annotation_under_the_newer_prefix_wins() -> None:
    annotations = {"metallb.io/address-pool": "", "metallb.universe.tf/address-pool": "b"}
    parsed = parse_service(service(metadata=META | {"annotations": annotations}))
    assert parsed.annotation("address-pool") == ""


@pytest.mark.parametrize(
    ("ingress", "addresses", "complete"),
    [
        pytest.param([{"ip": "192.0.2.1", "ipMode": "VIP"}], ["192.0.2.1"], True, id="address"),
        pytest.param([{"hostname": "lb.example"}], [], False, id="hostname"),
        pytest.param([{"ip": "192.0.2.1"}, {"ip": "x"}], ["192.0.2.1"], False, id="junk"),
        pytest.param([], [], True, id="none"),
    ],
)
def test_ingress_tells_addresses_from_the_rest(
    ingress: list[dict[str, str]], addresses: list[str], complete: bool
) -> None:
    parsed = parse_service(service(status={"loadBalancer": {"ingress": ingress}}))
    assert parsed.ingress == tuple(map(ip_address, addresses))
    assert parsed.ingress_complete is complete


def test_headless_service_has_no_cluster_ip() -> None:
    assert parse_service(service({"clusterIP": "None", "clusterIPs": ["None"]})).cluster_ips == ()


@pytest.mark.parametrize(
    ("conditions", "ready", "serving", "usable"),
    [
        pytest.param({}, True, True, True, id="none given"),
        pytest.param({"ready": None}, True, True, True, id="ready is null"),
        pytest.param({"ready": False}, False, False, False, id="not ready"),
        pytest.param({"ready": False, "serving": True}, False, True, True, id="terminating"),
        pytest.param({"ready": True, "serving": False}, True, False, True, id="ready counts"),
    ],
)
def test_conditions_of_an_endpoint_have_the_apis_defaults(
    conditions: dict[str, Any], ready: bool, serving: bool, usable: bool
) -> None:
    parsed = parse_endpoint_slice(
        {
            "metadata": META | {"labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions}],
        }
    )
    (endpoint,) = parsed.endpoints
    assert (endpoint.ready, endpoint.serving, endpoint.usable) == (ready, serving, usable)
    assert parsed.service == "web"


def test_node_keeps_internal_addresses_and_the_one_condition() -> None:
    parsed = parse_node(
        {
            "metadata": {"name": "n"},
            "status": {
                "addresses": [
                    {"type": "InternalIP", "address": "192.168.4.101"},
                    {"type": "Hostname", "address": "n"},
                    {"type": "InternalIP", "address": "fd00:4::65"},
                ],
                "conditions": [{"type": "NetworkUnavailable", "status": "True"}],
            },
        }
    )
    assert [str(each) for each in parsed.internal_ips] == ["192.168.4.101", "fd00:4::65"]
    assert parsed.network_unavailable


def test_pod_that_goes_is_terminating() -> None:
    meta = META | {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    parsed = parse_pod({"metadata": meta, "spec": {"nodeName": "n"}, "status": status})
    assert (parsed.node_name, parsed.ready, parsed.terminating) == ("n", True, True)


def test_secret_is_decoded_and_never_shown() -> None:
    parsed = parse_secret({"metadata": META, "type": "Opaque", "data": {"password": "c2VzYW1l"}})
    assert parsed.data["password"] == b"sesame"
    assert "sesame" not in repr(parsed)


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        pytest.param(service({"ports": [{"port": "http"}]}), "Service shop/web", id="port"),
        pytest.param(service({"ports": 7}), "Service shop/web", id="ports"),
        pytest.param(service({"ipFamilyPolicy": "Both"}), "Service shop/web", id="policy"),
        pytest.param({"kind": "Service", "metadata": {}}, "metadata.name is missing", id="name"),
    ],
)
def test_fault_names_the_object(obj: dict[str, Any], words: str) -> None:
    with pytest.raises(ObjectError, match=words):
        parse_service(obj)


def test_secret_that_is_not_base64_is_a_fault() -> None:
    with pytest.raises(ObjectError, match="Secret shop/web: data is not base64"):
        parse_secret({"metadata": META, "data": {"password": "%"}})
