"""The objects a fresh lab's API starts with: namespaces, Nodes, and Pods of Herald's own daemons.

Pure. The daemons' Pods stand for what the Deployment and the DaemonSet of `manifests/` would make;
the supervisor plays the kubelet for them.
"""

from netns_lab.orders import Json
from netns_lab.plan import LabPlan, Node

HERALD_NAMESPACE = "metallb-system"
NAMESPACES = ("default", "kube-system", HERALD_NAMESPACE)
CONTROLLER_POD = "herald-controller-0"


def node_object(node: Node) -> Json:
    """Return the Node as its kubelet registers it."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux"},
        },
        "spec": {
            "podCIDR": str(node.pod_cidr_v4),
            "podCIDRs": [str(node.pod_cidr_v4), str(node.pod_cidr_v6)],
        },
        "status": node_status(node),
    }


def node_status(node: Node) -> Json:
    """Return the Node's status: addresses and Ready."""
    return {
        "addresses": [
            {"type": "InternalIP", "address": node.lan_v4},
            {"type": "InternalIP", "address": node.lan_v6},
            {"type": "Hostname", "address": node.name},
        ],
        "conditions": [
            {"type": "Ready", "status": "True"},
            {"type": "NetworkUnavailable", "status": "False"},
        ],
        "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
        "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
    }


def speaker_pod(node: Node) -> Json:
    """Return the Pod of the speaker on a node."""
    pod = _herald_pod(f"herald-speaker-{node.name}", "speaker", ("wire", "brain", "bgp"))
    pod["spec"]["nodeName"] = node.name
    return pod


def controller_pod() -> Json:
    """Return the Pod of the controller; it runs beside the API server, on no node."""
    return _herald_pod(CONTROLLER_POD, "controller", ("controller",))


def herald_pods(plan: LabPlan) -> list[Json]:
    """Return the Pods of all of Herald's daemons."""
    return [controller_pod(), *(speaker_pod(node) for node in plan.nodes)]


def namespace(name: str) -> Json:
    """Return a Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _herald_pod(name: str, component: str, containers: tuple[str, ...]) -> Json:
    labels = {"app.kubernetes.io/name": "herald", "app.kubernetes.io/component": component}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": HERALD_NAMESPACE, "labels": labels},
        "spec": {
            "hostNetwork": True,
            "containers": [{"name": each, "image": "herald"} for each in containers],
        },
    }
