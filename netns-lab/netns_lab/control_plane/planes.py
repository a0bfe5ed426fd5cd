"""The two control planes behind one interface: what to run, and how to reach it.

A plane says which programs run beside the API server and which on each node; whoever runs the lab
supervises them. `prepare` writes the files that they need, once, before the first of them starts.
The fault proxy listens where the daemons are told to look (`proxied`), the API server behind it.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import yaml


@dataclass(frozen=True, slots=True)
class Program:
    """A command to keep running."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a plane listens: the API server itself, and the fault proxy before it."""

    address: str
    port: int
    proxied_port: int


class ControlPlane(Protocol):
    """What a lab needs of either."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's file, for the API server itself."""

    def prepare(self) -> None:
        """Write every file the programs and the clients need."""

    def programs(self, control_socket: Path) -> tuple[Program, ...]:
        """Return what runs beside the API server; the fault proxy takes orders on the socket."""

    def node_programs(self, node: str, address: str) -> tuple[Program, ...]:
        """Return what runs on a node."""

    def write_kubeconfig(self, path: Path, account: str, token_file: Path) -> None:
        """Write the file of a daemon: through the fault proxy, as this service account."""


class EmbeddedPlane:
    """The API server of this package; nobody has to prove who he is."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.kubeconfig = folder / "admin.kubeconfig"
        self._place = place

    def prepare(self) -> None:
        """Write the administrator's file."""
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        place = self._place
        self.kubeconfig.write_text(kubeconfig_text(f"http://{place.address}:{place.port}", {}))

    def programs(self, control_socket: Path) -> tuple[Program, ...]:
        """Return the API server and the fault proxy."""
        place = self._place
        listen = f"{place.address}:{place.port}"
        server = (sys.executable, "-m", "netns_lab.control_plane", "--listen", listen)
        return (
            Program("control-plane", server),
            Program("fault-proxy", fault_proxy_command(place, control_socket)),
        )

    def node_programs(self, node: str, address: str) -> tuple[Program, ...]:
        """Return nothing: the lab's own service proxy plays kube-proxy."""
        return ()

    def write_kubeconfig(self, path: Path, account: str, token_file: Path) -> None:
        """Write a file without credentials."""
        place = self._place
        server = f"http://{place.address}:{place.proxied_port}"
        path.write_text(kubeconfig_text(server, {}))


def fault_proxy_command(place: Place, control_socket: Path, *more: str) -> tuple[str, ...]:
    """Return the command of the fault proxy before the API server."""
    return (
        *(sys.executable, "-m", "netns_lab.faults"),
        *("--listen", f"{place.address}:{place.proxied_port}"),
        *("--upstream", f"{place.address}:{place.port}"),
        *("--control", str(control_socket), *more),
    )


def kubeconfig_text(server: str, user: Mapping[str, str], authority: Path | None = None) -> str:
    """Return a kubeconfig with one cluster, one user and one context."""
    cluster = {"server": server} | ({"certificate-authority": str(authority)} if authority else {})
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "lab", "user": dict(user)}],
            "contexts": [
                {
                    "name": "lab",
                    "context": {"cluster": "lab", "user": "lab", "namespace": "default"},
                }
            ],
            "current-context": "lab",
        },
        sort_keys=False,
    )
