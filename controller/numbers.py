"""Numbers and what they stand for: addresses as integers, resource versions in their order."""

from ipaddress import IPv4Address, IPv6Address

from kube.objects import Address, Service


def to_address(version: int, value: int) -> Address:
    """Return the address of the IP version with that value."""
    return IPv4Address(value) if version == 4 else IPv6Address(value)


def to_number(resource_version: str) -> int:
    """Return the version as a number; 0, before all others, for what is none."""
    return int(resource_version) if resource_version.isdigit() else 0


def version_of(service: Service) -> int:
    """Return the number of the Service's resource version."""
    return to_number(service.resource_version)
