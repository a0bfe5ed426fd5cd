"""How the command reaches the speakers and the API server: in a lab, or in a cluster by kubectl.

A speaker's status page listens on its node's loopback. In a lab the command enters the node's
namespace; in a cluster `kubectl port-forward` goes through the API server (ClusterRole
`herald-viewer`), with whatever login kubectl has. Whatever is asked has an end.
"""

import http.client
import json
import os
import re
import selectors
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import click

from herald.output import Failure
from netns_lab.program import program

if TYPE_CHECKING:
    from netns_lab.lab import Lab

Json = dict[str, Any]

NAMESPACE = "metallb-system"
STATUS_PORT = 17473
LIMIT_S = 5.0
"""For a status page; twice: until the port is forwarded, and for the answer."""
API_LIMIT_S = 30.0
"""A list of ten thousand Services takes some."""
AT_ONCE = 16
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""No proxy of the environment's lies between us and our own loopback."""
FORWARDING = re.compile(rb"Forwarding from 127\.0\.0\.1:(\d+)")


class Reach(Protocol):
    """A place where Herald runs."""

    namespace: str

    def nodes(self) -> list[str]:
        """Return the names of the nodes that should have a speaker."""

    def status(self, node: str) -> Json | None:
        """Return the node's status page, None when it can't be had."""

    def why_silent(self, node: str) -> str:
        """Return why the page could not be had the last time, empty when that is not known."""

    def get(self, path: str) -> Json | None:
        """Return what the API server has at the path, None when there is nothing."""


class LabReach:
    """A running lab of this machine."""

    def __init__(self, lab: "Lab") -> None:
        self._lab = lab
        self.namespace = NAMESPACE

    def nodes(self) -> list[str]:
        """Return all nodes of the lab, dead ones too."""
        return list(self._lab.plan.node_names)

    def status(self, node: str) -> Json | None:
        """Fetch the page inside the node's namespace."""
        return _parsed(self._lab.fetch(node, f"http://127.0.0.1:{STATUS_PORT}/status"))

    def why_silent(self, node: str) -> str:
        """Return where to look: a lab's nodes can always be entered."""
        shows = f"`{program()} lab status --name {self._lab.plan.name}` shows its processes"
        return f"is the node up? {shows}"

    def get(self, path: str) -> Json | None:
        """Ask the lab's API server."""
        from netns_lab.orders import LabError

        try:
            return self._lab.get(path)
        except LabError as error:
            raise Failure(str(error)) from error


class ClusterReach:
    """A cluster that kubectl knows how to reach."""

    def __init__(
        self,
        namespace: str,
        arguments: Sequence[str],
        *,
        page_limit_s: float = LIMIT_S,
        api_limit_s: float = API_LIMIT_S,
    ) -> None:
        self._kubectl = [_kubectl(), *arguments]
        self._page_limit_s = page_limit_s
        self._api_limit_s = api_limit_s
        self.namespace = namespace
        self._pods: dict[str, str] = {}
        self._why: dict[str, str] = {}

    def nodes(self) -> list[str]:
        """Return the nodes with a speaker Pod."""
        selector = "app.kubernetes.io/name%3Dherald,app.kubernetes.io/component%3Dspeaker"
        path = f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={selector}"
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
            *(*self._kubectl, "-n", self.namespace, "port-forward"),
            *(f"pod/{self._pods[node]}", f":{STATUS_PORT}", "--address", "127.0.0.1"),
        ]
        what = f"kubectl port-forward of {self._pods[node]}"
        # Unbuffered: what is there is read, and nothing waits for more.
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        ) as forward:
            try:
                page, self._why[node] = _through(forward, what, self._page_limit_s)
            finally:
                forward.kill()
        return page

    def why_silent(self, node: str) -> str:
        """Return what kubectl said, or which end did not answer."""
        return self._why.get(node, "")

    def get(self, path: str) -> Json | None:
        """Ask the API server as kubectl would."""
        command, limit_s = [*self._kubectl, "get", "--raw", path], self._api_limit_s
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"kubectl get --raw {path}: no answer in {limit_s:g} s") from error
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
            help=f"Where Herald runs in a cluster.  [default: {NAMESPACE}]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def find_reach(
    lab: str | None, kubeconfig: str | None, context: str | None, herald_namespace: str | None
) -> Reach:
    """Return the place that the options name; without any the default lab, else kubectl's."""
    cluster = [f"--kubeconfig={kubeconfig}"] if kubeconfig else []
    cluster += [f"--context={context}"] if context else []
    if lab and cluster:
        raise click.UsageError("--lab and --kubeconfig exclude each other")
    if not cluster and (found := _lab_reach(lab)) is not None:
        if herald_namespace not in (None, NAMESPACE):
            raise click.UsageError(
                f"--namespace is for clusters, in a lab Herald is in {NAMESPACE}: leave it out, "
                "or name a cluster with --context or --kubeconfig"
            )
        return found
    return ClusterReach(herald_namespace or NAMESPACE, cluster)


def _lab_reach(name: str | None) -> LabReach | None:
    """Return the lab of the name, or the default one if it is there."""
    from netns_lab.lab import Lab, check_root
    from netns_lab.orders import LabError
    from netns_lab.state import labs

    try:
        found = Lab.of(name or "default")
        check_root()
    except LabError as error:
        there = list(labs())
        if name or "default" in there:
            raise Failure(str(error)) from error
        if there and not (_has_kubeconfig() and shutil.which("kubectl")):
            raise Failure(f"which lab: {', '.join(there)}? Name it with --lab") from error
        if shutil.which("kubectl") is None:
            raise Failure(str(error)) from error
        return None
    return LabReach(found)


def _has_kubeconfig() -> bool:
    return bool(os.environ.get("KUBECONFIG")) or (Path.home() / ".kube/config").exists()


def all_status(reach: Reach) -> dict[str, Json | None]:
    """Return the status page of every node, by name; None for a node that doesn't answer."""
    nodes = reach.nodes()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(nodes, pool.map(reach.status, nodes), strict=True))


def reasons(reach: Reach, pages: dict[str, Json | None]) -> dict[str, str]:
    """Return why nodes did not answer, as far as that is known."""
    return {node: reach.why_silent(node) for node, page in pages.items() if page is None}


def _through(
    forward: "subprocess.Popen[bytes]", what: str, limit_s: float
) -> tuple[Json | None, str]:
    """Return the status page at the near end of a port-forward, or why there is none."""
    assert forward.stdout is not None
    assert forward.stderr is not None
    port = FORWARDING.match(_read(forward.stdout, limit_s))
    if port is None:
        return None, f"{what}: {_said(forward.stderr) or f'says nothing for {limit_s:g} s'}"
    try:
        url = f"http://127.0.0.1:{int(port[1])}/status"
        with DIRECT.open(url, timeout=limit_s) as answer:
            page = _parsed(answer.read())
    except (OSError, http.client.HTTPException) as error:
        why = _said(forward.stderr) or error
        return None, f"{what} works, port {STATUS_PORT} of the Pod does not answer: {why}"
    return page, "" if page is not None else f"{what} works, what answers is no status page"


def _said(pipe: IO[bytes]) -> str:
    return _read(pipe, 0.0).decode(errors="replace").strip()


def _read(pipe: IO[bytes], limit_s: float) -> bytes:
    """Return what a pipe has, waiting for it at most so long; nothing when it has ended."""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        return os.read(pipe.fileno(), 1 << 16) if selector.select(limit_s) else b""


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
