"""Builds the namespaces, bridges, cables, addresses and routes of a plan, and takes them away.

Nothing is ever made in the host's own namespace: both ends of each cable are born where they
belong. The texts for `ip -batch` are made by pure functions; `build` and `remove` run them.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

from netns_lab import netns
from netns_lab.plan import LAN, MGMT, Host, Interface, LabPlan, Nic, Route

COMMON_SYSCTLS = {
    "net/ipv4/conf/*/rp_filter": "0",
    "net/ipv4/conf/*/send_redirects": "0",
    "net/ipv4/conf/*/accept_redirects": "0",
    # Duplicate address detection would hold each IPv6 address back for a second.
    "net/ipv6/conf/*/accept_dad": "0",
    "net/ipv6/conf/*/dad_transmits": "0",
    "net/ipv6/conf/*/accept_ra": "0",
}
FORWARDING_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/*/forwarding": "1",
    # As kube-proxy's strictARP: a node answers on a NIC only for that NIC's addresses.
    "net/ipv4/conf/*/arp_ignore": "1",
    "net/ipv4/conf/*/arp_announce": "2",
    # Flows, not pairs of hosts, are spread over equal paths.
    "net/ipv4/fib_multipath_hash_policy": "1",
    "net/ipv6/fib_multipath_hash_policy": "1",
}
SWITCH_SYSCTLS = {"net/ipv6/conf/*/disable_ipv6": "1"}


class TopologyError(RuntimeError):
    """`ip` refused a command; the text holds its words."""


def build(plan: LabPlan) -> None:
    """Make everything in the plan; raise TopologyError at the first refusal."""
    _ip("".join(f"netns add {host.namespace}\n" for host in plan.hosts))
    for host in plan.hosts:
        with netns.inside(host.namespace):
            _write_sysctls(sysctls(host, switch=host is plan.switch))
    _ip("".join(f"{line}\n" for line in cable_lines(plan)))
    with netns.inside(plan.switch.namespace):
        _ip("".join(f"{line}\n" for line in switch_lines(plan)))
    for host in plan.hosts:
        with netns.inside(host.namespace):
            _ip("".join(f"{line}\n" for line in host_lines(plan, host)))


def remove(namespaces: list[str]) -> None:
    """Delete the namespaces; what lives in them must have been ended before."""
    if namespaces:
        _ip("".join(f"netns del {name}\n" for name in namespaces))


def sysctls(host: Host, *, switch: bool) -> dict[str, str]:
    """Return the settings of a namespace, `*` standing for `all` and `default`."""
    if switch:
        return SWITCH_SYSCTLS
    return COMMON_SYSCTLS | (FORWARDING_SYSCTLS if host.forwards else {})


def cable_lines(plan: LabPlan) -> Iterator[str]:
    """Yield the commands that make the cables, each end in its own namespace."""
    for host in plan.hosts:
        for nic in host.nics:
            yield (
                f"link add {nic.name} netns {host.namespace} address {nic.mac} type veth"
                f" peer name {nic.peer} netns {nic.peer_namespace} address {nic.peer_mac}"
            )


def switch_lines(plan: LabPlan) -> Iterator[str]:
    """Yield the commands that make the two bridges and join the ports to them."""
    yield "link set lo up"
    for bridge in (LAN, MGMT):
        yield f"link add {bridge} type bridge stp_state 0 mcast_snooping 0"
        yield f"link set {bridge} up"
    for port in switch_ports(plan):
        yield f"link set {port} master {port.partition('-')[0]} up"


def switch_ports(plan: LabPlan, host: str | None = None) -> list[str]:
    """Return the names of all ports of the switch, or only those that lead to `host`."""
    return [
        nic.peer
        for each in plan.hosts
        if host is None or each.name == host
        for nic in each.nics
        if nic.peer_namespace == plan.switch.namespace
    ]


def host_lines(plan: LabPlan, host: Host) -> Iterator[str]:
    """Yield the commands that give a host its addresses and routes."""
    if host is plan.switch:
        return
    yield "link set lo up"
    ends = [(nic.name, nic.addresses) for nic in host.nics]
    ends += [(nic.peer, nic.peer_addresses) for nic in _far_ends(plan, host)]
    for name, addresses in ends:
        yield f"link set {name} up"
        yield from (f"address add {address} dev {name}{_no_dad(address)}" for address in addresses)
    for route in host.routes:
        yield _route_line(route)


def _route_line(route: Route) -> str:
    if route.via:
        return f"route add {route.to} via {route.via}"
    return f"route add local {route.to} dev lo"


def _far_ends(plan: LabPlan, host: Host) -> Iterator[Nic]:
    for other in plan.hosts:
        yield from (nic for nic in other.nics if nic.peer_namespace == host.namespace)


def _no_dad(address: Interface) -> str:
    return " nodad" if address.version == 6 else ""


def _write_sysctls(settings: dict[str, str]) -> None:
    for name, value in settings.items():
        names = [name.replace("*", each) for each in ("all", "default")] if "*" in name else [name]
        for each in names:
            Path("/proc/sys", each).write_text(value)


def _ip(script: str) -> None:
    done = subprocess.run(
        ["ip", "-batch", "-"],
        input=script,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    if done.returncode != 0:
        raise TopologyError(f"ip refused a command: {done.stderr.strip()}")
