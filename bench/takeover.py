"""How long until every address of a dead node is answered by another: 1,000 and 5,000 addresses.

Run as root from the repository: `python bench/takeover.py [--addresses N …] [--nodes N]`. Real wire
processes in namespaces, brains played here; the owner of most addresses is killed, a watcher asks
for all of them all the time.
"""

import argparse
import asyncio
import os
import sys
import time
from collections import deque
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from speaker.l2.arp import ArpPacket, Operation, arp_request, parse_arp
from speaker.seam.messages import OwnerReport, OwnerState
from tests.lab.wire_lab import WATCHER4, WireLab, WireProcess, intent, wire_lab

FIRST = IPv4Address("192.168.16.0")
SPREAD = 3
"""Distance of the addresses: none is next to another, so that no filter has it easy."""
ASKED_AT_ONCE = 100
"""Of each 10 ms: more would measure how many questions two cores can bear."""
ANNOUNCED_S = 5.0
GIVE_UP_S = 10.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run showed."""

    addresses: int
    owned_after_s: float
    moved: int
    first_ms: float
    last_ms: float
    missing: int
    memory_mb: float


def owned(node: WireProcess) -> set[IPv4Address]:
    reports = (m for m in node.reports(OwnerReport) if m.state is OwnerState.OWNED)
    return {m.address for m in reports if isinstance(m.address, IPv4Address)}


async def all_owned(lab: WireLab, count: int, limit_s: float = 120) -> float:
    began = time.monotonic()
    while sum(len(owned(node)) for node in lab.nodes) < count:
        if time.monotonic() - began > limit_s:
            raise SystemExit(f"not all {count} addresses were owned within {limit_s} s")
        await asyncio.sleep(0.2)
    return time.monotonic() - began


async def answered(lab: WireLab, pending: set[IPv4Address], dead: bytes) -> list[float]:
    """Ask for all until all are answered by the living; return when each was, in ms."""
    watch, began, times = lab.watch, time.monotonic(), []
    watch.heard()
    turn = deque(pending)
    while pending and time.monotonic() - began < GIVE_UP_S:
        asked = [turn.popleft() for _ in range(min(ASKED_AT_ONCE, len(turn)))]
        turn.extend(address for address in asked if address in pending)
        for address in asked:
            watch.send(arp_request(address, mac=watch.mac, sender=WATCHER4))
        await asyncio.sleep(0.01)
        for frame in watch.heard():
            packet = parse_arp(frame)
            if not isinstance(packet, ArpPacket) or packet.operation is not Operation.REPLY:
                continue
            if packet.sender in pending and packet.sender_mac.octets != dead:
                pending.discard(packet.sender)
                times.append((time.monotonic() - began) * 1000)
    return times


def memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


async def run(count: int, nodes: int) -> Figures:
    addresses = [IPv4Address(int(FIRST) + SPREAD * i) for i in range(count)]
    async with wire_lab(nodes) as lab:
        await asyncio.sleep(4)
        for node in lab.nodes:
            node.say(*(intent(address) for address in addresses))
        owned_after_s = await all_owned(lab, count)
        await asyncio.sleep(ANNOUNCED_S)
        dead = max(lab.nodes, key=lambda node: len(owned(node)))
        survivor = next(node for node in lab.nodes if node is not dead)
        moved, mac = owned(dead), lab.mac(dead).octets
        dead.kill()
        times = await answered(lab, set(moved), mac)
        return Figures(
            count, owned_after_s, len(moved), min(times), max(times), len(moved) - len(times),
            memory_mb(survivor.pid),
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--addresses", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--nodes", type=int, default=3)
    flags = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench/takeover.py needs root for network namespaces: run it with sudo")
    print("addresses  all owned s  moved  first ms  last ms  missing  PSS MB")
    for count in flags.addresses:
        f = asyncio.run(run(count, flags.nodes))
        print(
            f"{f.addresses:>9} {f.owned_after_s:>12.1f} {f.moved:>6} {f.first_ms:>9.0f}"
            f" {f.last_ms:>8.0f} {f.missing:>8} {f.memory_mb:>7.0f}"
        )


if __name__ == "__main__":
    main()
