"""The table of single Services again, each on a real API server with a real reconciler."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from controller.outcome import Reason
from controller.patches import CONDITION, POOL_ANNOTATION
from kube.api import collection_path, object_path
from kube.objects import IPFamilyPolicy, Json, ServicePort, TrafficPolicy
from tests.builders import name as named
from tests.controller.live import Live, controlling, live
from tests.controller.test_mutation import POOLS, ROWS, Wants
from tests.lab.asking import until

pytestmark = pytest.mark.netns


def can_be(spec: Mapping[str, Any]) -> bool:
    """Tell whether the API server lets such a Service be.

    It keeps a status off what is no load balancer, and on a cluster with two families it gives
    both to whoever prefers or requires them.
    """
    if spec.get("type") and spec.get("ingress"):
        return False
    return "ip_family_policy" not in spec or len(spec["cluster_ips"]) == 2


SERVED = [row for row in ROWS if can_be(row.values[1])]


@pytest.mark.parametrize(("name", "spec", "wants"), SERVED)
async def test_one_service(
    tmp_path: Path, name: str, spec: Mapping[str, Any], wants: Wants
) -> None:
    async with live(tmp_path) as there:
        await prepare(there)
        await put(there, name, spec)
        async with controlling(there) as (reconciler, _):
            await until(lambda: reconciler.planner is not None)
            found = await until(lambda: settled(there, name, wants))
            # One pass is enough: what it wrote brings no further write.
            await there.create_service("fence")
            await until(lambda: shows(there, "fence"))
            assert await got(there, name) == found


async def prepare(there: Live) -> None:
    """Create the pools and namespaces of the table."""
    for pool in POOLS:
        spec = pool.spec.model_dump(by_alias=True, exclude_none=True, mode="json")
        addresses = spec.pop("addresses")
        await there.create_pool(pool.metadata.name, *addresses, **spec)
    for space in ("ns1", "ns2"):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
        await there.client.create(collection_path("Namespace"), body)


async def put(there: Live, name: str, spec: Mapping[str, Any]) -> None:
    """Create the Service, and the status it is found with."""
    where = named(name)
    await there.client.create(collection_path("Service", where.namespace), manifest(name, spec))
    entries = [{"ip": text} for text in spec.get("ingress", ())]
    if not spec.get("ingress_complete", True):
        entries.append({"hostname": "somewhere.example"})
    if entries:
        path = object_path("Service", where, "status")
        await there.client.patch(path, {"status": {"loadBalancer": {"ingress": entries}}})


def manifest(name: str, spec: Mapping[str, Any]) -> Json:
    """Return the Service as a user would write it."""
    where = named(name)
    ports: tuple[ServicePort, ...] = spec.get("ports", ())
    body: Json = {
        "type": spec.get("type", "LoadBalancer"),
        "ports": [{"port": p.port, "protocol": p.protocol} for p in ports] or [{"port": 80}],
        "selector": dict(spec.get("selector", {})),
        "externalTrafficPolicy": TrafficPolicy(spec.get("traffic_policy", "Cluster")).value,
    }
    if body["type"] == "ClusterIP":
        del body["externalTrafficPolicy"]
    body |= families(spec)
    for key, field in (
        ("load_balancer_ip", "loadBalancerIP"),
        ("load_balancer_class", "loadBalancerClass"),
    ):
        if spec.get(key):
            body[field] = spec[key]
    metadata = {
        "name": where.name,
        "namespace": where.namespace,
        "annotations": dict(spec.get("annotations", {})),
        "labels": dict(spec.get("labels", {})),
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": body}


def families(spec: Mapping[str, Any]) -> Json:
    """Return the fields that make the API server give the cluster IPs of the row."""
    given = spec.get("cluster_ips", ("10.96.0.1",))
    if not given:
        return {"clusterIP": "None"}
    wanted = ["IPv6" if ":" in text else "IPv4" for text in given]
    policy: IPFamilyPolicy = spec.get("ip_family_policy", IPFamilyPolicy.SINGLE_STACK)
    if len(wanted) == 2 and policy is IPFamilyPolicy.SINGLE_STACK:
        policy = IPFamilyPolicy.REQUIRE_DUAL_STACK
    return {"ipFamilies": wanted, "ipFamilyPolicy": policy.value}


async def got(there: Live, name: str) -> tuple[tuple[str, ...], str, str]:
    """Return the Service's addresses, its pool, and the reason in its condition."""
    obj = await there.client.get(object_path("Service", named(name)))
    status = obj.get("status") or {}
    ingress = status.get("loadBalancer", {}).get("ingress") or []
    conditions = {each["type"]: each["reason"] for each in status.get("conditions") or ()}
    annotations = obj["metadata"].get("annotations") or {}
    return (
        tuple(entry.get("ip", "") for entry in ingress),
        annotations.get(POOL_ANNOTATION, ""),
        conditions.get(CONDITION, ""),
    )


async def settled(there: Live, name: str, wants: Wants) -> tuple[tuple[str, ...], str, str] | None:
    """Return what the Service shows once that is what the row wants."""
    found = await got(there, name)
    addresses, pool, reason = found
    if isinstance(wants, Reason):
        return found if not addresses and reason == wants.value else None
    if isinstance(wants, str):
        return found if addresses and pool == wants else None
    return found if addresses == wants else None


async def shows(there: Live, name: str) -> bool:
    """Tell whether the Service has an address or says why not."""
    addresses, _, reason = await got(there, name)
    return bool(addresses or reason)
