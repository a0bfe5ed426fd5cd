"""etcd and kube-apiserver on loopback, as the lab runs them, with Herald's CRDs and no controller.

Nothing else writes there: no scheduler, no kube-proxy, no Pods.
"""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from kube.api import ApiError, collection_path
from kube.client import Client
from netns_lab.control_plane.binaries import Binaries
from netns_lab.control_plane.kube import KubePlane
from netns_lab.control_plane.planes import Place, Program
from tests.controller.live import NAMESPACE, Live

CRDS = Path(__file__).parents[2] / "manifests" / "crds"
UP_S, END_S = 60.0, 10.0
PROGRAMS = ("etcd", "kube-apiserver")
ETCD_PORTS = ("2379", "2380")


@dataclass(frozen=True, slots=True)
class Real:
    """A running API server: how to reach it, and its processes."""

    kubeconfig: Path
    url: str
    pids: tuple[int, ...]

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Live]:
        """Give a client for it in this loop."""
        async with Client.connect(str(self.kubeconfig)) as client:
            yield Live(client, str(self.kubeconfig), self.url)


@contextmanager
def real(folder: Path, binaries: Binaries) -> Iterator[Real]:
    """Serve the real API on loopback while the context lasts, its files in the folder."""
    place = Place("127.0.0.1", free_port(), free_port())
    plane = KubePlane(folder / "plane", place, binaries)
    plane.prepare()
    programs = {each.name: each for each in plane.programs(folder / "none")}
    ports = {fixed: str(free_port()) for fixed in ETCD_PORTS}
    with ExitStack() as stack:
        pids = tuple(stack.enter_context(running(programs[name], ports)) for name in PROGRAMS)
        there = Real(plane.kubeconfig, f"https://{place.address}:{place.port}", pids)
        asyncio.run(_filled(there))
        yield there


@contextmanager
def running(program: Program, ports: dict[str, str]) -> Iterator[int]:
    """Run a program of the plane with ports of its own, and give its process id."""
    argv = list(program.argv)
    for fixed, free in ports.items():
        argv = [each.replace(f":{fixed}", f":{free}") for each in argv]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, stdout=quiet, stderr=quiet) as child:
        try:
            yield child.pid
        finally:
            child.terminate()
            try:
                child.wait(END_S)
            except subprocess.TimeoutExpired:
                child.kill()


async def _filled(real_: Real) -> None:
    async with real_.connected() as there, asyncio.timeout(UP_S):
        await _until_it_serves(there.client)


async def _until_it_serves(client: Client) -> None:
    """Make what Herald needs there, and return once all of it is served."""
    await _insist(client, "/api/v1/namespaces", _namespace())
    for file in sorted(CRDS.glob("*s.yaml")):
        body = yaml.safe_load(file.read_text())
        # Nobody answers for the conversion webhook here.
        body["spec"].pop("conversion", None)
        await _insist(client, collection_path("CustomResourceDefinition"), body)
    for kind in ("IPAddressPool", "ConfigurationState", "BGPPeer"):
        await _serves(client, collection_path(kind, NAMESPACE))
    # The default namespace's accounts come from a controller that does not run here.
    await _serves(client, "/api/v1/namespaces/default")


async def _insist(client: Client, path: str, body: dict[str, object]) -> None:
    while True:
        try:
            await client.create(path, body)
        except ApiError as error:
            if error.conflict:
                return
            await asyncio.sleep(0.1)
        else:
            return


async def _serves(client: Client, path: str) -> None:
    while True:
        try:
            await client.get(path)
        except ApiError:
            await asyncio.sleep(0.1)
        else:
            return


def _namespace() -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
