"""A cluster as the command meets it: objects and status pages behind a stand-in for kubectl."""

import json
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from click.testing import CliRunner, Result

from herald.cli import cli
from kube.crds import BGPAdvertisement
from speaker.brain.moves import Moves
from tests.herald.pages import owner, page
from tests.speaker.policy.clusters import VIP, basics

PODS = "api_v1_namespaces_metallb-system_pods"
LEASE = "apis_coordination.k8s.io_v1_namespaces_metallb-system_leases_herald-controller"
HERALD_OBJECTS = "apis_metallb.io_v1beta1_namespaces_metallb-system_"
L2_ONLY = [each for each in basics() if not isinstance(each, BGPAdvertisement)]
PLAIN: dict[str, Any] = {"namespace": "metallb-system"}


def service(name: str, *addresses: str, **annotations: str) -> dict[str, Any]:
    ingress = [{"ip": each} for each in addresses]
    notes = {f"metallb.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    meta = {"name": name, "namespace": "default", "uid": name, "annotations": notes}
    return {
        "metadata": meta,
        "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ipFamilies": ["IPv4"]},
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def pod(name: str, component: str, node: str = "", *, ready: bool = True) -> dict[str, Any]:
    labels = {"app.kubernetes.io/name": "herald", "app.kubernetes.io/component": component}
    condition = {"type": "Ready", "status": str(ready)}
    return {
        "metadata": PLAIN | {"name": name, "labels": labels},
        "spec": {"nodeName": node},
        "status": {"conditions": [condition]},
    }


def speakers(*nodes: str) -> list[dict[str, Any]]:
    return [pod(f"speaker-{node}", "speaker", node) for node in nodes]


class Cluster:
    """Files that the stand-in shows, and the command that looks at them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers: list[HTTPServer] = []
        moved = Moves("node1")
        moved.take(owner("owned", "node1", "neighbour-died"), greeting=False, now=90.0)
        self.objects("api_v1_services", service("web", VIP))
        self.objects("api_v1_namespaces", {"metadata": {"name": "default"}})
        self.objects("api_v1_nodes")
        self.controllers("controller-a")
        pool = {"metadata": PLAIN | {"name": "first"}, "spec": {"addresses": ["192.168.4.10/31"]}}
        self.objects(f"{HERALD_OBJECTS}ipaddresspools", pool)
        self.objects(f"{HERALD_OBJECTS}l2advertisements", {"metadata": PLAIN | {"name": "l2"}})
        self.objects(f"{HERALD_OBJECTS}bgpadvertisements")
        self.page("node1", page("node1", L2_ONLY, wire=[owner("owned", "node1")], moves=moved))
        self.page("node2", page("node2", L2_ONLY, wire=[owner("other", "node1")]))

    def objects(self, name: str, *items: dict[str, Any]) -> None:
        self._write(name, {"items": list(items)})

    def controllers(self, *names: str, ready: bool = True, leader: str = "controller-a") -> None:
        pods = [pod(name, "controller", ready=ready) for name in names]
        self.objects(PODS, *pods, *speakers("node1", "node2"))
        self._write(LEASE, {"spec": {"holderIdentity": f"{leader}_1234" if leader else ""}})

    def fails(self, name: str, words: str) -> None:
        """Let the API server fail with these words, or with `hang` never answer."""
        (self.folder / f"{name}.json").write_text(words)

    def node_dies(self, node: str, words: str = "") -> None:
        """Let a port-forward to the node's speaker fail, saying this."""
        (self.folder / f"pod_speaker-{node}.port").write_text(words or "error: pod is not running")

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        path = f"{Path(__file__).parent}:{os.environ['PATH']}"
        return {"PATH": path, "KUBECTL_FILES": str(self.folder)}

    def run(self, *arguments: str) -> Result:
        runner = CliRunner(env=self.environment)
        return runner.invoke(cli, [*arguments, "--kubeconfig", "/none"], catch_exceptions=False)

    def page(self, node: str, shown: dict[str, Any]) -> None:
        """Let the node's brain answer with this page."""
        body = json.dumps(shown).encode()

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        server = HTTPServer(("127.0.0.1", 0), Page)
        Thread(target=server.serve_forever, args=(0.01,)).start()
        self._servers.append(server)
        (self.folder / f"pod_speaker-{node}.port").write_text(str(server.server_port))

    def _write(self, name: str, value: Any) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(value))
