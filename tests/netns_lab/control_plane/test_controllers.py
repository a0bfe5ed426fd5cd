"""Workloads become Pods on nodes, ready Pods become endpoints, what has no owner goes."""

from typing import Any

from tests.netns_lab.control_plane.clients import (
    CONFIGMAPS,
    DEPLOYMENTS,
    PODS,
    SERVICES,
    SLICES,
    Json,
    Plane,
    plane,
)

ORDINAL = "herald.io/lab-ordinal"
LB = {"type": "LoadBalancer", "ports": [{"port": 8090, "targetPort": "http"}]}
DAEMON_SETS = "/apis/apps/v1/namespaces/default/daemonsets"


def _template(app: str = "web", image: str = "nginx:1", **spec: Any) -> Json:
    container = {"name": "c", "image": image, "ports": [{"containerPort": 80, "name": "http"}]}
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container]} | spec}


async def _nodes(p: Plane, count: int) -> None:
    for number in range(1, count + 1):
        await p.create("/api/v1/nodes", f"node{number}")


async def _deploy(p: Plane, replicas: int, **template: Any) -> None:
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": "web"}},
        "template": _template(**template),
    }
    await p.create(DEPLOYMENTS, "web", spec=spec)
    await p.settle()


async def _pods(p: Plane) -> list[Json]:
    await p.settle()
    pods: list[Json] = (await p.get(PODS))["items"]
    return sorted(pods, key=lambda pod: str(pod["metadata"]["annotations"][ORDINAL]))


async def _run(p: Plane, pod: Json, address: str, *, ready: bool = True) -> None:
    """Play the kubelet: give the Pod its address and readiness."""
    status = {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }
    await p.patch(f"{PODS}/{pod['metadata']['name']}/status", {"status": status})
    await p.settle()


async def _endpoints(p: Plane) -> list[tuple[str, dict[str, bool]]]:
    await p.settle()
    items = (await p.get(SLICES))["items"]
    return [(e["addresses"][0], e["conditions"]) for s in items for e in s.get("endpoints") or ()]


async def test_a_deployment_becomes_numbered_pods_spread_over_the_nodes() -> None:
    async with plane() as p:
        await _nodes(p, 3)
        await _deploy(p, 2)
        pods = await _pods(p)

        assert [pod["metadata"]["annotations"][ORDINAL] for pod in pods] == ["1", "2"]
        assert [pod["spec"]["nodeName"] for pod in pods] == ["node1", "node2"]
        assert all(pod["metadata"]["name"].startswith("web-") for pod in pods)


async def test_pods_wait_for_a_node_that_fits() -> None:
    async with plane() as p:
        await _deploy(p, 1, nodeSelector={"disk": "ssd"})
        await _nodes(p, 1)
        assert "nodeName" not in (await _pods(p))[0]["spec"]
        await p.patch("/api/v1/nodes/node1", {"metadata": {"labels": {"disk": "ssd"}}})

        assert (await _pods(p))[0]["spec"]["nodeName"] == "node1"


async def test_ready_pods_are_endpoints_with_named_ports_resolved() -> None:
    async with plane() as p:
        await _nodes(p, 2)
        await p.create(SERVICES, "web", spec=LB | {"selector": {"app": "web"}})
        await _deploy(p, 2)
        first, second = await _pods(p)
        await _run(p, first, "10.244.0.2")
        await _run(p, second, "10.244.1.2", ready=False)

        up = {"ready": True, "serving": True, "terminating": False}
        down = {"ready": False, "serving": False, "terminating": False}
        assert await _endpoints(p) == [("10.244.0.2", up), ("10.244.1.2", down)]
        (one,) = (await p.get(SLICES))["items"]
        assert one["metadata"]["labels"]["kubernetes.io/service-name"] == "web"
        assert one["ports"] == [{"name": "", "port": 80, "protocol": "TCP"}]
        assert [e["nodeName"] for e in one["endpoints"]] == ["node1", "node2"]


async def test_a_pod_that_ends_serves_while_terminating_until_the_kubelet_is_done() -> None:
    async with plane() as p:
        await _nodes(p, 1)
        await p.create(SERVICES, "web", spec=LB | {"selector": {"app": "web"}})
        await _deploy(p, 1)
        (pod,) = await _pods(p)
        await _run(p, pod, "10.244.0.2")
        name = pod["metadata"]["name"]
        await p.delete(f"{PODS}/{name}")

        ending = {"ready": False, "serving": True, "terminating": True}
        assert await _endpoints(p) == [("10.244.0.2", ending)]
        await p.delete(f"{PODS}/{name}", {"gracePeriodSeconds": 0})
        assert await _endpoints(p) == []
        (successor,) = await _pods(p)
        assert successor["metadata"]["annotations"][ORDINAL] == "1"


