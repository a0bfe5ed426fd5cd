"""etcd and kube-apiserver on loopback, as the lab runs them, with Herald's CRDs and no controller.

Nothing else writes there: no scheduler, no kube-proxy, no Pods.
"""

import asyncio
import os
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
from tests.lab.ports import free_ports

CRDS = Path(__file__).parents[2] / "manifests" / "crds"
UP_S, END_S = 120.0, 10.0
PROGRAMS = ("etcd", "kube-apiserver")


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
    port, proxied, *etcd = free_ports(4)
    place = Place("127.0.0.1", port, proxied)
    plane = KubePlane(folder / "plane", place, binaries, etcd_ports=(etcd[0], etcd[1]))
    plane.prepare()
    programs = {each.name: each for each in plane.programs(folder / "none")}
    with ExitStack() as stack:
        pids = tuple(stack.enter_context(running(programs[name], folder)) for name in PROGRAMS)
        there = Real(plane.kubeconfig, f"https://{place.address}:{place.port}", pids)
        asyncio.run(_filled(there))
        yield there


def shared_memory() -> str | None:
    """Return where files cost no disk: etcd waits for its disk after each write."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@contextmanager
def running(program: Program, folder: Path) -> Iterator[int]:
    """Run a program of the plane, its words in a file of the folder, and give its process id."""
    with (
        (folder / f"{program.name}.log").open("wb") as log,
        subprocess.Popen(program.argv, stdout=log, stderr=log) as child,
    ):
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
    definitions = [yaml.safe_load(file.read_text()) for file in sorted(CRDS.glob("*s.yaml"))]
    for body in definitions:
        # Nobody answers for the conversion webhook here.
        body["spec"].pop("conversion", None)
        await _insist(client, collection_path("CustomResourceDefinition"), body)
    for kind in (body["spec"]["names"]["kind"] for body in definitions):
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
