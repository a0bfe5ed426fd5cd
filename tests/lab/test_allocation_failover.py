"""Two real controllers and a real API server: whatever happens to the leader, addresses stay.

The API server runs in the test's own loop on loopback, the controllers are processes.
"""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from kube.api import object_path
from kube.objects import ObjectName
from tests.controller.live import NAMESPACE, Live, live
from tests.lab.asking import until
from tests.lab.ports import free_ports

pytestmark = pytest.mark.netns

SERVICES = 1000
LEASE_S, LONG_LEASE_S = 2, 45
FROZEN_LEASE_S = 6
"So long that who leads goes on leading though it gets no CPU for some seconds."
STARTS_S = WORKS_S = 120.0
"For a busy machine: two Pythons start, a thousand Services are made and given addresses."
ANSWERS_S = 5.0
LEASE = object_path("Lease", ObjectName(NAMESPACE, "herald-controller"))


class Controller:
    """One controller process."""

    def __init__(self, name: str, process: Process, metrics_port: int) -> None:
        self.name = name
        self.process = process
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"

    async def leading(self) -> bool | None:
        """Tell whether it believes to lead; None when it doesn't answer."""
        try:
            async with (
                asyncio.timeout(ANSWERS_S),
                aiohttp.ClientSession() as session,
                session.get(self._metrics) as answer,
            ):
                return "herald_controller_leading 1.0" in await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def follows(self) -> bool:
        """Tell whether it answers and believes not to lead."""
        return await self.leading() is False


@asynccontextmanager
async def controller(
    there: Live, name: str, lease_s: int, ports: tuple[int, int]
) -> AsyncIterator[Controller]:
    """Run `herald-controller` while the context lasts."""
    log = Path(there.kubeconfig).with_name(f"{name}.log")
    flags = {
        "kubeconfig": there.kubeconfig,
        "pod-name": name,
        "lease-s": lease_s,
        "metrics-port": ports[0],
        "health-port": ports[1],
        "webhook-port": 0,
    }
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from controller.main import main; main()",
            *(f"--{flag}={value}" for flag, value in flags.items()),
            stderr=stderr,
        )
        try:
            yield Controller(name, process, ports[0])
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.wait()


async def holder(there: Live) -> str:
    """Return the name of the replica that the Lease names."""
    spec = (await there.client.get(LEASE))["spec"]
    return str(spec["holderIdentity"]).rpartition("_")[0]


async def create_services(there: Live, first: int, last: int) -> None:
    """Create Services, some at a time."""
    gate = asyncio.Semaphore(20)

    async def create(i: int) -> None:
        async with gate:
            await there.create_service(f"s{i:04}")

    await asyncio.gather(*(create(i) for i in range(first, last)))


def with_address(there: Live, count: int) -> Callable[[], object]:
    async def enough() -> dict[str, list[str]] | None:
        found = {name: got for name, got in (await there.all_addresses()).items() if got}
        return found if len(found) >= count else None

    return enough


def assert_each_has_its_own(found: dict[str, list[str]]) -> None:
    given = [address for addresses in found.values() for address in addresses]
    assert len(given) == len(set(given))


@asynccontextmanager
async def two_controllers(
    folder: Path, lease_s: int = LEASE_S
) -> AsyncIterator[tuple[Live, Controller, Controller]]:
    """Give the API server, the leader and the one that stands by."""
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(live(folder))
        await there.create_pool("first-pool", "10.32.0.0/20")
        ports = free_ports(4)
        both = [
            await stack.enter_async_context(controller(there, name, lease_s, own))
            for name, own in (("a", (ports[0], ports[1])), ("b", (ports[2], ports[3])))
        ]

        async def roles() -> tuple[Controller, Controller] | None:
            answers = [await each.leading() for each in both]
            if sorted(map(str, answers)) != ["False", "True"]:
                return None
            return both[answers.index(True)], both[answers.index(False)]

        leader, other = await until(roles, STARTS_S)
        yield there, leader, other


async def test_leader_killed_in_the_middle_loses_and_doubles_none(tmp_path: Path) -> None:
    async with two_controllers(tmp_path) as (there, leader, other):
        creating = asyncio.create_task(create_services(there, 0, SERVICES))
        before = await until(with_address(there, SERVICES // 4), WORKS_S)
        leader.process.kill()
        assert len(before) < SERVICES
        await creating

        after = await until(with_address(there, SERVICES), WORKS_S)

        assert_each_has_its_own(after)
        assert {name: after[name] for name in before} == before
        await until(other.leading, WORKS_S)


async def test_frozen_leader_that_wakes_does_no_harm(tmp_path: Path) -> None:
    async with two_controllers(tmp_path, FROZEN_LEASE_S) as (there, leader, other):
        creating = asyncio.create_task(create_services(there, 0, SERVICES // 2))
        before = await until(with_address(there, SERVICES // 8), WORKS_S)
        leader.process.send_signal(signal.SIGSTOP)
        await creating
        await until(other.leading, WORKS_S)
        after = await until(with_address(there, SERVICES // 2), WORKS_S)
        assert {name: after[name] for name in before} == before

        leader.process.send_signal(signal.SIGCONT)
        await until(leader.follows, WORKS_S)
        await create_services(there, SERVICES // 2, SERVICES // 2 + 50)
        last = await until(with_address(there, SERVICES // 2 + 50), WORKS_S)

        assert_each_has_its_own(last)
        assert {name: last[name] for name in after} == after
        assert await holder(there) == other.name


async def test_leader_that_ends_hands_over_at_once(tmp_path: Path) -> None:
    async with two_controllers(tmp_path, LONG_LEASE_S) as (there, leader, other):
        leader.process.terminate()
        assert await leader.process.wait() == 0
        # It looks six times a Lease; well under its duration from the last renewal.
        await until(other.leading, LONG_LEASE_S * 2 / 3)
        await there.create_service("late")

        await until(lambda: there.addresses("late"), WORKS_S)


async def test_logs_are_json(tmp_path: Path) -> None:
    async with two_controllers(tmp_path) as (_, leader, _):
        leader.process.terminate()
        await leader.process.wait()
        text = (tmp_path / f"{leader.name}.log").read_text()

        assert all(json.loads(line)["event"] for line in text.splitlines())
