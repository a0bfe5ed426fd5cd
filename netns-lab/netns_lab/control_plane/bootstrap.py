"""What a fresh cluster has: namespaces, the `kubernetes` Service, and the `metallb.io` kinds."""

import json
from functools import cache

from kube.schema.definitions import definitions as metallb_definitions
from netns_lab.control_plane.api import NAMESPACES, Api
from netns_lab.control_plane.crds import STORAGE as CRDS
from netns_lab.control_plane.selection import Json
from netns_lab.control_plane.store import encode

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease", "metallb-system")


def populate(api: Api) -> None:
    """Create what every cluster starts with."""
    namespaces = api.registry.of_storage(NAMESPACES)
    for name in _NAMESPACES:
        api.create(namespaces, "", {"metadata": {"name": name}})
    services = api.registry.of_storage("/services")
    api.create(services, "default", _kubernetes_service())
    definitions = api.registry.of_storage(CRDS)
    for each in json.loads(_definitions()):
        api.create(definitions, "", each)


@cache
def _definitions() -> bytes:
    # Made from models once for all servers of a process; each takes its own copy out of the text.
    return encode(list(metallb_definitions().values()))


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
