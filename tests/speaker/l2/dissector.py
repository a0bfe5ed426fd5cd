"""scapy as a strict judge of frames; loaded only when asked, it comes with the extra [lab]."""

from typing import Any

COMPUTED = ("cksum", "chksum", "len", "plen", "ihl")


def dissected(frame: bytes) -> Any:
    from scapy.layers.inet6 import IPv6  # noqa: F401 binds the dissectors of IPv6
    from scapy.layers.l2 import Ether

    return Ether(frame)


def layers_of(packet: Any) -> list[Any]:
    found, layer = [], packet
    while layer:
        found.append(layer)
        layer = layer.payload
    return found


def undissected(frame: bytes) -> set[str]:
    """Return what no dissector knew, but for ARP's padding and the hello's payload."""
    names = [layer.name for layer in layers_of(dissected(frame))]
    allowed = {"Padding"} if "ARP" in names else {"Raw"} if "UDP" in names else set()
    return set(names) & {"Raw", "Padding"} - allowed


def rebuilt(frame: bytes) -> bytes:
    """Return the frame built anew, with every length and checksum computed by scapy."""
    packet = dissected(frame)
    for layer in layers_of(packet):
        for name in COMPUTED:
            if name in layer.fields and not layer.name.startswith("ICMPv6 Neighbor Discovery Opt"):
                delattr(layer, name)
        layer.raw_packet_cache = None
    return bytes(packet)
