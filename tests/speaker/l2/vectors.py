"""Frames captured from other stacks (Linux 6, iputils arping), and who sent them."""

from ipaddress import IPv4Address, IPv6Address

from speaker.l2.ethernet import Mac, internet_checksum

CLIENT = Mac.parse("da:d4:9d:8e:0f:aa")
NODE = Mac.parse("02:00:00:00:00:65")
CLIENT4 = IPv4Address("192.168.4.2")
NODE4 = IPv4Address("192.168.4.101")
VIP4 = IPv4Address("192.168.4.10")
CLIENT6 = IPv6Address("fd00:4::2")
CLIENT_LINK_LOCAL = IPv6Address("fe80::d8d4:9dff:fe8e:faa")
NODE6 = IPv6Address("fd00:4::65")

ARP_REQUEST = bytes.fromhex(  # Linux at .101 resolves .2
    "ffffffffffff02000000006508060001080006040001020000000065c0a80465000000000000c0a80402"
)
ARP_PROBE = bytes.fromhex(  # arping -D: the target's MAC is not zero, and must not matter
    "ffffffffffffdad49d8e0faa08060001080006040001dad49d8e0faa00000000ffffffffffffc0a8040a"
)
ARP_ANNOUNCEMENT = bytes.fromhex(  # arping -U
    "ffffffffffffdad49d8e0faa08060001080006040001dad49d8e0faac0a80402ffffffffffffc0a80402"
)
ARP_GRATUITOUS_REPLY = bytes.fromhex(  # arping -A
    "ffffffffffffdad49d8e0faa08060001080006040002dad49d8e0faac0a80402dad49d8e0faac0a80402"
)
NS_MULTICAST = bytes.fromhex(  # Linux at ::65 resolves ::2
    "3333ff00000202000000006586dd6000000000203afffd000004000000000000000000000065"
    "ff0200000000000000000001ff00000287007cc700000000fd000004000000000000000000000002"
    "0101020000000065"
)
NS_UNICAST = bytes.fromhex(  # Linux in state PROBE (NUD), from its link-local address
    "020000000065dad49d8e0faa86dd6000000000203afffe80000000000000d8d49dfffe8e0faa"
    "fd0000040000000000000000000000658700713400000000fd000004000000000000000000000065"
    "0101dad49d8e0faa"
)
NS_DAD = bytes.fromhex(  # Linux tries out ::2, with a nonce (RFC 7527)
    "3333ff000002dad49d8e0faa86dd6000000000203aff00000000000000000000000000000000"
    "ff0200000000000000000001ff0000028700622100000000fd000004000000000000000000000002"
    "0e0141b2cae700db"
)
NA_WITHOUT_OPTION = bytes.fromhex(  # Linux answers NUD
    "dad49d8e0faa02000000006586dd6000000000183afffd000004000000000000000000000065"
    "fe80000000000000d8d49dfffe8e0faa8800b94a40000000fd000004000000000000000000000065"
)

ARP_VECTORS = (ARP_REQUEST, ARP_PROBE, ARP_ANNOUNCEMENT, ARP_GRATUITOUS_REPLY)
NDP_VECTORS = (NS_MULTICAST, NS_UNICAST, NS_DAD, NA_WITHOUT_OPTION)


def with_checksum(frame: bytes) -> bytes:
    """Mend the ICMPv6 checksum of a frame that was changed."""
    length = len(frame) - 54
    pseudo = frame[22:54] + length.to_bytes(4, "big") + (58).to_bytes(4, "big")
    body = frame[54:56] + b"\0\0" + frame[58:]
    total = internet_checksum(pseudo + body).to_bytes(2, "big")
    return frame[:18] + length.to_bytes(2, "big") + frame[20:56] + total + frame[58:]
