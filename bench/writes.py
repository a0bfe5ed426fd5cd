"""How fast the controller writes, beside a writer that only patches, on a real API server.

`python bench/writes.py [--services N ...] [--rounds N] [--embedded]` starts etcd and kube-apiserver
on loopback (`make kube` provides them). Each round measures both, in turn first, each in a process
of its own, on Services made for it; nobody else writes then, and all is deleted afterwards.

What the plain writer does is the same on the wire: the same client with the same concurrency sends
one status patch a Service, byte for byte the controller's (annotation, address, precondition on the
resource version), and one Event of the controller's form. It reads nothing, watches nothing, and
its bodies are made before the clock runs. The controller's clock runs from the moment it leads, so
that planning counts, until its last Event is answered. CPU is the process's own user and system
time; the server's is that of etcd and kube-apiserver over the same span.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address
from pathlib import Path

from controller.events.driver import TELLERS, timestamp
from controller.news import EventReason, News, event_body
from controller.outcome import Assigned
from controller.patches import patch_for
from controller.reconciler import WRITERS
from kube.api import Patch, collection_path, object_path
from kube.client import Client
from kube.objects import Json, ObjectName
from kube.parsing import parse_service
from kube.pod import configure_logs
from netns_lab.control_plane.binaries import find
from tests.controller.live import Live, controlling, kubeconfig, writes
from tests.lab.asking import until
from tests.lab.real_api import Real, real, shared_memory

PARTIES = ("writer", "controller")
AT_ONCE = 32
FIRST = IPv4Address("10.0.0.0")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one party did with its Services."""

    services: int
    writes: int
    took_s: float
    cpu_s: float
    server_cpu_s: float
    failures: int

    @property
    def per_s(self) -> float:
        """Writes a second."""
        return self.writes / self.took_s

    @property
    def cpu_us(self) -> float:
        """CPU of a Service."""
        return self.cpu_s / self.services * 1e6

    def __str__(self) -> str:
        return (
            f"{self.per_s:6,.0f} writes/s  {self.writes / self.services:.3f} a Service  "
            f"CPU {self.cpu_us:4.0f} us a Service ({self.cpu_s / self.took_s:4.0%} of a core), "
            f"server {self.server_cpu_s / self.services * 1e6:5.0f} us "
            f"({self.server_cpu_s / self.took_s:4.0%}), failed {self.failures}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, nargs="+", default=[1000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--embedded", action="store_true", help="the lab's own API server")
    parser.add_argument("--party", choices=PARTIES, help=argparse.SUPPRESS)
    parser.add_argument("--kubeconfig", help=argparse.SUPPRESS)
    parser.add_argument("--pids", default="", help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.party:
        pids = [int(each) for each in flags.pids.split(",")]
        configure_logs("info")
        party = only_writes if flags.party == "writer" else controls
        print(json.dumps(asdict(asyncio.run(party(flags.kubeconfig, flags.services[0], pids)))))
    else:
        serve = embedded_server if flags.embedded else real_server
        with (
            tempfile.TemporaryDirectory(dir=shared_memory()) as folder,
            serve(Path(folder)) as server,
        ):
            asyncio.run(compare(server, flags.services, flags.rounds))


async def compare(server: Real, sizes: list[int], rounds: int) -> None:
    """Alternate the two and print every round, and the median of the ratios."""
    async with server.connected() as there:
        await there.create_pool("pool", "10.0.0.0/12")
        # The first writes of all find a server that has still to grow its heap.
        await create(there, sizes[0])
        await remove(there, sizes[0])
        for count in sizes:
            await alternate(there, server.pids, count, rounds)


async def alternate(there: Live, pids: Sequence[int], count: int, rounds: int) -> None:
    print(f"{count} Services, load {os.getloadavg()[0]:.2f}", flush=True)
    ratios = []
    measured: dict[str, list[Measured]] = {name: [] for name in PARTIES}
    for number in range(rounds):
        for name in PARTIES if number % 2 == 0 else reversed(PARTIES):
            await create(there, count)
            found = await in_a_process(name, there, pids, count)
            await remove(there, count)
            measured[name].append(found)
            print(f"  {number + 1} {name:10} {found}", flush=True)
        ratios.append(measured["controller"][-1].per_s / measured["writer"][-1].per_s)
        print(f"  {number + 1} ratio      {ratios[-1]:.2f}", flush=True)
    cpu = {name: statistics.median(m.cpu_us for m in each) for name, each in measured.items()}
    print(
        f"{count} Services: ratio {statistics.median(ratios):.2f} (median of {rounds}, "
        f"{min(ratios):.2f} to {max(ratios):.2f}); CPU a Service: controller "
        f"{cpu['controller']:.0f} us, writer {cpu['writer']:.0f} us",
        flush=True,
    )


async def in_a_process(name: str, there: Live, pids: Sequence[int], count: int) -> Measured:
    """Run one party alone."""
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__, f"--party={name}", f"--services={count}"),
            *(f"--kubeconfig={there.kubeconfig}", f"--pids={','.join(map(str, pids))}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
        out, _ = await process.communicate()
        if process.returncode != 0:
            log.seek(0)
            sys.exit(log.read().decode()[-4000:])
    return Measured(**json.loads(out))


async def only_writes(config: str, count: int, pids: Sequence[int]) -> Measured:
    """Send what the controller would, bodies made beforehand."""
    async with Client.connect(config) as client:
        there = Live(client, config, "")
        work = [item async for item in bodies(there)]
        assert len(work) == count, f"{len(work)} Services"
        events: asyncio.Queue[tuple[str, Json]] = asyncio.Queue()
        patches = iter(work)

        async def patch() -> None:
            for path, body, event in patches:
                await client.patch(path, body, Patch.STRATEGIC)
                events.put_nowait(event)

        async def tell() -> None:
            while True:
                await client.create(*await events.get())
                events.task_done()

        before, span = writes(client), Span(pids)
        async with asyncio.TaskGroup() as tasks:
            tellers = [tasks.create_task(tell()) for _ in range(TELLERS)]
            await asyncio.gather(*(patch() for _ in range(WRITERS)))
            await events.join()
            for teller in tellers:
                teller.cancel()
        return span.measured(count, writes(client) - before, 0)


async def bodies(there: Live) -> AsyncIterator[tuple[str, Json, tuple[str, Json]]]:
    """Yield path and body of each patch, and path and body of the Event that follows."""
    number = 0
    async for page in there.client.list_pages(collection_path("Service", "default")):
        for obj in page.items:
            if obj["spec"]["type"] != "LoadBalancer":
                continue
            service = parse_service(obj)
            address = FIRST + number
            body = patch_for(service, Assigned((address,), "pool"), timestamp())
            assert body is not None
            news = News(
                service.name,
                service.uid,
                EventReason.IP_ALLOCATED,
                f'Assigned IP "{address}" from pool "pool"',
            )
            event = event_body(news, timestamp(), f"{number:016x}")
            path = object_path("Service", service.name, "status")
            yield path, body, (collection_path("Event", "default"), event)
            number += 1


async def controls(config: str, count: int, pids: Sequence[int]) -> Measured:
    """Lead, give every Service its address, and end."""
    there = Live(None, config, "")  # type: ignore[arg-type]
    leading = Leading(pids)
    logging.getLogger("controller.reconciler").addHandler(leading)
    async with controlling(there) as (reconciler, client):
        before = writes(client)
        await until(lambda: reconciler.writes["event"] >= count, 300.0)
        assert leading.span is not None
        sent = writes(client) - before
        return leading.span.measured(count, sent, sum(reconciler.write_errors.values()))


class Leading(logging.Handler):
    """Starts the clock in the turn in which the controller begins to lead."""

    def __init__(self, pids: Sequence[int]) -> None:
        super().__init__()
        self._pids = pids
        self.span: Span | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Look at a record of the log."""
        if record.msg == "leading":
            self.span = Span(self._pids)


class Span:
    """Time and CPU from here on."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids
        self._server = cpu_s(pids)
        self._cpu, self._start = time.process_time(), time.perf_counter()

    def measured(self, count: int, sent: int, failures: int) -> Measured:
        """Return what happened since."""
        took, cpu = time.perf_counter() - self._start, time.process_time() - self._cpu
        return Measured(count, sent, took, cpu, cpu_s(self._pids) - self._server, failures)


def cpu_s(pids: Iterable[int]) -> float:
    """Return the user and system time that these processes have used."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total * TICK_S


async def create(there: Live, count: int) -> None:
    await some_at_a_time(
        there.create_service(f"s{number}", allocateLoadBalancerNodePorts=False)
        for number in range(count)
    )


async def remove(there: Live, count: int) -> None:
    await some_at_a_time(
        there.client.delete(object_path("Service", ObjectName("default", f"s{number}")))
        for number in range(count)
    )
    await there.client.delete(collection_path("Event", "default"), timeout_s=60.0)


async def some_at_a_time(work: Iterator[object] | Iterable[object]) -> None:
    todo = iter(work)

    async def some() -> None:
        for each in todo:
            await each  # type: ignore[misc]

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


@contextmanager
def real_server(folder: Path) -> Iterator[Real]:
    binaries, missing = find(os.environ)
    if missing:
        sys.exit(f"{', '.join(missing)} missing: `make kube` provides them")
    # Who is ended leaves neither programs nor files behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    with real(folder, binaries) as server:
        yield server


@contextmanager
def embedded_server(folder: Path) -> Iterator[Real]:
    """Run the lab's API server in a process of its own, as the real one would be."""
    argv = [sys.executable, "-m", "netns_lab.control_plane", "--listen=127.0.0.1:0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().rpartition(" ")[2].strip()
        config = folder / "kubeconfig"
        config.write_text(kubeconfig(url))
        try:
            yield Real(config, url, (process.pid,))
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
