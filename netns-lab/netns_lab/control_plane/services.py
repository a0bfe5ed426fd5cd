"""What the API server does to a Service: defaults, rules, cluster IPs, node ports.

`Allocations` is the book of cluster IPs and node ports in use; it follows the stored Services and
hands out the next free one in turn, where the real server draws lots. Rules that the real server
checks and no test or user of the lab can meet are left out.
"""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from netns_lab.control_plane.causes import (
    Cause,
    duplicate,
    immutable,
    invalid_value,
    not_supported,
    required,
)
from netns_lab.control_plane.selection import Json
from netns_lab.control_plane.store import DELETED, Change

_WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
_FAMILIES = {4: "IPv4", 6: "IPv6"}
NETWORKS = {"IPv4": ip_network("10.96.0.0/16"), "IPv6": ip_network("fd00:10:96::/112")}
NODE_PORTS = range(30000, 32768)


class Allocations:
    """Cluster IPs and node ports in use."""

    def __init__(self) -> None:
        self._addresses: set[str] = set()
        self._ports: set[tuple[str, int]] = set()
        # The first addresses are for well-known Services, such as `kubernetes` and DNS.
        self._next_host = dict.fromkeys(NETWORKS, 100)
        self._next_port = 0

    def follow(self, change: Change) -> None:
        """Take over what a stored Service uses."""
        if change.previous is not None:
            self._addresses.difference_update(_cluster_ips(change.previous.obj))
            self._ports.difference_update(_node_ports(change.previous.obj))
        if change.type != DELETED:
            self._addresses.update(_cluster_ips(change.record.obj))
            self._ports.update(_node_ports(change.record.obj))

    def address(self, family: str) -> str:
        """Return a free cluster IP."""
        network = NETWORKS[family]
        size = network.num_addresses - 1
        for _ in range(size):
            host = self._next_host[family]
            self._next_host[family] = host + 1 if host + 1 < size else 1
            if (text := str(network[host])) not in self._addresses:
                return text
        raise OverflowError(f"no free cluster IP in {network}")

    def port(self, protocol: str, taken: set[tuple[str, int]]) -> int:
        """Return a free node port, not among those `taken` by the Service itself."""
        for _ in NODE_PORTS:
            port = NODE_PORTS[self._next_port]
            self._next_port = (self._next_port + 1) % len(NODE_PORTS)
            if (protocol, port) not in self._ports and (protocol, port) not in taken:
                return port
        raise OverflowError("no free node port")

    def holds_address(self, address: str) -> bool:
        """Return whether some Service has this cluster IP."""
        return address in self._addresses

    def holds_port(self, protocol: str, port: int) -> bool:
        """Return whether some Service has this node port."""
        return (protocol, port) in self._ports


def default_service(obj: Json) -> None:
    """Fill in place what doesn't depend on other Services."""
    spec = obj.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "ClientIP":
        affinity = spec.setdefault("sessionAffinityConfig", {})
        affinity.setdefault("clientIP", {}).setdefault("timeoutSeconds", 10800)
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec["type"] in _WITH_NODE_PORTS:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
        for ingress in (obj.get("status", {}).get("loadBalancer") or {}).get("ingress") or ():
            if ingress.get("ip"):
                ingress.setdefault("ipMode", "VIP")
    obj.setdefault("status", {}).setdefault("loadBalancer", {})


def keep_allocated(new: Json, old: Json) -> None:
    """Carry over in place what a write leaves out, and drop what its new type doesn't have."""
    spec, before = new["spec"], old["spec"]
    if "ExternalName" not in (spec["type"], before["type"]):
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if not spec.get(field) and before.get(field):
                spec[field] = before[field]
    _keep_ports(spec, before)
    if spec["type"] not in _WITH_NODE_PORTS:
        _drop_unchanged(spec, before, "externalTrafficPolicy")
    if spec["type"] != "LoadBalancer" and before["type"] == "LoadBalancer":
        new["status"] = {"loadBalancer": {}}
        _drop_unchanged(spec, before, "allocateLoadBalancerNodePorts", "loadBalancerClass")
    if not _wants_health_check(spec):
        _drop_unchanged(spec, before, "healthCheckNodePort")
    elif _wants_health_check(before) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = before.get("healthCheckNodePort")


