"""The EndpointSlice controller: which Pods stand behind each Service that selects some.

Conditions as discovery/v1 defines them: serving is the Pod's readiness, terminating its deletion,
ready is serving and not terminating.
"""

import json
from collections.abc import Iterable, Iterator

from netns_lab.control_plane.api import Api
from netns_lab.control_plane.pods import PODS, is_ready, versions
from netns_lab.control_plane.selection import Json
from netns_lab.control_plane.store import DELETED, Change, Key, Record

SERVICES = "/services"
SLICES = "discovery.k8s.io/endpointslices"
SERVICE_NAME = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_CONTROLLER = "endpointslice-controller.k8s.io"
ENDPOINTS_PER_SLICE = 100


def endpoints_of(service: Json, pods: Iterable[Json], family: str) -> list[Json]:
    """Return the Service's endpoints of one family, by address."""
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    found = [
        _endpoint(pod, address, published=published)
        for pod in pods
        if (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        and (address := _address(pod, family))
    ]
    return sorted(found, key=lambda each: str(each["addresses"][0]))


def slice_ports(service: Json, pods: Iterable[Json]) -> list[Json]:
    """Return the slice's ports; a named target port is looked up in the Pods' containers."""
    pods = tuple(pods)
    ports = []
    for port in service["spec"].get("ports") or ():
        number = port.get("targetPort", port["port"])
        if isinstance(number, str):
            number = _named_port(pods, number, port["protocol"])
        if number:
            ports.append(
                {"name": port.get("name", ""), "port": number, "protocol": port["protocol"]}
            )
    return ports


def _named_port(pods: Iterable[Json], name: str, protocol: str) -> int | None:
    for pod in pods:
        for container in pod["spec"].get("containers") or ():
            for port in container.get("ports") or ():
                if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                    return int(port["containerPort"])
    return None


def _address(pod: Json, family: str) -> str | None:
    status = pod.get("status") or {}
    addresses = [each["ip"] for each in status.get("podIPs") or ()]
    if not addresses and status.get("podIP"):
        addresses = [status["podIP"]]
    wanted = ":" if family == "IPv6" else "."
    return next((str(each) for each in addresses if wanted in each), None)


def _endpoint(pod: Json, address: str, *, published: bool) -> Json:
    meta = pod["metadata"]
    terminating = bool(meta.get("deletionTimestamp"))
    serving = is_ready(pod) or published
    endpoint = {
        "addresses": [address],
        "conditions": {
            "ready": (serving and not terminating) or published,
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
    }
    if pod["spec"].get("nodeName"):
        endpoint["nodeName"] = pod["spec"]["nodeName"]
    return endpoint


class EndpointController:
    """Keeps the slices of each Service with a selector."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._slices: dict[Key, set[Key]] = {}
        self._pods: dict[str, set[Key]] = {}
        self._selecting: dict[str, dict[Key, Json]] = {}

    def notice(self, storage: str, change: Change) -> Iterable[Key]:
        """Look at a Service when it, its slices or Pods it selects change."""
        key = change.record.key
        if storage == SERVICES:
            selector = change.record.obj["spec"].get("selector")
            services = self._selecting.setdefault(key[0], {})
            if change.type == DELETED or not selector:
                services.pop(key, None)
            else:
                services[key] = selector
            return (key,)
        if storage == SLICES:
            return self._notice_slice(change)
        return self._notice_pod(change) if storage == PODS else ()

    def reconcile(self, key: Key) -> None:
        """Bring the Service's slices in line with its Pods."""
        service = self._api.store.get(SERVICES, key)
        if service is None or service.obj["metadata"].get("deletionTimestamp"):
            return  # its slices go with it, by their owner reference
        selector = service.obj["spec"].get("selector")
        if not selector or service.obj["spec"]["type"] == "ExternalName":
            return
        pods = [pod.obj for pod in self._selected(key[0], selector)]
        ports = slice_ports(service.obj, pods)
        for family in service.obj["spec"].get("ipFamilies") or ("IPv4",):
            endpoints = endpoints_of(service.obj, pods, family)
            self._write(service, family, endpoints, ports)

    def _notice_slice(self, change: Change) -> Iterator[Key]:
        key = change.record.key
        labels = change.record.obj["metadata"].get("labels") or {}
        if labels.get(_MANAGED_BY) != _CONTROLLER:
            return
        owner = (key[0], labels.get(SERVICE_NAME, ""))
        if change.type == DELETED:
            self._slices.get(owner, set()).discard(key)
            if owner in self._selecting.get(key[0], {}):
                yield owner
        else:
            self._slices.setdefault(owner, set()).add(key)

    def _notice_pod(self, change: Change) -> Iterator[Key]:
        key = change.record.key
        pods = self._pods.setdefault(key[0], set())
        if change.type == DELETED:
            pods.discard(key)
        else:
            pods.add(key)
        labels = [obj["metadata"].get("labels") or {} for obj in versions(change)]
        for service, selector in self._selecting.get(key[0], {}).items():
            if any(selector.items() <= each.items() for each in labels):
                yield service

    def _selected(self, namespace: str, selector: Json) -> Iterator[Record]:
        for key in sorted(self._pods.get(namespace, ())):
            record = self._api.store.get(PODS, key)
            if record and selector.items() <= (record.obj["metadata"].get("labels") or {}).items():
                yield record

    def _write(
        self, service: Record, family: str, endpoints: list[Json], ports: list[Json]
    ) -> None:
        kind = self._api.registry.of_storage(SLICES)
        existing = [
            record
            for key in sorted(self._slices.get(service.key, ()))
            if (record := self._api.store.get(SLICES, key)) and record.obj["addressType"] == family
        ]
        chunks = [
            endpoints[i : i + ENDPOINTS_PER_SLICE]
            for i in range(0, max(len(endpoints), 1), ENDPOINTS_PER_SLICE)
        ]
        for index, chunk in enumerate(chunks):
            if index < len(existing):
                old = existing[index]
                if old.obj.get("endpoints") != chunk or old.obj.get("ports") != ports:
                    new = json.loads(old.encoded) | {"endpoints": chunk, "ports": ports}
                    self._api.update(kind, old.key, new)
            else:
                new = _new_slice(service.obj, family) | {"endpoints": chunk, "ports": ports}
                self._api.create(kind, service.key[0], new)
        for surplus in existing[len(chunks) :]:
            self._api.delete(kind, surplus.key)


def _new_slice(service: Json, family: str) -> Json:
    meta = service["metadata"]
    return {
        "metadata": {
            "generateName": f"{meta['name']}-",
            "labels": {
                **(meta.get("labels") or {}),
                SERVICE_NAME: meta["name"],
                _MANAGED_BY: _CONTROLLER,
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": meta["name"],
                    "uid": meta["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": family,
    }
