"""The elector on a virtual clock against a Lease in memory."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from kube.api import ApiError
from kube.election.driver import Elector
from kube.lease import Role, Terms
from kube.objects import Json, ObjectName
from tests.kube.clock import pass_time, run_virtually

LEASE = ObjectName("metallb-system", "herald-controller")
COLLECTION = "/apis/coordination.k8s.io/v1/namespaces/metallb-system/leases"
TERMS = Terms(15.0, 10.0, 2.0)


@dataclass
class LeaseServer:
    """One Lease; who is cut off gets no answer."""

    lease: Json | None = None
    version: int = 0
    cut_off: set[str] = field(default_factory=set)
    writes: int = 0


@dataclass
class LeaseClient:
    """One candidate's way to the server."""

    name: str
    server: LeaseServer

    async def get(self, path: str, *, timeout_s: float) -> Json:
        await self._reach(timeout_s)
        assert path == f"{COLLECTION}/herald-controller"
        if self.server.lease is None:
            raise ApiError(404, "NotFound", "no lease")
        return copy.deepcopy(self.server.lease)

    async def create(self, path: str, body: Json, *, timeout_s: float) -> Json:
        await self._reach(timeout_s)
        assert path == COLLECTION
        if self.server.lease is not None:
            raise ApiError(409, "AlreadyExists", "there is one")
        return self._store(body)

    async def replace(self, path: str, body: Json, *, timeout_s: float) -> Json:
        await self._reach(timeout_s)
        assert path == f"{COLLECTION}/herald-controller"
        lease = self.server.lease
        if lease is None:
            raise ApiError(404, "NotFound", "no lease")
        if body["metadata"]["resourceVersion"] != lease["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "modified")
        return self._store(body)

    async def _reach(self, timeout_s: float) -> None:
        await pass_time(0.005)
        if self.name in self.server.cut_off:
            await pass_time(timeout_s)
            raise ApiError(0, "Timeout", "cut off")

    def _store(self, body: Json) -> Json:
        self.server.version += 1
        self.server.writes += 1
        stored = copy.deepcopy(body)
        stored["metadata"]["resourceVersion"] = str(self.server.version)
        self.server.lease = stored
        return copy.deepcopy(stored)


class Candidate:
    """An elector with what it was told, and when."""

    def __init__(self, name: str, server: LeaseServer) -> None:
        self.told: list[tuple[float, Role]] = []
        client = LeaseClient(name, server)
        self.elector = Elector(client, LEASE, name, self._on_role, terms=TERMS, jitter=lambda: 0.5)
        self.task = asyncio.create_task(self.elector.run())

    def _on_role(self, role: Role) -> None:
        self.told.append((asyncio.get_running_loop().time(), role))

    async def stop(self, *, release: bool) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        if release:
            await self.elector.release()


def play(story: Callable[[LeaseServer, Candidate, Candidate], Awaitable[None]]) -> LeaseServer:
    async def main() -> LeaseServer:
        server = LeaseServer()
        first = Candidate("a", server)
        await pass_time(0.5)
        second = Candidate("b", server)
        await pass_time(5.3)
        assert first.elector.leads()
        await story(server, first, second)
        for each in (first, second):
            await each.stop(release=False)
        return server

    return run_virtually(main())


def test_leader_is_told_once_and_renews() -> None:
    async def story(server: LeaseServer, first: Candidate, second: Candidate) -> None:
        await pass_time(60)
        assert [role for _, role in first.told] == [Role.LEADER]
        assert second.told == []
        assert 5.0 < first.elector.time_left_s() <= 10.0
        assert second.elector.time_left_s() == 0.0

    server = play(story)
    assert server.lease is not None
    assert server.lease["spec"]["holderIdentity"] == "a"
    assert server.lease["spec"]["leaseTransitions"] == 0


def test_cut_off_leader_is_told_before_the_other() -> None:
    async def story(server: LeaseServer, first: Candidate, second: Candidate) -> None:
        server.cut_off.add("a")
        await pass_time(40)
        assert [role for _, role in first.told] == [Role.LEADER, Role.FOLLOWER]
        assert [role for _, role in second.told] == [Role.LEADER]
        assert first.told[1][0] < second.told[0][0]
        server.cut_off.clear()
        await pass_time(40)
        assert not first.elector.leads()
        assert second.elector.leads()

    assert play(story).lease["spec"]["leaseTransitions"] == 1  # type: ignore[index]


def test_released_lease_is_taken_within_a_retry() -> None:
    async def story(server: LeaseServer, first: Candidate, second: Candidate) -> None:
        await first.stop(release=True)
        assert first.told[-1][1] is Role.FOLLOWER
        assert server.lease is not None
        assert server.lease["spec"]["holderIdentity"] == ""
        await pass_time(2.5)
        assert second.elector.leads()

    play(story)


def test_acquire_time_changes_with_the_holder_only() -> None:
    times: list[str] = []

    async def story(server: LeaseServer, first: Candidate, second: Candidate) -> None:
        for _ in range(3):
            assert server.lease is not None
            times.append(server.lease["spec"]["acquireTime"])
            await pass_time(4)

    play(story)
    assert len(set(times)) == 1