def _drop_unchanged(spec: Json, before: Json, *fields: str) -> None:
    # A field of the old type goes silently; one that the write itself sets is judged.
    for field in fields:
        if spec.get(field) == before.get(field):
            spec.pop(field, None)


def _keep_ports(spec: Json, before: Json) -> None:
    old = {
        (p.get("protocol"), p.get("port")): p["nodePort"]
        for p in before.get("ports") or ()
        if p.get("nodePort")
    }
    for port in spec.get("ports") or ():
        kept = old.get((port.get("protocol"), port.get("port")))
        if spec["type"] in _WITH_NODE_PORTS:
            if not port.get("nodePort") and kept and before["type"] in _WITH_NODE_PORTS:
                port["nodePort"] = kept
        elif port.get("nodePort") == kept:
            port.pop("nodePort", None)


def allocate(obj: Json, book: Allocations) -> None:
    """Give in place the cluster IPs and ports the Service lacks."""
    spec = obj["spec"]
    if spec["type"] == "ExternalName":
        return
    _allocate_addresses(spec, book)
    if spec["type"] not in _WITH_NODE_PORTS:
        return
    taken: set[tuple[str, int]] = set()
    if spec["type"] == "NodePort" or spec.get("allocateLoadBalancerNodePorts"):
        for port in spec.get("ports") or ():
            if not port.get("nodePort"):
                port["nodePort"] = book.port(port["protocol"], taken)
            taken.add((port["protocol"], port["nodePort"]))
    if _wants_health_check(spec) and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = book.port("TCP", taken)


def _wants_health_check(spec: Json) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _allocate_addresses(spec: Json, book: Allocations) -> None:
    given = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    families = list(spec.get("ipFamilies") or ())
    if not families:
        families = [_FAMILIES[ip_address(a).version] for a in given if a not in ("", "None")]
    families = families or ["IPv4"]
    policy = spec.setdefault(
        "ipFamilyPolicy", "SingleStack" if len(families) < 2 else "RequireDualStack"
    )
    if policy == "SingleStack":
        families = families[:1]
        given = given[:1]
    elif len(families) < 2:
        families.append("IPv6" if families[0] == "IPv4" else "IPv4")
    if given != ["None"]:
        given = [*given, *(book.address(family) for family in families[len(given) :])]
    spec["ipFamilies"] = families
    spec["clusterIPs"] = given
    spec["clusterIP"] = given[0]


def service_faults(obj: Json, old: Json | None, book: Allocations) -> Iterator[Cause]:
    """Yield what is wrong with the Service."""
    spec = obj["spec"]
    kinds = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    if spec["type"] not in kinds:
        yield not_supported("spec.type", spec["type"], kinds)
    policies = ("Cluster", "Local")
    if spec.get("externalTrafficPolicy", "Cluster") not in policies:
        yield not_supported("spec.externalTrafficPolicy", spec["externalTrafficPolicy"], policies)
    if spec["type"] == "ExternalName":
        if not spec.get("externalName"):
            yield required("spec.externalName")
        return
    yield from _port_faults(spec, old, book)
    yield from _address_faults(spec, old, book)
    yield from _status_faults(obj)
    yield from _class_faults(spec, (old or {"spec": {"type": ""}})["spec"])


