"""When Services may have one address together, as MetalLB has it.

The sharing keys are the same and not empty, no port of one protocol is used twice, and the traffic
goes to backends that every node can find alike: with the policy `Local` both Services need the same
selector, with `Cluster` any. The controller asks for consent across namespaces besides.
"""

from collections.abc import Iterable

from kube.objects import Service, TrafficPolicy

Ports = frozenset[tuple[str, int]]


def sharing_key(service: Service) -> str:
    """Return the key; without one a Service shares with nobody."""
    return service.annotation("allow-shared-ip") or ""


def sharing_backend(service: Service) -> str:
    """Return the selector where only local endpoints count, else nothing."""
    if service.traffic_policy is TrafficPolicy.CLUSTER:
        return ""
    return ",".join(f"{key}={value}" for key, value in sorted(service.selector.items()))


def sharing_ports(service: Service) -> Ports:
    """Return the protocols and ports."""
    return frozenset((port.protocol, port.port) for port in service.ports)


def without_right(services: Iterable[Service]) -> tuple[Service, ...]:
    """Return those of the Services on one address, oldest first, that may not be beside the older.

    Not even for a moment does the controller write such a double, but others may.
    """
    found: list[Service] = []
    terms: tuple[str, str] | None = None
    used: Ports = frozenset()
    for service in services:
        mine, ports = (sharing_key(service), sharing_backend(service)), sharing_ports(service)
        if terms is None:
            terms, used = mine, ports
        elif not mine[0] or mine != terms or ports & used:
            found.append(service)
        else:
            used |= ports
    return tuple(found)
