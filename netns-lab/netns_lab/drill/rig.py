"""A lab made ready for drills: one Service, its backends where the scenario wants them.

Who owns the address is asked of the network itself (ARP on the LAN, the route in the router's
kernel), never of Herald.
"""

import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from netns_lab.commands import READY_PORTS
from netns_lab.drill import objects
from netns_lab.drill.settle import until
from netns_lab.lab import Lab
from netns_lab.manifests import Manifest
from netns_lab.orders import LabError

SETTLE_LIMIT_S = 180.0
"For a busy machine, on which a node's processes take a minute to start."
MAC = re.compile(r"\[([0-9A-Fa-f:]{17})\]")
SERVICE_PATH = f"/api/v1/namespaces/default/services/{objects.SERVICE}"
# `10.244.1.2:7` in kube-proxy's rules, `10.244.1.2 . 7` in those of the lab's own proxy.
PROGRAMMED = re.compile(rf"\b(\d+\.\d+\.\d+\.\d+)(?::| \. ){objects.ECHO_PORT}\b")


@dataclass(slots=True)
class Rig:
    """The Service under test in a lab; `layer2` says how it is announced."""

    lab: Lab
    layer2: bool
    policy: str
    address: str = ""
    backends: dict[str, Manifest] = field(default_factory=dict)
    "By node."
    _made: int = 0

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes of the lab."""
        return self.lab.plan.node_names

    def settle(self, on: tuple[str, ...]) -> None:
        """Make the Service anew where it differs, its backends on the nodes `on`, and wait."""
        self.wait_ready()
        pool = objects.L2_POOL if self.layer2 else objects.BGP_POOL
        self._apply(objects.service(pool, self.policy))
        self.place(on)
        self.address = until("the Service's address", self._assigned, SETTLE_LIMIT_S)

    def wait_ready(self, limit_s: float = SETTLE_LIMIT_S) -> None:
        """Return when every process of the lab is ready."""
        until("all processes ready", self._all_ready, limit_s)

    def place(self, on: tuple[str, ...]) -> None:
        """Have one ready backend on each of the nodes `on` and none elsewhere."""
        for node in on:
            if node not in self.backends:
                self._made += 1
                self.backends[node] = objects.backend(node, self._made)
                self._apply(self.backends[node])
        for node in on:
            manifest = self.backends[node]
            until(f"{manifest.words} ready", partial(self._is_ready, manifest), SETTLE_LIMIT_S)
        for node in set(self.backends) - set(on):
            self.remove(node, grace_s=0)

    def remove(self, node: str, *, grace_s: int | None = None) -> None:
        """Delete the backend on a node, with its own grace period unless said otherwise."""
        manifest = self.backends.pop(node)
        options = "" if grace_s is None else f"?gracePeriodSeconds={grace_s}"
        self.lab.request("DELETE", manifest.path + options)

    def pod(self, node: str) -> str:
        """Return the backend on a node as `namespace/name`."""
        metadata = self.backends[node].obj["metadata"]
        return f"{metadata.get('namespace', 'default')}/{metadata['name']}"

    def wait_programmed(self) -> None:
        """Return when every node's service proxy leads to the backends there are, and no other.

        A node that takes over sends what comes to the backends that its proxy knows of.
        """
        backends = {self._pod_address(manifest) for manifest in self.backends.values()}

        def there() -> bool:
            late = [node for node in self.nodes if self._programmed(node) != backends]
            if late:
                raise LabError(f"waiting for the rules of {', '.join(late)}")
            return True

        until("backends in all rules", there, SETTLE_LIMIT_S)

    def owner(self) -> str:
        """Return the node that answers for the address (L2), asked until it stays the same."""
        asked = [self._answering()]

        def steady() -> str | None:
            asked.append(self._answering())
            return asked[-1] if asked[-1] and asked[-1] == asked[-2] else None

        return until(f"one owner of {self.address}", steady, SETTLE_LIMIT_S)

    def forget_owner(self) -> None:
        """Let clients and router ask anew who has the address, and so send to its owner."""
        for host in ("client", "router"):
            self.lab.exec(host, ["ip", "neigh", "flush", "to", self.address])

    def wait_routes(self, count: int) -> None:
        """Return when the router's kernel has `count` next hops for the address."""

        def there() -> bool:
            return len(self.next_hops()) == count

        until(f"{count} next hops for {self.address}", there, SETTLE_LIMIT_S)

    def wait_bfd(self, count: int) -> None:
        """Return when the router has `count` BFD sessions up: BGP is up a second or two before."""

        def there() -> bool:
            sessions = _list_of(self.lab.vtysh("show bfd peers json"))
            return len([each for each in sessions if each["status"] == "up"]) == count

        until(f"{count} BFD sessions", there, SETTLE_LIMIT_S)

    def wait_unserved(self, node: str) -> None:
        """Return when the node's service proxy says that no backend serves there."""
        self._wait_health(node, "503")

    def wait_served(self, node: str) -> None:
        """Return when the node's service proxy says that a backend serves there."""
        self._wait_health(node, "200")

    def _wait_health(self, node: str, answer: str) -> None:
        service = self.lab.get(SERVICE_PATH) or {}
        port = service["spec"]["healthCheckNodePort"]
        url = f"http://{self.lab.plan.node(node).lan_v4}:{port}/healthz"
        ask = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "1", url]

        def said() -> bool:
            return self.lab.exec(node, ask).stdout == answer

        until(f"{answer} from {url}", said, SETTLE_LIMIT_S)

    def next_hops(self) -> list[str]:
        """Return the next hops of the router's kernel route for the address."""
        answer = self.lab.exec("router", ["ip", "-j", "route", "show", self.address])
        routes = _list_of(answer.stdout)
        hops = [hop for route in routes for hop in route.get("nexthops") or [route]]
        return sorted(hop["gateway"] for hop in hops if "gateway" in hop)

    def names(self) -> dict[str, str]:
        """Return the node of each MAC on the LAN and of each next hop."""
        found = {}
        for node in self.lab.plan.nodes:
            lan = next(nic for nic in node.host.nics if nic.name == "lan0")
            found[lan.mac] = node.name
            found.update((str(address.ip), node.name) for address in lan.addresses)
        return found

    def pages(self) -> list[dict[str, Any]]:
        """Return the status pages of the speakers that answer."""
        url = f"http://127.0.0.1:{READY_PORTS['brain']}/status"
        found = (self.lab.fetch(node, url) for node in self.nodes)
        return [json.loads(page) for page in found if page is not None]

    def clear(self) -> None:
        """Remove the Service and its backends; return when nothing leads to its address.

        The next Service may get the same one, and what is left would pass for its own.
        """
        for node in list(self.backends):
            self.remove(node, grace_s=0)
        pool = objects.L2_POOL if self.layer2 else objects.BGP_POOL
        list(self.lab.delete([objects.service(pool, self.policy)]))
        if self.address:
            until(f"nobody has {self.address}", self._is_unused, SETTLE_LIMIT_S)

    def _apply(self, manifest: Manifest) -> None:
        list(self.lab.apply([manifest]))

    def _assigned(self) -> str | None:
        service = self.lab.get(SERVICE_PATH) or {}
        ingress = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
        return ingress[0].get("ip") if ingress else None

    def _is_unused(self) -> bool:
        return not (self._answering() if self.layer2 else self.next_hops())

    def _pod_address(self, manifest: Manifest) -> str:
        pod = self.lab.get(manifest.path) or {}
        return str(pod.get("status", {}).get("podIP"))

    def _programmed(self, node: str) -> set[str]:
        return set(PROGRAMMED.findall(self.lab.exec(node, ["nft", "list", "ruleset"]).stdout))

    def _is_ready(self, manifest: Manifest) -> bool:
        pod = self.lab.get(manifest.path) or {}
        conditions = pod.get("status", {}).get("conditions") or []
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def _all_ready(self) -> bool:
        status = self.lab.status()
        late = [
            p["process"]
            for p in status["processes"]
            if p["state"] != "running" or p["ready"] is False
        ]
        if late:
            raise LabError(f"waiting for {', '.join(late)}")
        return not any(node["dead"] for node in status["nodes"])

    def _answering(self) -> str:
        argv = ["arping", "-f", "-c", "2", "-w", "1", "-I", "lan0", self.address]
        found = MAC.search(self.lab.exec("watcher", argv).stdout)
        return self.names().get(found.group(1).lower(), "") if found else ""


def _list_of(text: str) -> list[dict[str, Any]]:
    """Return a command's list; a daemon that is too busy to answer makes it say something else."""
    try:
        found: list[dict[str, Any]] = json.loads(text or "[]")
    except ValueError as error:
        raise LabError(f"no answer in JSON but {text.strip()!r}") from error
    return found
