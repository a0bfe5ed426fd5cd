"""nftables rules of one node's service proxy, as text: what kube-proxy would program.

Pure. A Service's ClusterIPs, node ports and load balancer addresses are translated to usable
endpoints: the ready ones, or those that still serve while they terminate when none is ready
(KEP-1669). With `externalTrafficPolicy: Local` traffic from outside goes to this node's endpoints
only and keeps its source address; with Cluster it is masqueraded. Where nothing is usable, traffic
is refused, and for Local without a local endpoint dropped, as kube-proxy does.

Session affinity to a client's address is a hash over it, not a table with a time limit.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from netns_lab.plan import PODS_V4, PODS_V6

MASQUERADE_MARK = "0x4000"
TABLE = "herald_proxy"


@dataclass(frozen=True, slots=True)
class Backend:
    """One endpoint for one port."""

    address: str
    port: int
    node: str
    ready: bool
    serving: bool
    terminating: bool


@dataclass(frozen=True, slots=True)
class ProxyPort:
    """One port of a Service with its backends of both families."""

    protocol: str
    port: int
    node_port: int
    backends: tuple[Backend, ...]


@dataclass(frozen=True, slots=True)
class ProxyService:
    """What the proxy knows of a Service."""

    name: str
    "`namespace/name`."
    cluster_ips: tuple[str, ...]
    load_balancer_ips: tuple[str, ...]
    local: bool
    affinity: bool
    health_check_node_port: int
    ports: tuple[ProxyPort, ...]

    def local_ready(self, node: str) -> int:
        """Return how many ready endpoints `healthCheckNodePort` reports for the node."""
        return len(
            {b.address for port in self.ports for b in port.backends if b.node == node and b.ready}
        )


def usable(backends: Iterable[Backend]) -> tuple[Backend, ...]:
    """Return the ready ones, else those that serve while they terminate."""
    everyone = tuple(backends)
    ready = tuple(b for b in everyone if b.ready)
    return ready or tuple(b for b in everyone if b.serving and b.terminating)


def base_script(node_ips: Iterable[str]) -> str:
    """Return the script that replaces the node's tables by such without any Service."""
    addresses = tuple(node_ips)
    return "".join(f"{line}\n" for version in (4, 6) for line in _empty_table(version, addresses))


def change_script(
    changes: Iterable[tuple[ProxyService | None, ProxyService | None]], node: str
) -> str:
    """Return the script that takes Services from what was programmed to what is wanted.

    Each pair is (before, after). One transaction: no packet sees a Service half changed.
    """
    pairs = tuple(changes)
    lines: list[str] = []
    for version in (4, 6):
        before = _programmed(version, (old for old, _ in pairs if old is not None), node)
        after = _programmed(version, (new for _, new in pairs if new is not None), node)
        lines += _difference("ip" if version == 4 else "ip6", before, after)
    return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class _Target:
    """Where one (address or node port) of one port goes, inside one family."""

    key: str
    node_port: bool
    chain: str
    verdict: str
    "`goto CHAIN`, or the verdict for closed traffic."
    rules: tuple[str, ...]

    @property
    def map(self) -> str:
        """The verdict map that the key is in."""
        name = "node_ports" if self.node_port else "services"
        return name if self.chain else f"closed_{name}"


@dataclass(frozen=True, slots=True)
class _Programmed:
    """What stands for some Services in one table."""

    elements: dict[tuple[str, str], str]
    "By map and key."
    chains: dict[str, tuple[str, ...]]


def _programmed(version: int, services: Iterable[ProxyService], node: str) -> _Programmed:
    targets = [t for service in services for t in _targets(version, service, node)]
    return _Programmed(
        elements={(t.map, t.key): t.verdict for t in targets},
        chains={t.chain: t.rules for t in targets if t.chain},
    )


def _difference(family: str, before: _Programmed, after: _Programmed) -> Iterator[str]:
    table = f"{family} {TABLE}"
    changed = {name for name, rules in after.chains.items() if before.chains.get(name) != rules}
    gone = before.chains.keys() - after.chains.keys()
    # Chains first, so that elements and jumps find them; references go before what they lead to.
    yield from (f"add chain {table} {name}" for name in sorted(changed))
    for (name, key), verdict in before.elements.items():
        if after.elements.get((name, key)) != verdict:
            yield f"delete element {table} {name} {{ {key} }}"
    yield from (f"flush chain {table} {name}" for name in sorted(changed | gone))
    for name in sorted(changed):
        yield from (f"add rule {table} {name} {rule}" for rule in after.chains[name])
    for (name, key), verdict in after.elements.items():
        if before.elements.get((name, key)) != verdict:
            yield f"add element {table} {name} {{ {key} : {verdict} }}"
    yield from (f"delete chain {table} {name}" for name in sorted(gone))


