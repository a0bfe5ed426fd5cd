"""Which kinds the embedded API server serves, and under which paths.

A kind that several versions serve is stored once, under `ResourceType.storage`. Built-in kinds are
the table below; custom ones come and go with their CustomResourceDefinition (`crds.py`). A path
that no registered kind answers is a 404 in plain text, as the real server gives it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from netns_lab.control_plane.releases import NEWEST
from netns_lab.control_plane.schema import Schema


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One kind at one version."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    custom: bool = False
    counts_generations: bool = False
    unconditional_update: bool = True
    "Whether a PUT without resourceVersion is taken."
    selectable_fields: tuple[str, ...] = ()
    "Field selectors beside `metadata.name` and `metadata.namespace`."
    selectable_since: int = 0
    "The minor version of Kubernetes that brought these."
    since: int = 0
    "The minor version that brought this version of the kind."
    columns: tuple[tuple[str, str, str], ...] = ()
    "Heading, JSON path and type of a custom kind's print columns."
    storage_version: str = ""
    "The version it is stored in, when another one."
    schema: Schema | None = field(default=None, repr=False)

    @property
    def api_version(self) -> str:
        """The `apiVersion` of objects of this kind."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def storage(self) -> str:
        """The table it lives in: one for all versions."""
        return f"{self.group}/{self.plural}"

    @property
    def qualified(self) -> str:
        """The plural as error messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


_EVENT_FIELDS = (
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.uid",
    "reason",
    "reportingComponent",
    "type",
)

BUILT_IN = (
    ResourceType(
        "",
        "v1",
        "services",
        "Service",
        short_names=("svc",),
        subresources=("status",),
        selectable_fields=("spec.clusterIP", "spec.type"),
        selectable_since=31,
    ),
    ResourceType(
        "",
        "v1",
        "nodes",
        "Node",
        namespaced=False,
        short_names=("no",),
        subresources=("status",),
        selectable_fields=("spec.unschedulable",),
    ),
    ResourceType(
        "",
        "v1",
        "namespaces",
        "Namespace",
        namespaced=False,
        short_names=("ns",),
        subresources=("status",),
        selectable_fields=("status.phase",),
    ),
    ResourceType(
        "",
        "v1",
        "pods",
        "Pod",
        short_names=("po",),
        subresources=("status", "binding"),
        selectable_fields=("spec.nodeName", "status.phase", "status.podIP"),
    ),
    ResourceType("", "v1", "secrets", "Secret", selectable_fields=("type",)),
    ResourceType("", "v1", "configmaps", "ConfigMap", short_names=("cm",)),
    ResourceType("", "v1", "events", "Event", short_names=("ev",), selectable_fields=_EVENT_FIELDS),
    ResourceType("", "v1", "serviceaccounts", "ServiceAccount", short_names=("sa",)),
    ResourceType("", "v1", "endpoints", "Endpoints", short_names=("ep",)),
    ResourceType("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", since=21),
    ResourceType(
        "apps",
        "v1",
        "deployments",
        "Deployment",
        short_names=("deploy",),
        subresources=("status", "scale"),
        counts_generations=True,
    ),
    ResourceType(
        "apps",
        "v1",
        "replicasets",
        "ReplicaSet",
        short_names=("rs",),
        subresources=("status", "scale"),
        counts_generations=True,
    ),
    ResourceType(
        "apps",
        "v1",
        "daemonsets",
        "DaemonSet",
        short_names=("ds",),
        subresources=("status",),
        counts_generations=True,
    ),
    ResourceType("coordination.k8s.io", "v1", "leases", "Lease", unconditional_update=False),
    ResourceType("events.k8s.io", "v1", "events", "Event", short_names=("ev",)),
    ResourceType(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        subresources=("status",),
        counts_generations=True,
        unconditional_update=False,
    ),
    ResourceType("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    ResourceType("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    ResourceType(
        "rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False
    ),
    ResourceType(
        "rbac.authorization.k8s.io",
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        namespaced=False,
    ),
    ResourceType("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"),
    ResourceType("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", since=21),
    ResourceType(
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        namespaced=False,
        counts_generations=True,
    ),
)


class Registry:
    """The kinds that are served now, by a server of this minor version."""

    def __init__(self, types: Iterable[ResourceType] = BUILT_IN) -> None:
        self.minor = NEWEST
        self._types = {(t.group, t.version, t.plural): t for t in types}

    def __iter__(self) -> Iterator[ResourceType]:
        return (each for each in self._types.values() if each.since <= self.minor)

    def find(self, group: str, version: str, plural: str) -> ResourceType | None:
        """Return the kind behind a path, or None when nothing serves it."""
        found = self._types.get((group, version, plural))
        if found is None or found.since > self.minor:
            return None
        return (
            replace(found, selectable_fields=()) if found.selectable_since > self.minor else found
        )

    def serve(self, types: Iterable[ResourceType]) -> None:
        """Add or replace kinds."""
        self._types.update({(t.group, t.version, t.plural): t for t in types})

    def withdraw(self, storage: str) -> None:
        """Stop serving every version of a kind."""
        self._types = {key: t for key, t in self._types.items() if t.storage != storage}

    def storage_of(self, kind: str) -> str:
        """Return the table of a built-in kind, served or not."""
        return next(t.storage for t in self._types.values() if t.kind == kind)

    def of_storage(self, storage: str) -> ResourceType:
        """Return some served version of what a table holds."""
        return next(t for t in self._types.values() if t.storage == storage)