def _status_faults(obj: Json) -> Iterator[Cause]:
    ingress = obj["status"]["loadBalancer"].get("ingress") or ()
    if ingress and obj["spec"]["type"] != "LoadBalancer":
        detail = 'may only be used when `spec.type` is "LoadBalancer"'
        yield Cause("status.loadBalancer.ingress", "FieldValueForbidden", f"Forbidden: {detail}")
    for index, each in enumerate(ingress):
        at = f"status.loadBalancer.ingress[{index}]"
        if each.get("ip") and not each.get("ipMode"):
            yield required(f"{at}.ipMode", "must be specified when `ip` is set")
        try:
            ip_address(each.get("ip") or "0.0.0.0")
        except ValueError:
            yield invalid_value(f"{at}.ip", each["ip"], "must be a valid IP address")


def _class_faults(spec: Json, before: Json) -> Iterator[Cause]:
    name = spec.get("loadBalancerClass")
    if spec["type"] != "LoadBalancer":
        if name:
            detail = "may only be used when `type` is 'LoadBalancer'"
            yield Cause("spec.loadBalancerClass", "FieldValueForbidden", f"Forbidden: {detail}")
    elif before["type"] == "LoadBalancer" and name != before.get("loadBalancerClass"):
        yield immutable("spec.loadBalancerClass", name, "may not change once set")


def _port_faults(spec: Json, old: Json | None, book: Allocations) -> Iterator[Cause]:
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None":
        yield required("spec.ports")
    owned = _node_ports(old) if old is not None else set()
    names: set[str] = set()
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(ports):
        at = f"spec.ports[{index}]"
        number = port.get("port")
        if not isinstance(number, int) or not 0 < number < 65536:
            yield invalid_value(f"{at}.port", number, "must be between 1 and 65535, inclusive")
            continue
        if port["protocol"] not in ("TCP", "UDP", "SCTP"):
            yield not_supported(f"{at}.protocol", port["protocol"], ("SCTP", "TCP", "UDP"))
        name = port.get("name", "")
        if len(ports) > 1 and not name:
            yield required(f"{at}.name")
        elif name in names:
            yield duplicate(f"{at}.name", name)
        names.add(name)
        if (port["protocol"], number) in seen:
            yield duplicate(at, {"port": number, "protocol": port["protocol"]})
        seen.add((port["protocol"], number))
        asked = (port["protocol"], port.get("nodePort") or 0)
        if asked[1] and asked not in owned and book.holds_port(*asked):
            yield invalid_value(f"{at}.nodePort", asked[1], "provided port is already allocated")
        elif asked[1] and asked[1] not in NODE_PORTS:
            detail = (
                "provided port is not in the valid range. The range of valid ports is 30000-32767"
            )
            yield invalid_value(f"{at}.nodePort", asked[1], detail)


def _address_faults(spec: Json, old: Json | None, book: Allocations) -> Iterator[Cause]:
    given = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
    before = _cluster_ips(old) if old is not None else set()
    for index, text in enumerate(given):
        if text == "None" or text in before:
            continue
        field = f"spec.clusterIPs[{index}]"
        try:
            address = ip_address(text)
        except ValueError:
            yield invalid_value(field, text, "must be a valid IP address")
            continue
        if address not in NETWORKS[_FAMILIES[address.version]]:
            yield invalid_value(field, text, "the provided IP is not in the valid range")
        elif book.holds_address(text):
            detail = "failed to allocate IP: provided IP is already allocated"
            yield invalid_value(field, text, detail)
    was = (old or {"spec": {}})["spec"].get("clusterIP")
    if (
        was
        and old is not None
        and old["spec"]["type"] != "ExternalName"
        and given
        and given[0] != was
    ):
        yield immutable("spec.clusterIPs[0]", given[0], "may not change once set")


def _cluster_ips(obj: Json) -> set[str]:
    return {each for each in obj["spec"].get("clusterIPs") or () if each != "None"}


def _node_ports(obj: Json) -> set[tuple[str, int]]:
    spec = obj["spec"]
    ports = {(p["protocol"], p["nodePort"]) for p in spec.get("ports") or () if p.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        ports.add(("TCP", spec["healthCheckNodePort"]))
    return ports
