"""What a fresh cluster has: namespaces, the `kubernetes` Service, and the `metallb.io` kinds."""

from netns_lab.control_plane.api import NAMESPACES, Api
from netns_lab.control_plane.crds import STORAGE as CRDS
from netns_lab.control_plane.selection import Json

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease", "metallb-system")
_OPEN: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_KINDS = (
    ("IPAddressPool", "ipaddresspools", ("v1beta1",)),
    ("L2Advertisement", "l2advertisements", ("v1beta1",)),
    ("BGPAdvertisement", "bgpadvertisements", ("v1beta1",)),
    ("BGPPeer", "bgppeers", ("v1beta1", "v1beta2")),
    ("BFDProfile", "bfdprofiles", ("v1beta1",)),
    ("Community", "communities", ("v1beta1",)),
    ("ServiceL2Status", "servicel2statuses", ("v1beta1",)),
    ("ServiceBGPStatus", "servicebgpstatuses", ("v1beta1",)),
    ("ConfigurationState", "configurationstates", ("v1beta1",)),
)


def populate(api: Api) -> None:
    """Create what every cluster starts with."""
    namespaces = api.registry.of_storage(NAMESPACES)
    for name in _NAMESPACES:
        api.create(namespaces, "", {"metadata": {"name": name}})
    services = api.registry.of_storage("/services")
    api.create(services, "default", _kubernetes_service())
    definitions = api.registry.of_storage(CRDS)
    for kind, plural, versions in _KINDS:
        api.create(definitions, "", _definition(kind, plural, versions))


def _kubernetes_service() -> Json:
    return {
        "metadata": {
            "name": "kubernetes",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": "10.96.0.1",
            "ports": [{"name": "https", "port": 443, "targetPort": 6443}],
        },
    }


def _definition(kind: str, plural: str, versions: tuple[str, ...]) -> Json:
    return {
        "metadata": {"name": f"{plural}.metallb.io"},
        "spec": {
            "group": "metallb.io",
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
            },
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": version == versions[-1],
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": _OPEN},
                }
                for version in versions
            ],
        },
    }
