"""Figures of the bgp process against FRR: `python -m bench.bgp` (root, FRR).

Prints: intent → route in the router's kernel and back (median and worst), a thousand routes, what
the processes weigh, and how long the routes are gone when ExaBGP is killed or hangs.
"""

import asyncio
import os
import signal
import statistics
import time
from ipaddress import ip_network
from pathlib import Path

from speaker.seam.messages import RouteRemoved
from tests.lab.bgp_lab import BgpLab, bgp_lab, children, frr_config, peer, route
from tests.lab.kernel_routes import KernelRoutes, kernel_of

ROUNDS = 20
VIP = "192.168.4.10/32"
FLOOR = "192.168.4.1/32"
THOUSAND = [f"10.64.{i // 250}.{i % 250}/32" for i in range(1000)]


def print_ms(name: str, seconds: list[float]) -> None:
    """Print median and worst."""
    median, worst = statistics.median(seconds) * 1000, max(seconds) * 1000
    print(f"{name:55} {median:8.1f} ms median {worst:8.1f} ms worst of {len(seconds)}")


def pss_mb(pid: int) -> float:
    """Return the process's share of memory."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line[:4] == "Pss:") / 1024


def print_memory(lab: BgpLab, when: str) -> None:
    """Print what each process weighs."""
    exabgp = lab.speaker.exabgp
    [helper] = children(exabgp)
    parts = {"supervisor": lab.speaker.pid, "exabgp": exabgp, "sleep": helper}
    weights = {name: pss_mb(pid) for name, pid in parts.items()}
    words = ", ".join(f"{name} {weight:.1f}" for name, weight in weights.items())
    print(f"{'PSS ' + when:55} {sum(weights.values()):8.1f} MB ({words})")


async def one_route(lab: BgpLab, kernel: KernelRoutes) -> None:
    """Announce and withdraw one route, again and again."""
    there, gone = [], []
    for _ in range(ROUNDS):
        began = time.monotonic()
        lab.brain.say(route(VIP))
        there.append(await kernel.until({VIP}) - began)
        began = time.monotonic()
        lab.brain.say(RouteRemoved(ip_network(VIP)))
        gone.append(await kernel.until({VIP}, there=False) - began)
    print_ms("intent -> route in the router's kernel", there)
    print_ms("removal -> gone from the router's kernel", gone)


async def thousand_routes(lab: BgpLab, kernel: KernelRoutes) -> None:
    """Announce and withdraw a thousand."""
    wanted = set(THOUSAND)
    began = time.monotonic()
    lab.brain.say(*(route(prefix) for prefix in THOUSAND))
    print_ms("1,000 intents -> all in the router's kernel", [await kernel.until(wanted) - began])
    print_memory(lab, "with 1,000 routes")
    began = time.monotonic()
    lab.brain.say(*(RouteRemoved(ip_network(prefix)) for prefix in THOUSAND))
    gone = await kernel.until(wanted, there=False)
    print_ms("1,000 removals -> all gone from the router's kernel", [gone - began])


async def repair(lab: BgpLab, kernel: KernelRoutes, number: signal.Signals, name: str) -> None:
    """Hurt ExaBGP and see how long the route is away."""
    lab.brain.say(route(VIP))
    await kernel.until({VIP})
    began = time.monotonic()
    os.kill(lab.speaker.exabgp, number)
    lost = await kernel.until({VIP}, there=False)
    back = await kernel.until({VIP})
    print_ms(f"ExaBGP {name}: until the route is gone", [lost - began])
    print_ms(f"ExaBGP {name}: until it is back", [back - began])


async def main() -> None:
    """Run all."""
    async with (
        bgp_lab(frr_config(), tag="bgp-bench") as lab,
        kernel_of(lab.namespaces.router) as kernel,
    ):
        lab.brain.say(peer(), route(FLOOR))
        lab.brain.start()
        await kernel.until({FLOOR})
        print_memory(lab, "with 1 route")
        await one_route(lab, kernel)
        await thousand_routes(lab, kernel)
        await repair(lab, kernel, signal.SIGKILL, "killed")
        await repair(lab, kernel, signal.SIGSTOP, "stopped")


if __name__ == "__main__":
    asyncio.run(main())
