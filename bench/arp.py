"""Latency of ARP answers over a veth pair, alone and under storms of requests for other addresses.

Run as root: `python bench/arp.py [--addresses N] [--requests N]`. Makes two namespaces, starts a
real wire process in one, plays its brain, asks from the other, prints a table, removes all.
"""

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from netns_lab.netns import inside
from speaker.l2.arp import arp_request
from speaker.l2.ethernet import Mac
from speaker.seam.driver import Dialler, Process
from speaker.seam.messages import (
    AddressIntent,
    HelloKey,
    Identity,
    Message,
    OwnerReport,
    OwnerState,
)

SPEAKER, CLIENT = "herald-benchwire-s", "herald-benchwire-c"
FIRST = IPv4Address("10.77.128.0")
FOREIGN = IPv4Address("10.77.64.1")
ASKER = IPv4Address("10.77.0.2")
STORMS_PER_S = (0, 30_000, 200_000)
WARM_UP = 200
TIMEOUT_S = 0.1
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Row:
    """What one storm did."""

    storm: int
    sent_per_s: float
    p50_us: float
    p99_us: float
    worst_us: float
    missing: int
    cpu_percent: float


def run(*command: str, check: bool = True) -> None:
    subprocess.run(command, check=check, capture_output=True, timeout=20)


def make_namespaces() -> None:
    remove_namespaces()
    for name in (SPEAKER, CLIENT):
        run("ip", "netns", "add", name)
    cable = ["type", "veth", "peer", "name", "lan0", "netns", CLIENT]
    run("ip", "-n", SPEAKER, "link", "add", "lan0", *cable)
    for name, last in ((SPEAKER, 1), (CLIENT, 2)):
        run("ip", "-n", name, "addr", "add", f"10.77.0.{last}/16", "dev", "lan0")
        run("ip", "-n", name, "link", "set", "lan0", "up")


def remove_namespaces() -> None:
    for name in (SPEAKER, CLIENT):
        run("ip", "netns", "del", name, check=False)


def client_socket() -> tuple[socket.socket, Mac]:
    with inside(CLIENT):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
        made.bind(("lan0", 0x0806))
        own = Mac(made.getsockname()[4])
    made.settimeout(TIMEOUT_S)
    return made, own


def ask(addresses: list[IPv4Address], requests: int) -> tuple[list[float], int]:
    """Return the latencies in microseconds, and how many requests had no answer."""
    asking, own = client_socket()
    latencies, missing = [], 0
    with asking:
        for number in range(requests + WARM_UP):
            target = addresses[number % len(addresses)]
            frame = arp_request(target, mac=own, sender=ASKER)
            began = time.perf_counter_ns()
            asking.send(frame)
            answered = wait_for(asking, target)
            if number < WARM_UP:
                continue
            if answered:
                latencies.append((time.perf_counter_ns() - began) / 1000)
            else:
                missing += 1
            time.sleep(0.0005)
    return latencies, missing


def wait_for(asking: socket.socket, target: IPv4Address) -> bool:
    wanted = b"\x00\x02"
    try:
        while True:
            frame = asking.recv(128)
            if frame[20:22] == wanted and frame[28:32] == target.packed:
                return True
    except TimeoutError:
        return False


def storm(rate_per_s: int, seconds: float) -> None:
    """Send foreign requests at a rate; the count goes to standard output."""
    sending, own = client_socket()
    with inside(CLIENT):
        sending.close()
        sending = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sending.bind(("lan0", 0))
    frames = [arp_request(IPv4Address(int(FOREIGN) + i), mac=own, sender=ASKER) for i in range(250)]
    began, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        due = min(int(passed * rate_per_s) - sent, 2000)
        for number in range(due):
            sending.send(frames[number % len(frames)])
        sent += due
        time.sleep(0.001)
    print(sent)


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


async def measure(pid: int, addresses: list[IPv4Address], requests: int, rate: int) -> Row:
    seconds = requests * 0.0012 + 1
    storming = None
    if rate:
        storming = await asyncio.create_subprocess_exec(
            sys.executable, __file__, "--storm", str(rate), str(seconds), stdout=subprocess.PIPE
        )
        await asyncio.sleep(0.3)
    began, cpu = time.perf_counter(), cpu_s(pid)
    latencies, missing = await asyncio.to_thread(ask, addresses, requests)
    cpu, passed = cpu_s(pid) - cpu, time.perf_counter() - began
    sent = 0
    if storming is not None:
        sent = int((await storming.communicate())[0])
    ordered = sorted(latencies)
    return Row(
        rate,
        sent / seconds,
        statistics.median(ordered),
        ordered[int(len(ordered) * 0.99)],
        ordered[-1],
        missing,
        100 * cpu / passed,
    )


async def bench(addresses: list[IPv4Address], requests: int, folder: Path) -> list[Row]:
    owned: set[object] = set()

    def hear(_peer: str, message: Message) -> None:
        if isinstance(message, OwnerReport) and message.state is OwnerState.OWNED:
            owned.add(message.address)

    intents: list[Message] = [Identity("node1", "cluster", (HelloKey(1, "5a" * 32),))]
    intents += [AddressIntent(address, (f"uid-{address}",), address) for address in addresses]
    process = Process(name="brain", whole=lambda _: intents, hear=hear)
    wire = await asyncio.create_subprocess_exec(
        "ip", "netns", "exec", SPEAKER, sys.executable, "-c",
        "from speaker.main import main; main()", "wire", "--node-name", "node1",
        "--socket-dir", str(folder), "--health-port", "0", "--log-level", "warning",
    )  # fmt: skip
    dialling = asyncio.create_task(Dialler(folder / "wire.sock", process, "wire").run())
    try:
        async with asyncio.timeout(20):
            while len(owned) < len(addresses):  # noqa: ASYNC110 the reports are counted elsewhere
                await asyncio.sleep(0.05)
        return [await measure(wire.pid, addresses, requests, rate) for rate in STORMS_PER_S]
    finally:
        dialling.cancel()
        wire.kill()
        await wire.wait()


def show(rows: list[Row], addresses: int) -> None:
    print(f"{addresses} addresses")
    print("storm/s asked  sent   p50 us   p99 us  worst us  missing  CPU %")
    for row in rows:
        print(
            f"{row.storm:>13} {row.sent_per_s:>6.0f} {row.p50_us:>7.0f} {row.p99_us:>8.0f}"
            f" {row.worst_us:>9.0f} {row.missing:>8} {row.cpu_percent:>6.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--addresses", type=int, default=100)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--storm", nargs=2, type=float, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.storm:
        storm(int(flags.storm[0]), flags.storm[1])
        return
    if os.geteuid() != 0:
        sys.exit("bench/arp.py needs root for network namespaces: run it with sudo")
    addresses = [IPv4Address(int(FIRST) + 2 * i) for i in range(flags.addresses)]
    folder = Path(tempfile.mkdtemp(prefix="herald-bench-"))
    make_namespaces()
    try:
        show(asyncio.run(bench(addresses, flags.requests, folder)), flags.addresses)
    finally:
        remove_namespaces()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
