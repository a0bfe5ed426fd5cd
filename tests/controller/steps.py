"""Stories told to the allocator: one table of steps, each with what must come out.

A step edits one Service and says which addresses it must have then, or the reason why it has none.
Services that are not mentioned stay as they are: one list reads as a story.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.outcome import Assigned, Pending, Reason
from kube.objects import IPFamilyPolicy, ServicePort
from tests.builders import service
from tests.controller.cluster import Cluster

V4 = ("10.96.0.1",)
V6 = ("fd10:96::1",)
DUAL = V4 + V6


@dataclass(frozen=True)
class Step:
    """One edit and what it must lead to."""

    says: str
    service: str
    wants: tuple[str, ...] | Reason | None
    "Addresses in the status, or why there are none; None: the Service is deleted."
    spec: Mapping[str, Any] = field(default_factory=dict)


def svc(text: str, **wishes: Any) -> dict[str, Any]:
    """Translate wishes into the fields of a Service: ips, pool, key, ports, local, families."""
    annotations = {
        f"metallb.io/{key}": wishes.pop(short)
        for short, key in (
            ("ips", "loadBalancerIPs"),
            ("pool", "address-pool"),
            ("key", "allow-shared-ip"),
        )
        if short in wishes
    }
    ports = wishes.pop("ports", ("TCP/80",))
    if "local" in wishes:
        wishes["traffic_policy"] = "Local"
        wishes["selector"] = {"app": wishes.pop("local")}
    if "policy" in wishes:
        wishes["ip_family_policy"] = IPFamilyPolicy(wishes.pop("policy"))
    return {
        "annotations": annotations | dict(wishes.pop("annotations", {})),
        "ports": tuple(ServicePort(p.split("/")[0], int(p.split("/")[1])) for p in ports),
        "cluster_ips": wishes.pop("families", V4),
    } | wishes


def play(cluster: Cluster, *steps: Step) -> None:
    """Run the steps in order; a failure says which."""
    for number, step in enumerate(steps):
        if step.wants is None:
            cluster.delete(step.service).run()
            continue
        # Creation times follow the story, so that the older one is the earlier one.
        spec = {"created": f"{1000 + number}"} | dict(step.spec)
        known = cluster.services.get(service(step.service).name)
        if known is not None:
            spec["created"] = known.created
        cluster.put(service(step.service, **spec)).run()
        cluster.now += 100.0
        assert _got(cluster, step) == step.wants, f"step {number}: {step.says}"


def _got(cluster: Cluster, step: Step) -> tuple[str, ...] | Reason:
    outcome = cluster.outcome(step.service)
    if isinstance(outcome, Pending):
        assert cluster.addresses(step.service) == (), step.says
        return outcome.reason
    assert isinstance(outcome, Assigned), step.says
    assert cluster.addresses(step.service) == tuple(map(str, outcome.addresses)), step.says
    if isinstance(step.wants, Reason) and outcome.note is not None:
        return outcome.note.reason
    return cluster.addresses(step.service)
