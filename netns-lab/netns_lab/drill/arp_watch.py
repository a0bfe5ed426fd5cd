"""The watcher on the LAN: asks for one address every few milliseconds and notes who answers.

It has a namespace of its own: an answer to it does not refresh the clients' neighbour entries. Both
families: ARP requests, or neighbour solicitations to the solicited-node group. Runs as a process
(`python -m netns_lab.drill.arp_watch`) until standard input ends; then prints one JSON line.
"""

import argparse
import contextlib
import select
import socket
import struct
import sys
import time
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from netns_lab import netns
from netns_lab.drill.probe import say_ready, say_report

ETHERTYPE_ARP, ETHERTYPE_IPV6 = 0x0806, 0x86DD
ARP = struct.Struct("!HHBBH6s4s6s4s")
BROADCAST = b"\xff" * 6
REPLY_WITHIN_S = 0.5
"An answer later than this is for nobody: askers ask again."


class Watch:
    """Asks and listens on one NIC."""

    def __init__(self, interface: str, target: IPv4Address | IPv6Address, source: str) -> None:
        self.target = target
        self.source = ip_address(source)
        ethertype = ETHERTYPE_ARP if target.version == 4 else ETHERTYPE_IPV6
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ethertype))
        self.sock.bind((interface, ethertype))
        self.sock.setblocking(False)
        self.mac: bytes = self.sock.getsockname()[4]
        self.request = self._arp_request() if target.version == 4 else self._solicitation()
        self.asked: list[float] = []
        self.answers: list[tuple[float, float, str]] = []
        self.gratuitous: list[tuple[float, str]] = []

    def run(self, step_s: float) -> None:
        """Ask every `step_s` until standard input ends."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        poll.register(sys.stdin, select.POLLIN | select.POLLHUP)
        say_ready()
        due = time.monotonic()
        while True:
            now = time.monotonic()
            if due <= now:
                with contextlib.suppress(OSError):  # the NIC may be down: then nobody answers
                    self.sock.send(self.request)
                self.asked.append(now)
                due += step_s * max(1, int((now - due) / step_s) + 1)
            found = poll.poll(max(0.0, due - time.monotonic()) * 1000)
            self._receive()
            if any(fd != self.sock.fileno() for fd, _ in found):
                return

    def report(self) -> dict[str, Any]:
        """Return what was seen as JSON."""
        return {"asked_s": self.asked, "answers": self.answers, "gratuitous": self.gratuitous}

    def _receive(self) -> None:
        while True:
            try:
                frame = self.sock.recv(2048)
            except BlockingIOError:
                return
            except OSError:
                return
            now = time.monotonic()
            mac = self._claims(frame)
            if mac is None:
                continue
            if frame[:6] != self.mac:
                self.gratuitous.append((now, mac))
            elif self.asked and now - self.asked[-1] <= REPLY_WITHIN_S:
                self.answers.append((self.asked[-1], now, mac))

    def _claims(self, frame: bytes) -> str | None:
        """Return the MAC that the frame gives the target, or None."""
        if self.target.version == 6:
            return _advertised(frame, self.target)
        if len(frame) < 14 + ARP.size:
            return None
        *_, operation, sender_mac, sender_ip, target_mac, target_ip = ARP.unpack_from(frame, 14)
        if sender_ip != self.target.packed:
            return None
        del operation, target_mac, target_ip
        return str(sender_mac.hex(":"))

    def _arp_request(self) -> bytes:
        body = ARP.pack(
            1, 0x0800, 6, 4, 1, self.mac, self.source.packed, bytes(6), self.target.packed
        )
        return BROADCAST + self.mac + struct.pack("!H", ETHERTYPE_ARP) + body

    def _solicitation(self) -> bytes:
        packed = self.target.packed
        group = bytes.fromhex("ff0200000000000000000001ff") + packed[-3:]
        icmp = struct.pack("!BBHI", 135, 0, 0, 0) + packed + b"\x01\x01" + self.mac
        pseudo = self.source.packed + group + struct.pack("!IHBB", len(icmp), 0, 0, 58)
        icmp = icmp[:2] + struct.pack("!H", _checksum(pseudo + icmp)) + icmp[4:]
        header = struct.pack("!IHBB", 6 << 28, len(icmp), 58, 255) + self.source.packed + group
        ethernet = b"\x33\x33" + group[-4:] + self.mac + struct.pack("!H", ETHERTYPE_IPV6)
        return ethernet + header + icmp


def _advertised(frame: bytes, target: IPv4Address | IPv6Address) -> str | None:
    # Ethernet 14, IPv6 40, ICMPv6 neighbour advertisement 24, then the link-layer option.
    if len(frame) < 86 or frame[20] != 58 or frame[54] != 136:
        return None
    if frame[62:78] != target.packed or frame[78] != 2:
        return None
    return frame[80:86].hex(":")


def _checksum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main() -> None:
    """Run the watcher."""
    parser = argparse.ArgumentParser(prog="python -m netns_lab.drill.arp_watch")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--interface", default="lan0")
    parser.add_argument("--source", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--step-ms", type=float, default=5.0)
    chosen = parser.parse_args()
    netns.enter(chosen.namespace)
    watch = Watch(chosen.interface, ip_address(chosen.target), chosen.source)
    watch.run(chosen.step_ms / 1000)
    say_report(watch.report())


if __name__ == "__main__":
    main()
