"""The daemons' roles: no wider than MetalLB's, but for what the documentation names."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
READ = ("get", "list", "watch")
ALL = (*READ, "create", "update", "patch", "delete", "deletecollection")
CONFIGURATION = (
    "ipaddresspools",
    "l2advertisements",
    "bgpadvertisements",
    "bgppeers",
    "bfdprofiles",
    "communities",
)

Grant = tuple[str, str]
"""Resource and verb."""


def grants(*rules: tuple[tuple[str, ...], tuple[str, ...]]) -> set[Grant]:
    return {grant for resources, verbs in rules for grant in product(resources, verbs)}


BOTH = grants(
    (("pods",), ("list", "get")),
    (("secrets", "configmaps", *CONFIGURATION), READ),
    (("servicebgpstatuses",), ALL),
)
"""In the namespace, of MetalLB's Role `pod-lister`, which both accounts have."""
METALLB: dict[str, tuple[set[Grant], set[Grant]]] = {
    "controller": (
        grants(
            (("services", "namespaces"), READ),
            (("nodes",), ("list",)),
            (("services/status",), ("update",)),
            (("events",), ("create", "patch")),
            (("configurationstates", "configurationstates/status"), ALL),
            (("validatingwebhookconfigurations",), ALL),
            (("customresourcedefinitions",), ALL),
        ),
        BOTH
        | grants(
            (("secrets",), ALL),
            (("deployments",), ("get",)),
            (("ipaddresspools/status",), ("update",)),
        ),
    ),
    "speaker": (
        grants(
            (("servicel2statuses", "servicel2statuses/status"), ALL),
            (("configurationstates", "configurationstates/status"), ALL),
            (("services", "endpoints", "nodes", "namespaces", "endpointslices"), READ),
            (("events",), ("create", "patch")),
        ),
        BOTH,
    ),
}
"""In the cluster, and in the namespace."""
ADDED: dict[str, tuple[set[Grant], set[Grant]]] = {
    "controller": (
        grants((("services/status",), ("patch",)), (("nodes",), ("watch",))),
        grants(
            (("pods",), ("watch",)),
            (("ipaddresspools/status",), ("patch",)),
            (("leases",), ("get", "create", "update")),
        ),
    ),
    "speaker": (
        set(),
        grants((("pods",), ("watch",)), (("servicebgpstatuses/status",), ("patch",))),
    ),
}


def ours(account: str, kind: str) -> Iterator[Grant]:
    text = (ROOT / "manifests" / "base" / f"{account}-rbac.yaml").read_text()
    for obj in yaml.safe_load_all(text):
        for rule in obj.get("rules", ()) if obj["kind"] == kind else ():
            assert "*" not in (*rule["resources"], *rule["verbs"]), "nothing is granted wholesale"
            yield from product(rule["resources"], rule["verbs"])


@pytest.mark.parametrize("account", sorted(METALLB))
def test_roles_are_no_wider_than_metallbs_but_for_what_is_named(account: str) -> None:
    cluster, namespace = METALLB[account]

    assert set(ours(account, "ClusterRole")) - cluster == ADDED[account][0]
    assert set(ours(account, "Role")) - namespace - cluster == ADDED[account][1]


def test_documentation_names_what_is_added() -> None:
    text = (ROOT / "docs" / "compatibility.md").read_text()
    (row,) = (line for line in text.splitlines() if line.startswith("| Roles |"))
    for resource, verb in sorted(set().union(*(part for two in ADDED.values() for part in two))):
        assert f"`{resource}: {verb}`" in row or (resource == "leases" and "Lease" in row)