async def test_scaling_down_ends_the_youngest_and_up_fills_the_numbers() -> None:
    async with plane() as p:
        await _nodes(p, 1)
        await _deploy(p, 3)
        for number, pod in enumerate(await _pods(p), 2):
            await _run(p, pod, f"10.244.0.{number}")
        scale = {"spec": {"replicas": 1}}
        assert (await p.patch(f"{DEPLOYMENTS}/web/scale", scale))["kind"] == "Scale"
        ending = [
            p["metadata"]["annotations"][ORDINAL]
            for p in await _pods(p)
            if p["metadata"].get("deletionTimestamp")
        ]
        assert ending == ["2", "3"]
        await p.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 2}})

        active = [
            p["metadata"]["annotations"][ORDINAL]
            for p in await _pods(p)
            if not p["metadata"].get("deletionTimestamp")
        ]
        assert active == ["1", "2"]


async def test_a_new_template_ends_old_pods_only_as_new_ones_are_ready() -> None:
    async with plane() as p:
        await _nodes(p, 1)
        await _deploy(p, 1)
        (old,) = await _pods(p)
        await _run(p, old, "10.244.0.2")
        await p.patch(f"{DEPLOYMENTS}/web", {"spec": {"template": _template(image="nginx:2")}})
        pods = await _pods(p)
        assert len(pods) == 2
        assert not any(pod["metadata"].get("deletionTimestamp") for pod in pods)

        (new,) = (x for x in pods if x["metadata"]["name"] != old["metadata"]["name"])
        await _run(p, new, "10.244.0.3")
        ending = [x for x in await _pods(p) if x["metadata"].get("deletionTimestamp")]
        assert [x["metadata"]["name"] for x in ending] == [old["metadata"]["name"]]


async def test_a_daemon_set_has_a_pod_on_each_node_and_rolls_one_at_a_time() -> None:
    async with plane() as p:
        await _nodes(p, 2)
        spec = {"selector": {"matchLabels": {"app": "web"}}, "template": _template()}
        await p.create(DAEMON_SETS, "d", spec=spec)
        for number, pod in enumerate(await _pods(p), 2):
            await _run(p, pod, f"10.244.0.{number}")
        status = (await p.get(f"{DAEMON_SETS}/d"))["status"]
        assert (status["desiredNumberScheduled"], status["numberReady"]) == (2, 2)

        await p.patch(f"{DAEMON_SETS}/d", {"spec": {"template": _template(image="nginx:2")}})
        ending = [x for x in await _pods(p) if x["metadata"].get("deletionTimestamp")]
        assert len(ending) == 1


async def test_a_service_without_pods_has_an_empty_slice_and_takes_it_along() -> None:
    async with plane() as p:
        await p.create(SERVICES, "web", spec=LB | {"selector": {"app": "web"}})
        await p.settle()
        assert [s["endpoints"] for s in (await p.get(SLICES))["items"]] == [[]]
        await p.delete(f"{SERVICES}/web")
        await p.settle()

        assert (await p.get(SLICES))["items"] == []


async def test_dependents_go_with_their_last_owner_and_strangers_owners_do_not_count() -> None:
    async with plane() as p:
        owners = [await p.create(CONFIGMAPS, name) for name in ("a", "b")]
        references = [
            {"apiVersion": "v1", "kind": "ConfigMap"}
            | {key: owner["metadata"][key] for key in ("name", "uid")}
            for owner in owners
        ]
        body = {"metadata": {"name": "child", "ownerReferences": references}}
        await p.ask("POST", CONFIGMAPS, body)
        stray = {"apiVersion": "v1", "kind": "Pod", "name": "gone", "uid": "gone"}
        await p.ask("POST", CONFIGMAPS, {"metadata": {"name": "stray", "ownerReferences": [stray]}})
        await p.settle()
        assert await p.names(CONFIGMAPS) == ["a", "b", "child"]
        await p.delete(f"{CONFIGMAPS}/a")
        await p.settle()
        assert await p.names(CONFIGMAPS) == ["b", "child"]
        await p.delete(f"{CONFIGMAPS}/b")
        await p.settle()

        assert await p.names(CONFIGMAPS) == []


async def test_a_namespace_takes_what_is_in_it_along() -> None:
    async with plane() as p:
        await p.create("/api/v1/namespaces", "x")
        await p.create("/api/v1/namespaces/x/configmaps", "a")
        await p.delete("/api/v1/namespaces/x")
        await p.settle()

        assert "x" not in await p.names("/api/v1/namespaces")
        assert await p.names("/api/v1/configmaps") == []
