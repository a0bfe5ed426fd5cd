"""What the server does to Services: defaults, allocation, rules, changes of type."""

from typing import Any

import pytest

from tests.netns_lab.control_plane.clients import SERVICES, plane

LB = {"type": "LoadBalancer", "ports": [{"port": 80}]}


async def test_a_load_balancer_gets_cluster_ip_node_port_and_defaults() -> None:
    async with plane() as p:
        spec = (await p.create(SERVICES, "web", spec=LB))["spec"]

        assert spec["clusterIP"].startswith("10.96.")
        assert spec["clusterIPs"] == [spec["clusterIP"]]
        assert spec["ipFamilies"] == ["IPv4"]
        assert spec["ipFamilyPolicy"] == "SingleStack"
        assert spec["externalTrafficPolicy"] == "Cluster"
        assert "healthCheckNodePort" not in spec
        port = spec["ports"][0]
        assert (port["protocol"], port["targetPort"]) == ("TCP", 80)
        assert 30000 <= port["nodePort"] <= 32767


async def test_local_policy_gets_a_health_check_port_and_leaving_it_frees_the_port() -> None:
    async with plane() as p:
        created = await p.create(SERVICES, "web", spec=LB | {"externalTrafficPolicy": "Local"})
        port = created["spec"]["healthCheckNodePort"]
        assert port != created["spec"]["ports"][0]["nodePort"]
        changed = await p.patch(f"{SERVICES}/web", {"spec": {"externalTrafficPolicy": "Cluster"}})
        assert "healthCheckNodePort" not in changed["spec"]

        taken = {"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}
        await p.create(SERVICES, "other", spec=taken)


async def test_no_node_ports_when_they_are_declined() -> None:
    async with plane() as p:
        spec = LB | {"allocateLoadBalancerNodePorts": False}
        created = await p.create(SERVICES, "web", spec=spec)

        assert "nodePort" not in created["spec"]["ports"][0]


@pytest.mark.parametrize(
    ("spec", "families", "policy"),
    [
        pytest.param({"ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], None, id="prefer"),
        pytest.param({"ipFamilies": ["IPv6"]}, ["IPv6"], "SingleStack", id="IPv6 alone"),
        pytest.param(
            {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "RequireDualStack"},
            ["IPv6", "IPv4"],
            None,
            id="IPv6 first",
        ),
    ],
)
async def test_cluster_ips_follow_the_families(
    spec: dict[str, Any], families: list[str], policy: str | None
) -> None:
    async with plane() as p:
        stored = (await p.create(SERVICES, "web", spec=LB | spec))["spec"]

        assert stored["ipFamilies"] == families
        assert [":" in ip for ip in stored["clusterIPs"]] == [f == "IPv6" for f in families]
        if policy:
            assert stored["ipFamilyPolicy"] == policy


async def test_a_replace_that_leaves_allocated_values_out_keeps_them() -> None:
    async with plane() as p:
        created = await p.create(SERVICES, "web", spec=LB)
        replaced = await p.put(f"{SERVICES}/web", {"metadata": {"name": "web"}, "spec": LB})

        assert replaced["spec"] == created["spec"]


async def test_becoming_cluster_ip_drops_what_only_load_balancers_have() -> None:
    async with plane() as p:
        spec = LB | {"loadBalancerClass": "x.io/lb", "externalTrafficPolicy": "Local"}
        await p.create(SERVICES, "web", spec=spec)
        changed = (await p.patch(f"{SERVICES}/web", {"spec": {"type": "ClusterIP"}}))["spec"]

        gone = {
            "loadBalancerClass",
            "externalTrafficPolicy",
            "healthCheckNodePort",
            "allocateLoadBalancerNodePorts",
        }
        assert not gone & changed.keys()
        assert "nodePort" not in changed["ports"][0]


async def test_a_deleted_service_frees_its_cluster_ip() -> None:
    async with plane() as p:
        spec = {"clusterIP": "10.96.7.7", "ports": [{"port": 80}]}
        await p.create(SERVICES, "a", spec=spec)
        code, status = await p.ask("POST", SERVICES, {"metadata": {"name": "b"}, "spec": spec})
        assert (code, "already allocated" in status["message"]) == (422, True)

        await p.delete(f"{SERVICES}/a")
        await p.create(SERVICES, "b", spec=spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"ports": []}, "spec.ports: Required value", id="no ports"),
        pytest.param({"ports": [{"port": 0}]}, "spec.ports[0].port", id="port 0"),
        pytest.param({"ports": [{"port": 1}, {"port": 2}]}, "spec.ports[0].name", id="no names"),
        pytest.param(
            {"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]},
            "Duplicate value",
            id="same port twice",
        ),
        pytest.param({"ports": [{"port": 1}], "type": "Other"}, "spec.type", id="unknown type"),
        pytest.param(
            {"ports": [{"port": 1}], "loadBalancerClass": "x.io/y"},
            "may only be used when `type` is 'LoadBalancer'",
            id="class without load balancer",
        ),
        pytest.param(
            {"ports": [{"port": 1}], "clusterIP": "192.0.2.1"}, "valid range", id="foreign address"
        ),
        pytest.param(
            {"type": "NodePort", "ports": [{"port": 1, "nodePort": 80}]},
            "30000-32767",
            id="node port out of range",
        ),
    ],
)
async def test_services_that_make_no_sense_are_refused(spec: dict[str, Any], words: str) -> None:
    async with plane() as p:
        code, status = await p.ask("POST", SERVICES, {"metadata": {"name": "s"}, "spec": spec})

        assert code == 422
        assert words in status["message"]


async def test_a_class_cannot_change_once_set() -> None:
    async with plane() as p:
        await p.create(SERVICES, "web", spec=LB | {"loadBalancerClass": "a.io/x"})
        code, status = await p.ask(
            "PATCH",
            f"{SERVICES}/web",
            {"spec": {"loadBalancerClass": "b.io/x"}},
            "application/merge-patch+json",
        )

        assert (code, "may not change once set" in status["message"]) == (422, True)
