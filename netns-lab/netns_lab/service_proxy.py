"""The service proxy of each node: the lab's kube-proxy.

One watch of Services and EndpointSlices serves all nodes; each node has its own tables, health
check servers and life. A change is seen, then programmed, then `healthCheckNodePort` speaks of it,
in this order, as with kube-proxy. UDP entries of conntrack that lead to an endpoint that is gone
are deleted, so that a flow that goes on finds a live one.
"""

import asyncio
import json
import logging
from collections.abc import Iterable
from functools import partial
from typing import Any

from kube.client import Client
from netns_lab.cluster import Json, Key, ObjectWatch
from netns_lab.nft import Nft, NftError
from netns_lab.plan import LabPlan, Node
from netns_lab.processes import run_quietly
from netns_lab.proxy_rules import (
    Backend,
    ProxyPort,
    ProxyService,
    base_script,
    change_script,
)
from netns_lab.servers import Answer, bound, serve_http

SERVICES_PATH = "/api/v1/services"
SLICES_PATH = "/apis/discovery.k8s.io/v1/endpointslices"
SERVICE_LABEL = "kubernetes.io/service-name"
HEALTHZ_PORT = 10256

LOG = logging.getLogger("netns_lab.service_proxy")

Services = dict[Key, ProxyService]
"""Never changed once handed over."""


class NodeProxy:
    """What kube-proxy does on one node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.running = False
        self.delay_s = 0.0
        "Between seeing a change and programming it: kube-proxy's minimum sync period."
        self._nft = Nft(node.host.namespace)
        self._servers: dict[int, tuple[ProxyService, asyncio.Server]] = {}
        self._healthz: asyncio.Server | None = None
        self._programmed: Services = {}

    async def start(self, services: Services) -> None:
        """Program everything and open the health check ports, if it does not run already."""
        if self.running:
            return
        self.running = True
        self._rebuild(services)
        await self._serve_health_checks(services)
        sock = bound(self.node.host.namespace, "::", HEALTHZ_PORT)
        self._healthz = await serve_http(sock, self._healthz_answer)

    def stop(self) -> None:
        """Close the health check ports; what is programmed stays, as when kube-proxy ends."""
        self.running = False
        for _, server in self._servers.values():
            server.close()
        self._servers.clear()
        if self._healthz is not None:
            self._healthz.close()
            self._healthz = None

    def power_off(self) -> None:
        """Lose everything, as when the node's power goes."""
        self.stop()
        self._nft.run("flush ruleset")
        self._programmed = {}

    def close(self) -> None:
        """Free what is held."""
        self.stop()
        self._nft.close()

    async def program(self, services: Services) -> None:
        """Make the node forward as `services` say."""
        if not self.running:
            return
        before = self._programmed
        changes = [
            (old, new)
            for key in before.keys() | services.keys()
            # Most are the very same object: thousands are looked at for each change.
            if (old := before.get(key)) is not (new := services.get(key)) and old != new
        ]
        if not changes:
            return
        try:
            self._nft.run(change_script(changes, self.node.name))
            self._programmed = services
        except NftError as error:
            # Two Services that claim one address and port, for instance: the last one has it.
            LOG.warning("%s: all Services again, for %s", self.node.name, error)
            self._rebuild(services)
        for old, new in changes:
            for address, backend in _gone_udp(old, new):
                await self._forget_flows(address, backend)
        await self._serve_health_checks(services)

    def _rebuild(self, services: Services) -> None:
        addresses = (self.node.lan_v4, self.node.lan_v6, f"172.30.4.{100 + self.node.index}")
        everything = change_script([(None, each) for each in services.values()], self.node.name)
        self._nft.run(base_script(addresses) + everything)
        self._programmed = services

    async def _forget_flows(self, address: str, backend: str) -> None:
        await run_quietly(
            [
                *("ip", "netns", "exec", self.node.host.namespace, "conntrack", "-D", "-p", "udp"),
                *("--orig-dst", address, "--reply-src", backend),
            ]
        )

    async def _serve_health_checks(self, services: Services) -> None:
        wanted = {
            s.health_check_node_port: s for s in services.values() if s.health_check_node_port
        }
        for port in self._servers.keys() - wanted.keys():
            self._servers.pop(port)[1].close()
        for port, service in wanted.items():
            known = self._servers.get(port)
            if known is not None and self.running:
                self._servers[port] = (service, known[1])
            elif self.running:
                sock = bound(self.node.host.namespace, "::", port)
                server = await serve_http(sock, partial(self._health_answer, port))
                self._servers[port] = (service, server)

    def _health_answer(self, port: int, _path: str) -> Answer:
        service, _ = self._servers[port]
        count = service.local_ready(self.node.name)
        namespace, _, name = service.name.partition("/")
        body = {
            "service": {"namespace": namespace, "name": name},
            "localEndpoints": count,
            "serviceProxyHealthy": True,
        }
        return (200 if count else 503), json.dumps(body)

    def _healthz_answer(self, path: str) -> Answer:
        if path.partition("?")[0] not in ("/healthz", "/livez"):
            return 404, "not found\n"
        return 200, json.dumps({"nodeEligible": True})


