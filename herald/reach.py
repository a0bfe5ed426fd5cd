"""How the command reaches the speakers and the API server: in a lab, or in a cluster by kubectl.

A speaker's status page listens on its node's loopback. In a lab the command enters the node's
namespace; in a cluster `kubectl port-forward` goes through the API server (ClusterRole
`herald-viewer`), with whatever login kubectl has.
"""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import click

from herald.output import Failure

if TYPE_CHECKING:
    from netns_lab.lab import Lab

Json = dict[str, Any]

STATUS_PORT = 17473
LIMIT_S = 5.0
AT_ONCE = 16
FORWARDING = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+)")


class Reach(Protocol):
    """A place where Herald runs."""

    def nodes(self) -> list[str]:
        """Return the names of the nodes that should have a speaker."""

    def status(self, node: str) -> Json | None:
        """Return the node's status page, None when it can't be had."""

    def get(self, path: str) -> Json | None:
        """Return what the API server has at the path, None when there is nothing."""


class LabReach:
    """A running lab of this machine."""

    def __init__(self, lab: "Lab") -> None:
        self._lab = lab

    def nodes(self) -> list[str]:
        """Return all nodes of the lab, dead ones too."""
        return list(self._lab.plan.node_names)

    def status(self, node: str) -> Json | None:
        """Fetch the page inside the node's namespace."""
        return _parsed(self._lab.fetch(node, f"http://127.0.0.1:{STATUS_PORT}/status"))

    def get(self, path: str) -> Json | None:
        """Ask the lab's API server."""
        from netns_lab.orders import LabError

        try:
            return self._lab.get(path)
        except LabError as error:
            raise Failure(str(error)) from error


class ClusterReach:
    """A cluster that kubectl knows how to reach."""

    def __init__(self, namespace: str, arguments: Sequence[str]) -> None:
        self._kubectl = [_kubectl(), *arguments]
        self._namespace = namespace
        self._pods: dict[str, str] = {}

    def nodes(self) -> list[str]:
        """Return the nodes with a speaker Pod."""
        selector = "app.kubernetes.io/name%3Dherald,app.kubernetes.io/component%3Dspeaker"
        path = f"/api/v1/namespaces/{self._namespace}/pods?labelSelector={selector}"
        pods = (self.get(path) or {}).get("items") or ()
        self._pods = {
            pod["spec"]["nodeName"]: pod["metadata"]["name"]
            for pod in pods
            if pod["spec"].get("nodeName")
        }
        return sorted(self._pods)

    def status(self, node: str) -> Json | None:
        """Fetch the page through a port-forward."""
        command = [
            *(*self._kubectl, "-n", self._namespace, "port-forward"),
            *(f"pod/{self._pods[node]}", f":{STATUS_PORT}", "--address", "127.0.0.1"),
        ]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as forward:
            try:
                return _through(forward)
            finally:
                forward.kill()

    def get(self, path: str) -> Json | None:
        """Ask the API server as kubectl would."""
        done = subprocess.run(
            [*self._kubectl, "get", "--raw", path], capture_output=True, check=False
        )
        if done.returncode == 0:
            return _parsed(done.stdout)
        text = done.stderr.decode(errors="replace").strip()
        if "NotFound" in text or "could not find the requested resource" in text:
            return None
        raise Failure(f"kubectl get --raw {path}: {text}")


def reach_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where to look."""
    options = (
        click.option("--lab", "lab", metavar="NAME", help="A lab of this machine, by name."),
        click.option("--kubeconfig", metavar="FILE", help="A cluster, by its kubeconfig file."),
        click.option("--context", metavar="NAME", help="Context in the kubeconfig."),
        click.option(
            "--namespace",
            "herald_namespace",
            default="metallb-system",
            show_default=True,
            help="Where Herald runs.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def find_reach(
    lab: str | None, kubeconfig: str | None, context: str | None, herald_namespace: str
) -> Reach:
    """Return the place that the options name; without any the default lab, else kubectl's."""
    cluster = [f"--kubeconfig={kubeconfig}"] if kubeconfig else []
    cluster += [f"--context={context}"] if context else []
    if lab and cluster:
        raise click.UsageError("--lab and --kubeconfig exclude each other")
    if not cluster:
        from netns_lab.lab import Lab
        from netns_lab.orders import LabError

        try:
            return LabReach(Lab.of(lab or "default"))
        except LabError as error:
            if lab or shutil.which("kubectl") is None:
                raise Failure(str(error)) from error
    return ClusterReach(herald_namespace, cluster)


def all_status(reach: Reach) -> dict[str, Json | None]:
    """Return the status page of every node, by name; None for a node that doesn't answer."""
    nodes = reach.nodes()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(nodes, pool.map(reach.status, nodes), strict=True))


def _through(forward: "subprocess.Popen[bytes]") -> Json | None:
    """Return the status page at the near end of a port-forward."""
    assert forward.stdout is not None
    port = FORWARDING.match(forward.stdout.readline())
    if port is None:
        return None
    try:
        url = f"http://127.0.0.1:{int(port[1])}/status"
        with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
            return _parsed(answer.read())
    except OSError:
        return None


def _kubectl() -> str:
    found = shutil.which("kubectl")
    if found is None:
        raise Failure("kubectl is not on PATH: install it, or name a lab with --lab")
    return found


def _parsed(text: str | bytes | None) -> Json | None:
    with suppress(ValueError):
        answer = json.loads(text or "")
        if isinstance(answer, dict):
            return answer
    return None
