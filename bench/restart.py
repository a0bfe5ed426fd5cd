"""How a restarted controller takes up what is there, on a real API server.

`python bench/restart.py [--services N] [--rounds N]` has a first `herald-controller` give every
Service its address and end; then others start one after the other, each a process of its own. The
clock runs from its start until it leads and its metrics count every Service; writes are counted by
its own metrics and by the Services' resource versions. PSS is read a while later.
"""

import argparse
import asyncio
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from writes import cpu_s, create, real_server

from kube.api import collection_path
from tests.lab.ports import free_port
from tests.lab.real_api import Real, shared_memory

LIMIT_S, POLL_S, QUIET_S = 300.0, 0.02, 10.0
HELD = re.compile(r"^metallb_allocator_addresses_in_use_total\{.*\} (\S+)$", re.MULTILINE)
WRITES = re.compile(r"^herald_controller_writes_total\{.*\} (\S+)$", re.MULTILINE)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    flags = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=shared_memory()) as folder,
        real_server(Path(folder)) as server,
    ):
        asyncio.run(fill(server, flags.services))
        with controller(server) as (_, port):
            start = time.perf_counter()
            # A status and an Event each.
            until(lambda: total(WRITES, metrics(port)) >= 2 * flags.services)
            print(
                f"{flags.services} Services given addresses in {time.perf_counter() - start:.1f} s"
            )
            time.sleep(QUIET_S)
        before = asyncio.run(versions(server))
        for _ in range(flags.rounds):
            with controller(server) as (pid, port):
                took = settled(port, flags.services)
                time.sleep(QUIET_S)
                print(
                    f"restart: {took:.2f} s, {total(WRITES, metrics(port)):.0f} writes,"
                    f" PSS {pss_mb(pid):.0f} MB, CPU {cpu_s([pid]):.2f} s",
                    flush=True,
                )
        assert asyncio.run(versions(server)) == before, "a Service was written"


async def fill(server: Real, count: int) -> None:
    async with server.connected() as there:
        await there.create_pool("pool", "10.0.0.0/12")
        await create(there, count)


async def versions(server: Real) -> dict[str, str]:
    """Return every Service's resource version."""
    found = {}
    async with server.connected() as there:
        async for page in there.client.list_pages(collection_path("Service", "default")):
            found |= {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in page.items}
    return found


@contextmanager
def controller(server: Real) -> Iterator[tuple[int, int]]:
    """Run `herald-controller` while the context lasts; give its process id and metrics port."""
    port = free_port()
    flags = {
        "kubeconfig": server.kubeconfig,
        "metrics-port": port,
        "health-port": free_port(),
        "webhook-port": 0,
        "log-level": "warning",
    }
    argv = [sys.executable, "-c", "from controller.main import main; main()"]
    with subprocess.Popen([*argv, *(f"--{k}={v}" for k, v in flags.items())]) as process:
        try:
            yield process.pid, port
        finally:
            process.send_signal(signal.SIGTERM)


def settled(port: int, count: int) -> float:
    """Return seconds until the controller leads and counts every Service."""
    start = time.perf_counter()

    def all_held() -> bool:
        page = metrics(port)
        return "herald_controller_leading 1.0" in page and total(HELD, page) >= count

    until(all_held)
    return time.perf_counter() - start


def until(condition: Callable[[], bool]) -> None:
    end = time.perf_counter() + LIMIT_S
    while not condition():
        assert time.perf_counter() < end, "not in time"
        time.sleep(POLL_S)


def metrics(port: int) -> str:
    """Return the page; empty while nobody answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except (URLError, OSError):
        return ""


def total(pattern: re.Pattern[str], text: str) -> float:
    return sum(float(value) for value in pattern.findall(text))


def pss_mb(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
