"""scapy as a strict judge of frames; loaded only when asked, it comes with the extra [lab]."""

from typing import Any

HELLO_PORT = 17946
COMPUTED = ("cksum", "chksum", "len", "plen", "ihl")


def dissected(frame: bytes) -> Any:
    from scapy.contrib.bfd import BFD  # noqa: F401 binds its ports
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
    packet = dissected(frame)
    is_hello = "UDP" in packet and packet["UDP"].dport == HELLO_PORT
    allowed = {"Padding"} if "ARP" in packet else {"Raw"} if is_hello else set()
    return {layer.name for layer in layers_of(packet)} & {"Raw", "Padding"} - allowed


def rebuilt(frame: bytes) -> bytes:
    """Return the frame built anew, with every length and checksum computed by scapy."""
    packet = dissected(frame)
    for layer in layers_of(packet):
        for name in COMPUTED:
            if name in layer.fields and not layer.name.startswith("ICMPv6 Neighbor Discovery Opt"):
                delattr(layer, name)
        layer.raw_packet_cache = None
    return bytes(packet)