class ServiceProxies:
    """The proxies of all nodes, and the watch they share."""

    def __init__(self, plan: LabPlan, client: Client) -> None:
        self.nodes = {node.name: NodeProxy(node) for node in plan.nodes}
        self._changes = asyncio.Event()
        self._services = ObjectWatch(client, SERVICES_PATH, self._changed)
        self._slices = ObjectWatch(client, SLICES_PATH, self._slice_changed)
        self._slices_of: dict[Key, dict[Key, Json]] = {}
        "By Service, then by slice."
        self._service_of: dict[Key, Key] = {}
        "By slice."
        self._known: dict[Key, ProxyService] = {}

    async def run(self) -> None:
        """Program every node at every change."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._services.run())
            tasks.create_task(self._slices.run())
            await self._services.listed.wait()
            await self._slices.listed.wait()
            for proxy in self.nodes.values():
                await proxy.start(self.current())
                tasks.create_task(self._follow(proxy))

    def current(self) -> Services:
        """Return the Services as the API has them now."""
        return dict(self._known)

    def close(self) -> None:
        """Free what the nodes hold."""
        for proxy in self.nodes.values():
            proxy.close()

    def power_off(self, node: str) -> None:
        """Lose all that is programmed on the node."""
        self.nodes[node].power_off()

    async def start(self, node: str) -> None:
        """Program the node anew and open its health checks."""
        await self.nodes[node].start(self.current())

    def stop(self, node: str) -> None:
        """End the node's proxy; its rules stay."""
        self.nodes[node].stop()

    def delay(self, node: str, delay_s: float) -> None:
        """Program changes this much later than they are seen."""
        self.nodes[node].delay_s = delay_s

    def _slice_changed(self, key: Key) -> None:
        before = self._service_of.pop(key, None)
        if before is not None:
            self._slices_of[before].pop(key)
            self._changed(before)
        obj = self._slices.objects.get(key)
        service = (obj["metadata"].get("labels") or {}).get(SERVICE_LABEL) if obj else None
        if obj is not None and service:
            owner = self._service_of[key] = (key[0], service)
            self._slices_of.setdefault(owner, {})[key] = obj
            self._changed(owner)

    def _changed(self, key: Key) -> None:
        obj = self._services.objects.get(key)
        if obj is None or obj["spec"].get("clusterIP") in (None, "", "None"):
            self._known.pop(key, None)
        else:
            self._known[key] = proxy_service(key, obj, self._slices_of.get(key, {}).values())
        # Every waiter gets the old event set; later changes are the new event's.
        self._changes.set()
        self._changes = asyncio.Event()

    async def _follow(self, proxy: NodeProxy) -> None:
        while True:
            changes = self._changes
            await proxy.program(self.current())
            await changes.wait()
            await asyncio.sleep(proxy.delay_s)


def proxy_service(key: Key, obj: Json, slices: Iterable[Json]) -> ProxyService:
    """Return what the proxy knows of a Service and its EndpointSlices."""
    spec = obj["spec"]
    ingress = (obj.get("status", {}).get("loadBalancer") or {}).get("ingress") or ()
    external = [*(entry["ip"] for entry in ingress if entry.get("ip"))]
    everything = list(slices)
    return ProxyService(
        name="/".join(key),
        cluster_ips=tuple(spec.get("clusterIPs") or [spec["clusterIP"]]),
        load_balancer_ips=(*external, *(spec.get("externalIPs") or ())),
        local=spec.get("externalTrafficPolicy") == "Local",
        affinity=spec.get("sessionAffinity") == "ClientIP",
        health_check_node_port=spec.get("healthCheckNodePort") or 0,
        ports=tuple(
            ProxyPort(
                protocol=port.get("protocol") or "TCP",
                port=int(port["port"]),
                node_port=port.get("nodePort") or 0,
                backends=tuple(_backends(port, everything)),
            )
            for port in spec.get("ports") or ()
        ),
    )


def _backends(port: Json, slices: list[Json]) -> list[Backend]:
    found = {}
    for each in slices:
        number = _slice_port(port, each)
        if number is None or each.get("addressType") == "FQDN":
            continue
        for endpoint in each.get("endpoints") or ():
            backend = _backend(endpoint, number)
            found[backend.address] = backend
    return [found[address] for address in sorted(found)]


def _slice_port(port: Json, each: Json) -> int | None:
    for candidate in each.get("ports") or ():
        if (candidate.get("name") or "") == (port.get("name") or ""):
            return int(candidate["port"]) if candidate.get("port") else None
    return None


def _backend(endpoint: dict[str, Any], port: int) -> Backend:
    conditions = endpoint.get("conditions") or {}
    # discovery/v1: nil ready means ready; nil serving follows ready.
    ready = conditions.get("ready") is not False
    serving = conditions.get("serving")
    return Backend(
        address=endpoint["addresses"][0],
        port=port,
        node=endpoint.get("nodeName") or "",
        ready=ready,
        serving=ready if serving is None else bool(serving),
        terminating=bool(conditions.get("terminating")),
    )


def _gone_udp(before: ProxyService | None, after: ProxyService | None) -> Iterable[tuple[str, str]]:
    """Return (address, endpoint) pairs whose UDP flows have lost their endpoint."""
    kept = set(_udp_pairs(after)) if after is not None else set()
    return sorted(set(_udp_pairs(before)) - kept) if before is not None else ()


def _udp_pairs(service: ProxyService) -> Iterable[tuple[str, str]]:
    for port in service.ports:
        if port.protocol == "UDP":
            # Not only the usable ones: flows to an endpoint that still serves while it terminates
            # go on, as kube-proxy has it. Its answers on the way would lose their translation.
            for backend in (b for b in port.backends if b.ready or b.serving):
                for address in (*service.cluster_ips, *service.load_balancer_ips):
                    if (":" in address) == (":" in backend.address):
                        yield address, backend.address
