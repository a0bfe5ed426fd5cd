"""How fast the lab's embedded API server is, so that it limits no other figure.

1,000 Services are created and then given a status, eight requests at a time, with none and with
twenty watchers; server and client share the machine, each in its own process.
"""

import asyncio
import re
import resource
import subprocess
import sys
from time import perf_counter

import aiohttp

SERVICES = 1000
AT_ONCE = 8
COLLECTION = "/api/v1/namespaces/default/services"
MERGE = {"Content-Type": "application/merge-patch+json"}
STATUS = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
WATCH = {"watch": "1", "fieldSelector": "spec.type=LoadBalancer"}


class Seen:
    """Events that all watchers together have got; `all_seen` is set when none is left."""

    def __init__(self, expected: int) -> None:
        self._left = expected
        self.all_seen = asyncio.Event()
        if not expected:
            self.all_seen.set()

    async def watch(self, session: aiohttp.ClientSession) -> None:
        """Count events until cancelled."""
        timeout = aiohttp.ClientTimeout(total=None)
        async with session.get("/api/v1/services", params=WATCH, timeout=timeout) as response:
            async for piece in response.content.iter_any():
                self._left -= piece.count(b"\n")
                if self._left <= 0:
                    self.all_seen.set()


async def create(session: aiohttp.ClientSession, gate: asyncio.Semaphore, name: str) -> None:
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    body = {"metadata": {"name": name}, "spec": spec}
    async with gate, session.post(COLLECTION, json=body) as response:
        assert response.status == 201, await response.text()


async def address(session: aiohttp.ClientSession, gate: asyncio.Semaphore, name: str) -> None:
    path = f"{COLLECTION}/{name}/status"
    async with gate, session.patch(path, json=STATUS, headers=MERGE) as response:
        assert response.status == 200, await response.text()


async def measure(url: str, watchers: int) -> str:
    """Return a line of figures."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        seen = Seen(2 * SERVICES * watchers)
        tasks = [asyncio.create_task(seen.watch(session)) for _ in range(watchers)]
        gate = asyncio.Semaphore(AT_ONCE)
        names = [f"s{number}" for number in range(SERVICES)]
        rates = []
        for write in (create, address):
            began = perf_counter()
            await asyncio.gather(*(write(session, gate, name) for name in names))
            rates.append(SERVICES / (perf_counter() - began))
        await seen.all_seen.wait()
        for task in tasks:
            task.cancel()
    return f"{watchers:8} {rates[0]:12,.0f} {rates[1]:16,.0f}"


def main() -> None:
    print(f"{'watchers':>8} {'creates/s':>12} {'status writes/s':>16}")
    for watchers in (0, 20):
        argv = [sys.executable, "-m", "netns_lab.control_plane", "--listen", "127.0.0.1:0"]
        began = perf_counter()
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found is not None
            ready_s = perf_counter() - began
            print(asyncio.run(measure(found[0], watchers)))
            server.terminate()
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"ready after {1000 * ready_s:.0f} ms; at most {memory:.0f} MB with {SERVICES} Services")


if __name__ == "__main__":
    main()
