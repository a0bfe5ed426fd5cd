"""What a Service asks for, parsed once from its fields and annotations.

Families come from the Service's cluster IPs, as in MetalLB: the cluster has decided there what the
Service can speak. `Ask.families` lists the acceptable sets of families, best first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from controller.outcome import Pending, Reason
from controller.sharing import Terms, terms_of
from kube.objects import ANNOTATION_PREFIXES, Address, IPFamilyPolicy, ObjectName, Service
from kube.quoting import quoted

ADDRESS_POOL = "address-pool"
LOAD_BALANCER_IPS = "loadBalancerIPs"
DEPRECATED_PREFIX = ANNOTATION_PREFIXES[1]

Families = tuple[int, ...]
"""IP versions, 4 before 6: the order in which addresses are written."""

ONE: Mapping[int, tuple[Families, ...]] = {4: ((4,),), 6: ((6,),)}
BOTH: Families = (4, 6)


@dataclass(frozen=True, slots=True)
class Ask:
    """A Service's wishes, all of them well-formed."""

    service: ObjectName
    families: tuple[Families, ...]
    terms: Terms
    pool: str = ""
    "The only pool it wants, empty for any."
    addresses: tuple[Address, ...] = ()
    "The only addresses it wants, IPv4 first; empty for any."


def is_ours(service: Service, lb_class: str | None) -> bool:
    """Tell whether the Service is of our type and class; no class means Services without one."""
    return service.type == "LoadBalancer" and service.load_balancer_class == (lb_class or None)


def parse_ask(service: Service) -> Ask | Pending:
    """Return what the Service asks for, or why nothing can be given for that."""
    families = acceptable_families(service)
    if isinstance(families, Pending):
        return families
    addresses = _requested(service)
    if isinstance(addresses, Pending):
        return addresses
    if addresses and (fault := _family_fault(service, addresses, families)) is not None:
        return fault
    return Ask(
        service=service.name,
        families=families,
        terms=terms_of(service),
        pool=service.annotation(ADDRESS_POOL) or "" if service.annotations else "",
        addresses=addresses,
    )


def acceptable_families(service: Service) -> tuple[Families, ...] | Pending:
    """Return the sets of families the Service can use, best first."""
    versions = {address.version for address in service.cluster_ips}
    dual = len(versions) == 2
    policy = service.ip_family_policy
    if not versions:
        return _pending(
            service,
            Reason.NO_CLUSTER_IP,
            "spec.clusterIP",
            "it has no cluster IP, so its address family is unknown",
            "a Service of type LoadBalancer cannot be headless: remove clusterIP: None",
        )
    if policy is IPFamilyPolicy.REQUIRE_DUAL_STACK and not dual:
        return _pending(
            service,
            Reason.NOT_DUAL_STACK,
            "spec.ipFamilyPolicy",
            "it requires dual stack but has not enough clusterips: only one family",
            "use PreferDualStack, or a cluster with dual stack",
        )
    if not dual:
        return ONE[versions.pop()]
    if policy is not IPFamilyPolicy.PREFER_DUAL_STACK:
        return (BOTH,)
    return (BOTH, (6,), (4,)) if _primary(service) == 6 else (BOTH, (4,), (6,))


def lenient_ask(service: Service) -> tuple[Ask | None, Pending | None]:
    """Return the ask and what is wrong with it; one that is malformed has no wishes left.

    There is none without a family: then nothing can be given at all.
    """
    ask = parse_ask(service)
    if isinstance(ask, Ask):
        return ask, None
    families = acceptable_families(service)
    if isinstance(families, Pending):
        return None, ask
    return Ask(service.name, families, terms_of(service)), ask


def deprecated_annotations(service: Service) -> tuple[str, ...]:
    """Return the annotations that still have MetalLB's old prefix."""
    return tuple(key for key in service.annotations if key.startswith(DEPRECATED_PREFIX))


def _primary(service: Service) -> int:
    return 6 if service.ip_families[:1] == ("IPv6",) else 4


def _requested(service: Service) -> tuple[Address, ...] | Pending:
    annotation = service.annotation(LOAD_BALANCER_IPS) if service.annotations else None
    if not annotation:
        text, field = service.load_balancer_ip, "spec.loadBalancerIP"
        if not text:
            return ()
    elif service.load_balancer_ip:
        return _pending(
            service,
            Reason.REQUEST_TWICE,
            "spec.loadBalancerIP",
            "service can not have both metallb.io/loadBalancerIPs and spec.loadBalancerIP",
            "remove spec.loadBalancerIP, the annotation can say all it says",
        )
    else:
        text, field = annotation, f"metadata.annotations[metallb.io/{LOAD_BALANCER_IPS}]"
    addresses: list[Address] = []
    for entry in text.split(","):
        address = _address(entry.strip())
        if address is None:
            return _pending(
                service,
                Reason.REQUEST_MALFORMED,
                field,
                f"invalid address {quoted(entry.strip())} in {quoted(text)}",
                "write one IP address, or one IPv4 and one IPv6 address with a comma between",
            )
        addresses.append(address)
    return tuple(sorted(addresses, key=lambda address: address.version))


def _address(text: str) -> Address | None:
    # A scope says on which link of this very machine: it means nothing to a network.
    if "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # MetalLB's parser takes ::ffff:192.0.2.1 for 192.0.2.1, so manifests may hold it.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _family_fault(
    service: Service, addresses: tuple[Address, ...], families: tuple[Families, ...]
) -> Pending | None:
    asked = tuple(address.version for address in addresses)
    if len(asked) > len(set(asked)):
        return _pending(
            service,
            Reason.REQUEST_MALFORMED,
            f"metadata.annotations[metallb.io/{LOAD_BALANCER_IPS}]",
            f"it asks for {len(asked)} addresses, two of them of the same family",
            "ask for one address of each family at most",
        )
    # The first set is what the cluster IPs say; fewer are for automatic choice only.
    if asked == families[0]:
        return None
    return _pending(
        service,
        Reason.FAMILY_MISMATCH,
        "spec.ipFamilies",
        f"it asks for {_family_words(asked)} but its cluster IPs are {_family_words(families[0])}",
        "ask for addresses of exactly the families of spec.clusterIPs",
    )


def _family_words(families: Families) -> str:
    return " and ".join(f"IPv{version}" for version in families)


def _pending(service: Service, reason: Reason, field: str, sentence: str, remedy: str) -> Pending:
    return Pending(reason, f"Service {service.name}", field, sentence, remedy)
