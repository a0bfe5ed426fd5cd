"""The shape of the Kubernetes API as both daemons use it: paths, kinds of patch, errors, pages.

One table says where each kind lives. Paths are plain text, so that the client needs to know
nothing about kinds and a test can name any path it likes.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Protocol

from kube.objects import Json, ObjectName
from kube.snapshot import Kind


class ApiError(Exception):
    """A request failed; `status` is the HTTP status, or 0 when there was no usable answer."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        "The API's own word such as `NotFound`; ours are `Unreachable`, `Timeout`, `BadAnswer`."
        self.message = message

    @property
    def conflict(self) -> bool:
        """Tell whether the object exists already or has another resourceVersion."""
        return self.status == 409

    @property
    def forbidden(self) -> bool:
        """Tell whether the role, or a webhook, does not allow it."""
        return self.status == 403

    @property
    def invalid(self) -> bool:
        """Tell whether the object would not be valid so."""
        return self.status == 422

    @property
    def not_found(self) -> bool:
        """Tell whether the object or its kind is not there."""
        return self.status == 404


def parse_error(status: int, reason: str, body: Any) -> ApiError:
    """Return the error of a failed answer, whose body may be a Status object or anything."""
    if isinstance(body, dict) and body.get("kind") == "Status":
        message = str(body.get("message") or "")
        return ApiError(status, str(body.get("reason") or reason), message)
    return ApiError(status, reason, str(body)[:500])


class Patch(Enum):
    """Kinds of patch; the value is the content type."""

    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `next` continues it and is empty on the last page."""

    items: tuple[Json, ...]
    resource_version: str
    next: str = ""


class Reader(Protocol):
    """What watching needs of a client."""

    async def get(self, path: str, *, timeout_s: float) -> Json:
        """Return one object."""

    def list_pages(
        self, path: str, *, label_selector: str, field_selector: str
    ) -> AsyncGenerator[Page, None]:
        """Give the pages of a list."""

    def watch_lines(
        self,
        path: str,
        *,
        resource_version: str,
        watch_s: int,
        idle_s: float,
        label_selector: str,
        field_selector: str,
    ) -> AsyncGenerator[bytes, None]:
        """Give the lines of a watch, the first (empty) as soon as it is open."""


class Holder(Protocol):
    """What holding a Lease needs of a client."""

    async def get(self, path: str, *, timeout_s: float) -> Json:
        """Return one object."""

    async def create(self, path: str, body: Json, *, timeout_s: float) -> Json:
        """Create an object and return it as stored."""

    async def replace(self, path: str, body: Json, *, timeout_s: float) -> Json:
        """Replace an object of the body's resourceVersion and return it as stored."""


@dataclass(frozen=True, slots=True)
class ApiResource:
    """Where a kind lives."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def prefix(self) -> str:
        """The part of the path that all objects of the group and version share."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


RESOURCES: Mapping[str, ApiResource] = MappingProxyType(
    {
        "Service": ApiResource("", "v1", "services"),
        "Node": ApiResource("", "v1", "nodes", namespaced=False),
        "Namespace": ApiResource("", "v1", "namespaces", namespaced=False),
        "Pod": ApiResource("", "v1", "pods"),
        "Secret": ApiResource("", "v1", "secrets"),
        "ConfigMap": ApiResource("", "v1", "configmaps"),
        "Event": ApiResource("", "v1", "events"),
        "EndpointSlice": ApiResource("discovery.k8s.io", "v1", "endpointslices"),
        "Lease": ApiResource("coordination.k8s.io", "v1", "leases"),
        "IPAddressPool": ApiResource("metallb.io", "v1beta1", "ipaddresspools"),
        "IPAddressPoolStatus": ApiResource("metallb.io", "v1beta1", "ipaddresspools"),
        "L2Advertisement": ApiResource("metallb.io", "v1beta1", "l2advertisements"),
        "BGPAdvertisement": ApiResource("metallb.io", "v1beta1", "bgpadvertisements"),
        "BGPPeer": ApiResource("metallb.io", "v1beta2", "bgppeers"),
        "BFDProfile": ApiResource("metallb.io", "v1beta1", "bfdprofiles"),
        "Community": ApiResource("metallb.io", "v1beta1", "communities"),
        "ServiceL2Status": ApiResource("metallb.io", "v1beta1", "servicel2statuses"),
        "ServiceBGPStatus": ApiResource("metallb.io", "v1beta1", "servicebgpstatuses"),
        "ConfigurationState": ApiResource("metallb.io", "v1beta1", "configurationstates"),
        "CustomResourceDefinition": ApiResource(
            "apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False
        ),
        "ValidatingWebhookConfiguration": ApiResource(
            "admissionregistration.k8s.io",
            "v1",
            "validatingwebhookconfigurations",
            namespaced=False,
        ),
    }
)


def resource_of(kind: Kind | str) -> ApiResource:
    """Return where the kind lives; raise KeyError for one that Herald doesn't use."""
    return RESOURCES[kind.value if isinstance(kind, Kind) else kind]


def collection_path(kind: Kind | str, namespace: str = "") -> str:
    """Return the path to list, watch or create; no namespace means all of them."""
    resource = resource_of(kind)
    if resource.namespaced and namespace:
        return f"{resource.prefix}/namespaces/{namespace}/{resource.plural}"
    return f"{resource.prefix}/{resource.plural}"


def object_path(kind: Kind | str, name: ObjectName, subresource: str = "") -> str:
    """Return the path of one object, or of its subresource such as `status`."""
    path = f"{collection_path(kind, name.namespace)}/{name.name}"
    return f"{path}/{subresource}" if subresource else path


def resource_words(path: str) -> str:
    """Return the plural of the path's resource, with its subresource: `services/status`."""
    parts = path.strip("/").split("/")
    rest = parts[3:] if parts[0] == "apis" else parts[2:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    return "/".join(rest[:1] + rest[2:])
