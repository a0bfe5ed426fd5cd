"""What the API server does to objects of the other built-in kinds: defaults and rules.

Each kind has the defaults that some client of the lab reads; the rest is left as it was sent.
"""

import base64
import binascii
from collections.abc import Callable, Iterator

from netns_lab.control_plane.causes import Cause, immutable, invalid_value, required
from netns_lab.control_plane.selection import Json


def default_object(kind: str, obj: Json) -> None:
    """Fill in place what the kind's defaults say."""
    filler = _DEFAULTS.get(kind)
    if filler is not None:
        filler(obj)


def object_faults(kind: str, obj: Json, old: Json | None) -> Iterator[Cause]:
    """Yield what is wrong with the object."""
    check = _CHECKS.get(kind)
    if check is not None:
        yield from check(obj, old)


def initial_status(kind: str, obj: Json) -> None:
    """Set in place the status a new object starts with; what the client sent doesn't count."""
    if kind == "Pod":
        obj["status"] = {"phase": "Pending", "qosClass": "BestEffort"}
    elif kind == "Namespace":
        obj["status"] = {"phase": "Active"}
    elif kind == "Service":
        obj["status"] = {"loadBalancer": {}}
    elif kind != "Node":  # a kubelet registers its Node with the status in it
        obj.pop("status", None)


def _default_namespace(obj: Json) -> None:
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    obj.setdefault("spec", {"finalizers": ["kubernetes"]})


def _default_pod(obj: Json) -> None:
    _default_pod_spec(obj.setdefault("spec", {}))
    obj["spec"].setdefault("serviceAccountName", "default")
    obj["spec"].setdefault("enableServiceLinks", True)


def _default_pod_spec(spec: Json) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("schedulerName", "default-scheduler")
    spec.setdefault("securityContext", {})
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        container.setdefault("resources", {})
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        image = container.get("image", "")
        latest = ":" not in image.rpartition("/")[2] or image.endswith(":latest")
        container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
        for port in container.get("ports") or ():
            port.setdefault("protocol", "TCP")
            if spec.get("hostNetwork"):
                port.setdefault("hostPort", port.get("containerPort"))


def _default_workload(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("replicas", 1)
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    _default_pod_spec(template.setdefault("spec", {}))


def _default_deployment(obj: Json) -> None:
    _default_workload(obj)
    spec = obj["spec"]
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    spec.setdefault("revisionHistoryLimit", 10)
    spec.setdefault("progressDeadlineSeconds", 600)


def _default_daemon_set(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    _default_pod_spec(template.setdefault("spec", {}))
    strategy = spec.setdefault("updateStrategy", {})
    strategy.setdefault("type", "RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", 1)
        rolling.setdefault("maxSurge", 0)
    spec.setdefault("revisionHistoryLimit", 10)


def _default_secret(obj: Json) -> None:
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()
    obj.setdefault("type", "Opaque")


def _default_slice(obj: Json) -> None:
    for port in obj.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("name", "")


def _secret_faults(obj: Json, old: Json | None) -> Iterator[Cause]:
    for key, value in (obj.get("data") or {}).items():
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError):
            yield invalid_value(f"data[{key}]", "<not shown>", "illegal base64 data")
    if old is not None and obj["type"] != old["type"]:
        yield immutable("type", obj["type"])
    if obj["type"] == "kubernetes.io/basic-auth":
        given = obj.get("data") or {}
        if "username" not in given and "password" not in given:
            yield required("data[username]")
            yield required("data[password]")


def _workload_faults(obj: Json, old: Json | None) -> Iterator[Cause]:
    spec = obj["spec"]
    selector = spec.get("selector")
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield required("spec.selector")
        return
    labels = spec["template"]["metadata"].get("labels") or {}
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        detail = "`selector` does not match template `labels`"
        yield invalid_value("spec.template.metadata.labels", labels, detail)
    if not spec["template"]["spec"].get("containers"):
        yield required("spec.template.spec.containers")
    if old is not None and old["spec"].get("selector") != selector:
        yield immutable("spec.selector", selector)


def _pod_faults(obj: Json, old: Json | None) -> Iterator[Cause]:
    if not obj["spec"].get("containers"):
        yield required("spec.containers")
    was = (old or {"spec": {}})["spec"].get("nodeName")
    if was and obj["spec"].get("nodeName") != was:
        detail = "pod updates may not change fields other than the images and a few more"
        yield Cause("spec", "FieldValueForbidden", f"Forbidden: {detail}")


def _slice_faults(obj: Json, old: Json | None) -> Iterator[Cause]:
    if obj.get("addressType") not in ("IPv4", "IPv6", "FQDN"):
        yield required("addressType")
    elif old is not None and old["addressType"] != obj["addressType"]:
        yield immutable("addressType", obj["addressType"])


def _lease_faults(obj: Json, old: Json | None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    for field in ("leaseDurationSeconds", "leaseTransitions"):
        value = spec.get(field)
        low = 1 if field == "leaseDurationSeconds" else 0
        if value is not None and value < low:
            yield invalid_value(f"spec.{field}", value, f"must be greater than or equal to {low}")


def _definition_faults(obj: Json, old: Json | None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    wanted = {
        "spec.group": spec.get("group"),
        "spec.names.plural": names.get("plural"),
        "spec.names.kind": names.get("kind"),
        "spec.versions": spec.get("versions"),
    }
    missing = [required(field) for field, value in wanted.items() if not value]
    if missing:
        yield from missing
        return
    name = obj["metadata"]["name"]
    if name != f"{names['plural']}.{spec['group']}":
        detail = 'must be spec.names.plural+"."+spec.group'
        yield invalid_value("metadata.name", name, detail)
    for index, version in enumerate(spec["versions"]):
        if not version.get("name"):
            yield required(f"spec.versions[{index}].name")
    if sum(bool(version.get("storage")) for version in spec["versions"]) != 1:
        detail = "must have exactly one version marked as storage version"
        yield invalid_value("spec.versions", len(spec["versions"]), detail)


_DEFAULTS: dict[str, Callable[[Json], None]] = {
    "Namespace": _default_namespace,
    "Pod": _default_pod,
    "Deployment": _default_deployment,
    "ReplicaSet": _default_workload,
    "DaemonSet": _default_daemon_set,
    "Secret": _default_secret,
    "EndpointSlice": _default_slice,
}

_CHECKS: dict[str, Callable[[Json, Json | None], Iterator[Cause]]] = {
    "Secret": _secret_faults,
    "Deployment": _workload_faults,
    "ReplicaSet": _workload_faults,
    "DaemonSet": _workload_faults,
    "Pod": _pod_faults,
    "EndpointSlice": _slice_faults,
    "Lease": _lease_faults,
    "CustomResourceDefinition": _definition_faults,
}
