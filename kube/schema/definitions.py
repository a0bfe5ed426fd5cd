"""The nine CustomResourceDefinitions, with MetalLB's names, versions and print columns."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import BaseModel

from kube import crds, statuses
from kube.api import RESOURCES
from kube.crds import GROUP
from kube.objects import Json
from kube.schema.rules import EXTRA
from kube.schema.structural import structural
from kube.schema.words import WORDS

API_VERSION = (
    "Version of the schema of this object, see "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources"
)
KIND = (
    "Kind of this object, see "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds"
)


@dataclass(frozen=True, slots=True)
class Column:
    """A print column; those of priority 0 are always shown."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """Models of one kind; None is an object without fields, missing `spec` none at all."""

    spec: type[BaseModel] | None = None
    status: type[BaseModel] | None = None
    columns: tuple[Column, ...] = ()
    has_spec: bool = True
    spec_required: bool = False


AD_COLUMNS = (
    Column("IPAddressPools", ".spec.ipAddressPools"),
    Column("IPAddressPool Selectors", ".spec.ipAddressPoolSelectors"),
)
NODE_COLUMN = Column("Node Selectors", ".spec.nodeSelectors", priority=10)
SERVICE_COLUMNS = (
    Column("Service Name", ".status.serviceName"),
    Column("Service Namespace", ".status.serviceNamespace"),
)
SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "BFDProfile": Shape(
            crds.BFDProfileSpec,
            columns=(
                Column("Passive Mode", ".spec.passiveMode", "boolean"),
                Column("Transmit Interval", ".spec.transmitInterval", "integer"),
                Column("Receive Interval", ".spec.receiveInterval", "integer"),
                Column("Multiplier", ".spec.detectMultiplier", "integer"),
            ),
        ),
        "BGPAdvertisement": Shape(
            crds.BGPAdvertisementSpec,
            columns=(*AD_COLUMNS, Column("Peers", ".spec.peers"), NODE_COLUMN),
        ),
        "BGPPeer": Shape(
            crds.BGPPeerSpec,
            columns=(
                Column("Address", ".spec.peerAddress"),
                Column("ASN", ".spec.peerASN"),
                Column("BFD Profile", ".spec.bfdProfile"),
                Column("Multi Hops", ".spec.ebgpMultiHop"),
            ),
        ),
        "Community": Shape(crds.CommunitySpec),
        "ConfigurationState": Shape(
            status=statuses.ConfigurationStateStatus,
            columns=(
                Column("Result", ".status.result"),
                Column("ErrorSummary", ".status.errorSummary"),
                Column("Age", ".metadata.creationTimestamp", "date"),
            ),
            has_spec=False,
        ),
        "IPAddressPool": Shape(
            crds.IPAddressPoolSpec,
            statuses.IPAddressPoolStatus,
            columns=(
                Column("Auto Assign", ".spec.autoAssign", "boolean"),
                Column("Avoid Buggy IPs", ".spec.avoidBuggyIPs", "boolean"),
                Column("Addresses", ".spec.addresses"),
            ),
            spec_required=True,
        ),
        "L2Advertisement": Shape(
            crds.L2AdvertisementSpec,
            columns=(*AD_COLUMNS, Column("Interfaces", ".spec.interfaces"), NODE_COLUMN),
        ),
        "ServiceBGPStatus": Shape(
            status=statuses.ServiceBGPStatusStatus,
            columns=(Column("Node", ".status.node"), *SERVICE_COLUMNS),
        ),
        "ServiceL2Status": Shape(
            status=statuses.ServiceL2StatusStatus,
            columns=(Column("Allocated Node", ".status.node"), *SERVICE_COLUMNS),
        ),
    }
)


def definitions() -> dict[str, Json]:
    """Return the CRDs by the plural names of their kinds."""
    return {RESOURCES[kind].plural: _definition(kind, shape) for kind, shape in SHAPES.items()}


def _definition(kind: str, shape: Shape) -> Json:
    resource = RESOURCES[kind]
    versions = [_version(kind, shape, resource.version)]
    conversion: Json = {"strategy": "None"}
    if kind == "BGPPeer":
        versions.insert(0, _old_peer(shape))
        # The null takes MetalLB's conversion webhook away where `kubectl apply` meets its CRD.
        # For it kubectl says "configured" each time, though the server then changes nothing.
        conversion["webhook"] = None
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": resource.plural,
                "singular": kind.lower(),
            },
            "scope": "Namespaced",
            "conversion": conversion,
            "versions": versions,
        },
    }


def _version(kind: str, shape: Shape, version: str) -> Json:
    made: Json = {"name": version, "served": True, "storage": True}
    if shape.columns:
        made["additionalPrinterColumns"] = [_column(each) for each in shape.columns]
    made["schema"] = {"openAPIV3Schema": _schema(kind, shape)}
    made["subresources"] = {"status": {}}
    return made


def _old_peer(shape: Shape) -> Json:
    """Return v1beta1: for old manifests, never stored.

    Its fields have the same names and meaning in v1beta2, so the API server itself converts, by
    changing the version alone (strategy None): no webhook could be down, and no timer is invented.
    It has the newer fields too. Without them, whoever writes by v1beta1, if only a label, would
    take them out of the stored object.
    """
    return _version("BGPPeer", shape, "v1beta1") | {
        "storage": False,
        "deprecated": True,
        "deprecationWarning": "v1beta1 is deprecated, please use v1beta2",
    }


def _column(column: Column) -> Json:
    made: Json = {"jsonPath": column.path, "name": column.name, "type": column.type}
    return made | ({"priority": column.priority} if column.priority else {})


def _schema(kind: str, shape: Shape) -> Json:
    words, extra = WORDS[kind], EXTRA[kind]
    properties: Json = {
        "apiVersion": {"description": API_VERSION, "type": "string"},
        "kind": {"description": KIND, "type": "string"},
        "metadata": {"type": "object"},
    }
    for part, model in (("spec", shape.spec), ("status", shape.status)):
        if part == "spec" and not shape.has_spec:
            continue
        properties[part] = (
            structural(model, part, words, extra)
            if model is not None
            else {"description": words[part], "type": "object"}
        )
    made: Json = {"description": words[""], "type": "object", "properties": properties}
    if shape.spec_required:
        made["required"] = ["spec"]
    return made
