"""What a MetalLB beside Herald shows to the outside: Pods, statuses, ARP answers, a BGP session.

The labels, fields and habits are those of MetalLB 0.15 and 0.16; nothing of it runs.
"""

import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from netns_lab.lab import Lab
from netns_lab.manifests import Manifest

NAMESPACE = "metallb-system"
MANIFEST_LABELS = {"app": "metallb", "component": "controller"}
SPEAKER_LABELS = {"app": "metallb", "component": "speaker"}
CHART_SPEAKER_LABELS = {
    "app.kubernetes.io/name": "metallb",
    "app.kubernetes.io/component": "speaker",
    "app.kubernetes.io/instance": "metallb",
}
CHART_LABELS = {
    "app.kubernetes.io/name": "metallb",
    "app.kubernetes.io/component": "controller",
    "app.kubernetes.io/instance": "metallb",
}
STATUSES = f"/apis/metallb.io/v1beta1/namespaces/{NAMESPACE}/servicel2statuses"
ETH_ARP = 0x0806
FRAME = struct.Struct("!6s6sH HHBBH 6s4s6s4s")
ROUTER = "192.168.4.1"
BROADCAST = b"\xff" * 6


def pod(name: str, labels: dict[str, str], image: str) -> Manifest:
    """A Pod of MetalLB's; the lab's pod runner reports it ready."""
    return Manifest(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {"containers": [{"name": "it", "image": image}]},
        }
    )


def controller(labels: dict[str, str]) -> Manifest:
    """MetalLB's controller."""
    return pod("controller-7dcc8764f4-x7xw2", labels, "quay.io/metallb/controller:v0.16.1")


def speaker(node: str, labels: dict[str, str]) -> Manifest:
    """MetalLB's speaker on a node."""
    found = pod(f"speaker-{node}", labels, "quay.io/metallb/speaker:v0.16.1")
    found.obj["spec"]["nodeName"] = node
    return found


def assign(lab: Lab, service: Manifest, address: str, pool: str) -> dict[str, Any]:
    """Create a Service and give it an address as MetalLB's controller does."""
    list(lab.apply([service]))
    note = {"metallb.io/ip-allocated-from-pool": pool}
    lab.patch(service.path, {"metadata": {"annotations": note}})
    ingress = [{"ip": address, "ipMode": "VIP"}]
    return lab.patch(f"{service.path}/status", {"status": {"loadBalancer": {"ingress": ingress}}})


def announce_status(lab: Lab, service: str, node: str) -> None:
    """Write the ServiceL2Status that MetalLB's speaker writes, under a name of its kind."""
    labels = {
        "metallb.io/node": node,
        "metallb.io/service-name": service,
        "metallb.io/service-namespace": "default",
    }
    made = lab.request(
        "POST",
        STATUSES,
        {
            "apiVersion": "metallb.io/v1beta1",
            "kind": "ServiceL2Status",
            "metadata": {"generateName": "l2-", "labels": labels},
        },
    )
    status = {"node": node, "serviceName": service, "serviceNamespace": "default"}
    lab.patch(f"{STATUSES}/{made['metadata']['name']}/status", {"status": status})


@dataclass
class Routing:
    """BIRD in place of a speaker's BGP side: the same session, from the same address."""

    lab: Lab
    node: str
    control: Path
    process: "subprocess.Popen[bytes]"

    def is_up(self) -> bool:
        """Tell whether the router has taken its session."""
        command = ["birdc", "-s", str(self.control), "show", "protocols", "metallb"]
        return "Established" in self.lab.exec(self.node, command).stdout

    def stop(self) -> None:
        """End as a Pod does that is deleted: it closes its session."""
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def routing(lab: Lab, node: str, address: str, folder: Path) -> Iterator[Routing]:
    """Announce an address from a node to the lab's router."""
    config, control = folder / f"{node}.conf", folder / f"{node}.ctl"
    own = next(each.lan_v4 for each in lab.plan.nodes if each.name == node)
    config.write_text(
        f"""
        router id {own};
        protocol device {{ }}
        protocol static {{ ipv4; route {address}/32 blackhole; }}
        protocol bgp metallb {{
          local {own} as 64512; neighbor {ROUTER} as 64513;
          connect delay time 1; connect retry time 2; error wait time 1, 2;
          ipv4 {{ import none; export all; next hop self; }};
        }}
        """
    )
    command = lab.command(node, ["bird", "-f", "-c", str(config), "-s", str(control)])
    quiet = subprocess.DEVNULL
    found = Routing(lab, node, control, subprocess.Popen(command, stdout=quiet, stderr=quiet))
    try:
        yield found
    finally:
        found.stop()


@contextmanager
def answering(lab: Lab, node: str, address: str) -> Iterator[None]:
    """Answer ARP for the address on a node's LAN NIC as MetalLB's speaker does."""
    nics = next(each for each in lab.plan.nodes if each.name == node).host.nics
    mac = bytes.fromhex(next(nic for nic in nics if nic.name == "lan0").mac.replace(":", ""))

    def opened() -> socket.socket:
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_ARP))
        raw.bind(("lan0", ETH_ARP))
        raw.settimeout(0.05)
        return raw

    end = threading.Event()
    thread = threading.Thread(
        target=_answer, args=(lab.run_in(node, opened), mac, IPv4Address(address).packed, end)
    )
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _answer(raw: socket.socket, mac: bytes, address: bytes, end: threading.Event) -> None:
    with raw:
        # Gratuitous first: a request and a reply, both to all.
        for operation in (1, 2):
            raw.send(_frame(BROADCAST, mac, operation, address, BROADCAST, address))
        while not end.is_set():
            try:
                frame = raw.recv(2048)
            except TimeoutError:
                continue
            if len(frame) < FRAME.size:
                continue
            to, _, _, _, _, _, _, operation, asker, asker_ip, _, wanted = FRAME.unpack_from(frame)
            if operation == 1 and wanted == address and to in (BROADCAST, mac) and asker != mac:
                raw.send(_frame(asker, mac, 2, address, asker, asker_ip))


def _frame(to: bytes, mac: bytes, operation: int, own: bytes, target: bytes, ip: bytes) -> bytes:
    return FRAME.pack(to, mac, ETH_ARP, 1, 0x0800, 6, 4, operation, mac, own, target, ip)