def _empty_table(version: int, node_ips: tuple[str, ...]) -> Iterator[str]:
    family, kind = ("ip" if version == 4 else "ip6"), f"ipv{version}_addr"
    own = ", ".join(a for a in node_ips if ip_address(a).version == version)
    yield f"table {family} {TABLE}"
    yield f"delete table {family} {TABLE}"
    yield f"table {family} {TABLE} {{"
    for name in ("services", "closed_services"):
        yield f"  map {name} {{ type {kind} . inet_proto . inet_service : verdict; }}"
    for name in ("node_ports", "closed_node_ports"):
        yield f"  map {name} {{ type inet_proto . inet_service : verdict; }}"
    yield f"  set own {{ type {kind};{f' elements = {{ {own} }};' if own else ''} }}"
    yield from _hooks(version, family)
    yield "}"


def _chain(name: str, rules: tuple[str, ...]) -> Iterator[str]:
    yield f"  chain {name} {{"
    yield from (f"    {rule}" for rule in rules)
    yield "  }"


def _hooks(version: int, family: str) -> Iterator[str]:
    port = f"{family} daddr . meta l4proto . th dport"
    yield from _chain("refuse", ("reject",))
    yield from _chain(
        "dispatch",
        (
            f"{port} vmap @services",
            f"{family} daddr @own meta l4proto . th dport vmap @node_ports",
        ),
    )
    for hook, priority in (("prerouting", "dstnat"), ("output", "-100")):
        head = f"type nat hook {hook} priority {priority};"
        yield from _chain(f"nat_{hook}", (head, "jump dispatch"))
    pods = PODS_V4 if version == 4 else PODS_V6
    yield from _chain(
        "nat_postrouting",
        (
            "type nat hook postrouting priority srcnat;",
            f"meta mark & {MASQUERADE_MARK} == {MASQUERADE_MARK} masquerade",
            # A Pod that reaches a Pod of its own namespace by a Service must be answered by us.
            f'oifname "cni0" iifname "cni0" {family} saddr {pods} ct status dnat masquerade',
        ),
    )
    for hook in ("input", "forward", "output"):
        head = f"type filter hook {hook} priority filter;"
        closed = f"ct state new {port} vmap @closed_services"
        own = f"ct state new {family} daddr @own meta l4proto . th dport vmap @closed_node_ports"
        yield from _chain(f"filter_{hook}", (head, closed, own))


def _targets(version: int, service: ProxyService, node: str) -> Iterator[_Target]:
    if not _of(version, service.cluster_ips):  # not a Service of this family
        return
    pods = PODS_V4 if version == 4 else PODS_V6
    family = "ip" if version == 4 else "ip6"
    for number, port in enumerate(service.ports):
        everyone = [b for b in port.backends if ip_address(b.address).version == version]
        backends = usable(everyone)
        local = usable(b for b in everyone if b.node == node)
        name = f"s{_label(service.name)}_{number}"
        balance = _balance(version, port, backends, affinity=service.affinity)
        inner = (f"{family} saddr != {pods} meta mark set mark or {MASQUERADE_MARK}", *balance)
        if service.local:
            to_local = _balance(version, port, local, affinity=service.affinity)
            # Pods of the cluster need not care where the endpoints are.
            outer = (f"{family} saddr {pods} goto {name}_in", *to_local)
        else:
            outer = (f"meta mark set mark or {MASQUERADE_MARK}", *balance)
        outside_open = bool(local if service.local else backends)
        refused = "drop" if service.local and backends else "goto refuse"
        key = f"{port.protocol.lower()} . {port.port}"
        for address in _of(version, service.cluster_ips):
            yield _target(f"{address} . {key}", f"{name}_in", inner, bool(backends), "goto refuse")
        for address in _of(version, service.load_balancer_ips):
            yield _target(f"{address} . {key}", f"{name}_out", outer, outside_open, refused)
        if port.node_port:
            key = f"{port.protocol.lower()} . {port.node_port}"
            yield _target(key, f"{name}_out", outer, outside_open, refused, node_port=True)


def _target(
    key: str,
    chain: str,
    rules: tuple[str, ...],
    is_open: bool,
    refused: str,
    *,
    node_port: bool = False,
) -> _Target:
    if is_open:
        return _Target(key, node_port, chain, f"goto {chain}", rules)
    return _Target(key, node_port, "", refused, ())


def _balance(
    version: int, port: ProxyPort, backends: tuple[Backend, ...], *, affinity: bool
) -> tuple[str, ...]:
    if not backends:
        return ()
    family = "ip" if version == 4 else "ip6"
    count = len(backends)
    pick = f"jhash {family} saddr mod {count} seed 1" if affinity else f"numgen random mod {count}"
    to = ", ".join(f"{i} : {b.address} . {b.port}" for i, b in enumerate(backends))
    return (f"meta l4proto {port.protocol.lower()} dnat {family} to {pick} map {{ {to} }}",)


def _of(version: int, addresses: tuple[str, ...]) -> list[str]:
    return [a for a in addresses if ip_address(a).version == version]


def _label(name: str) -> str:
    # Names of chains take no dots or slashes; `__` keeps namespace and name apart.
    return name.replace("/", "__").replace(".", "_d_").replace("-", "_")
