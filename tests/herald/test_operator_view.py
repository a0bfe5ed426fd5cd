"""`herald status`, `explain` and `why-moved` through a stand-in for kubectl."""

import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result

from herald.cli import cli
from kube.crds import BGPAdvertisement
from speaker.brain.moves import Moves
from tests.herald.pages import owner, page
from tests.speaker.policy.clusters import VIP, basics

SPEAKERS = "api_v1_namespaces_metallb-system_pods"
L2_ONLY = [each for each in basics() if not isinstance(each, BGPAdvertisement)]
POOL = {"metadata": {"name": "first", "namespace": "metallb-system"}}


def service(name: str, *addresses: str) -> dict[str, Any]:
    ingress = [{"ip": each} for each in addresses]
    return {
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ipFamilies": ["IPv4"]},
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def pod(node: str) -> dict[str, Any]:
    return {
        "metadata": {"name": f"speaker-{node}", "namespace": "metallb-system"},
        "spec": {"nodeName": node},
    }


class Cluster:
    """Files that the stand-in shows, and the command that looks at them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[HTTPServer] = []
        moved = Moves("node1")
        moved.take(owner("owned", "node1", "neighbour-died"), greeting=False, now=90.0)
        self._pages = {
            "node1": page("node1", L2_ONLY, wire=[owner("owned", "node1")], moves=moved),
            "node2": page("node2", L2_ONLY, wire=[owner("other", "node1")]),
        }
        self.objects("api_v1_services", service("web", VIP), service("new"))
        self.objects("api_v1_namespaces", {"metadata": {"name": "default"}})
        self.objects(SPEAKERS, *(pod(name) for name in self._pages))
        pool = POOL | {"spec": {"addresses": ["192.168.4.10/32"]}}
        self.objects("apis_metallb.io_v1beta1_namespaces_metallb-system_ipaddresspools", pool)
        for name, shown in self._pages.items():
            self._serve(name, json.dumps(shown).encode())

    def objects(self, name: str, *items: dict[str, Any]) -> None:
        self._write(name, {"items": list(items)})

    def node_dies(self, node: str) -> None:
        (self._folder / f"pod_speaker-{node}.port").unlink()

    def close(self) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def run(self, *arguments: str) -> Result:
        path = f"{Path(__file__).parent}:{os.environ['PATH']}"
        runner = CliRunner(env={"PATH": path, "KUBECTL_FILES": str(self._folder)})
        return runner.invoke(cli, [*arguments, "--kubeconfig", "/none"], catch_exceptions=False)

    def _serve(self, node: str, shown: bytes) -> None:
        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(shown)

            def log_message(self, *_: object) -> None:
                return

        server = HTTPServer(("127.0.0.1", 0), Page)
        Thread(target=server.serve_forever, args=(0.01,)).start()
        self._servers.append(server)
        (self._folder / f"pod_speaker-{node}.port").write_text(str(server.server_port))

    def _write(self, name: str, value: Any) -> None:
        (self._folder / f"{name}.json").write_text(json.dumps(value))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.close()


def test_status_shows_nodes_and_addresses_and_is_fine(cluster: Cluster) -> None:
    result = cluster.run("status")

    assert result.exit_code == 0, result.output
    for word in ("node1", "node2", VIP, "default/web", "first"):
        assert word in result.output


def test_status_as_json_is_the_nodes_own_pages(cluster: Cluster) -> None:
    shown = json.loads(cluster.run("status", "-o", "json").output)

    assert shown["troubles"] == []
    assert shown["nodes"]["node1"]["addresses"][0]["address"] == VIP


def test_status_is_not_fine_when_a_brain_does_not_answer(cluster: Cluster) -> None:
    cluster.node_dies("node2")
    result = cluster.run("status")

    assert result.exit_code == 1
    assert "node2: its brain does not answer" in result.output


@pytest.mark.parametrize("target", ["web", "default/web", VIP])
def test_explain_says_who_has_it_and_why_not_the_others(cluster: Cluster, target: str) -> None:
    result = cluster.run("explain", target)

    assert result.exit_code == 0, result.output
    assert f"Service default/web has {VIP} from pool first" in result.output
    assert f"{VIP} by layer2: announced by node1" in result.output
    assert "node2 may: leaves it to node1 on lan0" in result.output
    assert f"{VIP} by bgp: nobody asks for it" in result.output


def test_explain_says_what_is_wrong_with_a_node(cluster: Cluster) -> None:
    cluster.node_dies("node2")

    assert "! node2: its brain does not answer" in cluster.run("explain", "web").output


def test_explain_all_shows_each_open_gate_in_words(cluster: Cluster) -> None:
    output = cluster.run("explain", "web", "--all").output

    assert output.count("open   endpoint: the Service has a usable endpoint") == 2


def test_explain_of_a_service_without_an_address_is_the_controllers(cluster: Cluster) -> None:
    result = cluster.run("explain", "new")

    assert result.exit_code == 1
    assert "Service default/new has no address" in result.output


@pytest.mark.parametrize(
    ("target", "words"),
    [
        pytest.param("nowhere", "does not exist", id="no such Service"),
        pytest.param("192.168.4.99", "no Service has the address", id="no such address"),
    ],
)
def test_explain_of_nothing_is_not_fine(cluster: Cluster, target: str, words: str) -> None:
    result = cluster.run("explain", target)

    assert result.exit_code == 1
    assert words in result.output


def test_why_moved_tells_when_from_where_and_why(cluster: Cluster) -> None:
    output = cluster.run("why-moved", VIP).output

    assert "10.0 s ago  lan0  nobody -> node1: the node that had it fell silent" in output


def test_why_moved_of_no_address_is_wrong_use(cluster: Cluster) -> None:
    assert cluster.run("why-moved", "web").exit_code == 2


def test_a_lab_and_a_cluster_exclude_each_other(cluster: Cluster) -> None:
    assert cluster.run("status", "--lab", "x").exit_code == 2


@pytest.mark.parametrize("command", ["status", "explain", "why-moved"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])

    assert result.exit_code == 0
    assert "Example:" in result.output
