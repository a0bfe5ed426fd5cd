"""Addresses as integers, and back."""

from ipaddress import IPv4Address, IPv6Address

from kube.objects import Address


def to_address(version: int, value: int) -> Address:
    """Return the address of the IP version with that value."""
    return IPv4Address(value) if version == 4 else IPv6Address(value)
