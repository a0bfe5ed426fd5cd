"""Hello datagrams as they are on the wire, captured once: version 1 of the format, fixed.

A change that alters one of these breaks nodes of the previous release in a rolling upgrade: make a
new version or a new TLV instead.
"""

from ipaddress import ip_address

from speaker.hello.entry import Claim, Entry, Grade, encode_lines
from speaker.hello.packet import Changes, Chunk, Double, Hello, Keyring, cluster_digest

RING = Keyring(cluster_digest("4f6c1c5e-7a3e-4a51-9a6f-0d3c53a1b001"), {7: bytes(range(32))})
KEY_ID = 7

LINES = (
    (ip_address("192.168.4.10"), Entry(Grade.ON_SUBNET, 5, Claim(1_700_000_000_123, uid_hash=7))),
    (ip_address("192.168.4.11"), Entry(Grade.OFF_SUBNET, -3)),
    (ip_address("192.168.4.12"), None),
    (ip_address("fd00:4::10"), Entry(Grade.LAST_RESORT, 0, Claim(9, True, True, 0xFFFFFFFF))),
    (ip_address("fd00:4::11"), Entry(Grade.REFUSED, 0, held=True)),
)
ENCODED, _ = encode_lines(LINES, 1000)

HELLOS = {
    "starting": Hello(
        node="node1",
        boot_id=0x0102030405060708,
        sequence=1,
        interval_ms=100,
        starting=True,
        keys=(7,),
    ),
    "owner": Hello(
        node="node2.example",
        boot_id=0xA1A2A3A4A5A6A7A8,
        sequence=0x1_0000_0002,
        interval_ms=20,
        freshness_s=61,
        draining=True,
        version=12,
        count=4,
        echoes={0x0102030405060708: (99, 3), 1: (0xFFFFFFFF, 0)},
        changes=Changes(9, 12, LINES),
        doubles=(
            Double(ip_address("192.168.4.10"), 5, 6, False),
            Double(ip_address("fd00:4::10"), 7, 8, True),
        ),
        keys=(6, 7),
    ),
    "chunk": Hello(
        node="n",
        boot_id=1,
        sequence=3,
        interval_ms=1000,
        stalled=True,
        passive=True,
        partial=True,
        version=12,
        count=400,
        chunk=Chunk(12, 1, 2, LINES),
    ),
}

VECTORS = {
    "starting": (
        "48524c44010000078185cdcea30bfa0c2af26c2878e2c8ae01001a01020304050607080000000000"
        "00000100640000016e6f64653103000800000000000000000700020007db4872fb2f8c2498af1036"
        "23bbf57689b251939f9a406f654c6e9f05721ad476"
    ),
    "owner": (
        "48524c44010000078185cdcea30bfa0c2af26c2878e2c8ae010022a1a2a3a4a5a6a7a80000000100"
        "0000020014003d026e6f6465322e6578616d706c650300080000000c000000040700040006000702"
        "0020010203040506070800000063000000030000000000000001ffffffff0000000006003600c0a8"
        "040a0000000000000005000000000000000605fd0000040000000000000000000000100000000000"
        "0000070000000000000008040059000000090000000cc2c0a8040a00050000018bcfe5687b000000"
        "0780c0a8040bfffd20c0a8040c4ffd00000400000000000000000000001000000000000000000009"
        "ffffffff11fd00000400000000000000000000001100005ec8633df0051972d2f9fd120446e1bbd3"
        "1a0e816656c5910093240efcaea6e8"
    ),
    "chunk": (
        "48524c44010000078185cdcea30bfa0c2af26c2878e2c8ae01001600000000000000010000000000"
        "00000303e800001c6e0300080000000c000001900500590000000c00010002c2c0a8040a00050000"
        "018bcfe5687b0000000780c0a8040bfffd20c0a8040c4ffd00000400000000000000000000001000"
        "000000000000000009ffffffff11fd0000040000000000000000000000110000982d2f52e6f6ade4"
        "bf5fd7e001d81db53ede1259d305280feb623e2164731787"
    ),
}
