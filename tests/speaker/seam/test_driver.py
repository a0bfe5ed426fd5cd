"""Two processes over a real unix socket, and strangers who send junk to it."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest

from speaker.seam.codec import SeamFault, encode
from speaker.seam.driver import LINKS_LIMIT, Dialler, Listener, Process
from speaker.seam.messages import (
    AddressIntent,
    AddressRemoved,
    Begin,
    End,
    Message,
    OwnerReport,
    OwnerState,
)
from speaker.seam.mirror import SyncFault
from tests.waiting import idle, until

A = AddressIntent(ip_address("192.168.4.10"), ("uid-a",), ip_address("192.168.4.10"))
B = AddressIntent(ip_address("192.168.4.11"), ("uid-b",), ip_address("192.168.4.11"))
OWNED = OwnerReport(A.address, "lan0", OwnerState.OWNED, "node1")


@dataclass
class Side:
    """What one process has and heard."""

    name: str
    has: list[Message] = field(default_factory=list)
    heard: list[Message] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def process(self) -> Process:
        return Process(
            name=self.name,
            whole=lambda _: list(self.has),
            hear=lambda _, message: self.heard.append(message),
            lose=self.lost.append,
        )

    def ended(self) -> bool:
        return bool(self.heard) and isinstance(self.heard[-1], End)

    def without_ends(self) -> list[Message]:
        return [m for m in self.heard if not isinstance(m, End)]


def mode(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


@asynccontextmanager
async def running(*parts: Listener | Dialler) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(part.run()) for part in parts]
        yield
        for task in started:
            task.cancel()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "wire.sock"


async def test_both_sides_learn_everything_and_then_changes(path: Path) -> None:
    wire, brain = Side("wire", [OWNED]), Side("brain", [A])
    listener = Listener(path, wire.process(), ["brain"])
    dialler = Dialler(path, brain.process(), "wire")
    async with running(listener, dialler):
        await until(lambda: OWNED in brain.heard and A in wire.heard)
        assert mode(path) == 0o660
        dialler.send(B)
        dialler.send(AddressRemoved(A.address))
        await until(lambda: wire.without_ends() == [A, B, AddressRemoved(A.address)])
        assert dialler.connected
        assert listener.connected("brain")
    assert mode(path) is None


async def test_a_restarted_sender_changes_only_what_differs(path: Path) -> None:
    wire = Side("wire")
    listener = Listener(path, wire.process(), ["brain"])
    async with running(listener):
        for has in ((A, B), (B,)):
            brain = Side("brain", [*has])
            async with running(Dialler(path, brain.process(), "wire")):
                await until(brain.ended)
                await until(wire.ended)
            await until(lambda: not listener.connected("brain"))
    assert wire.without_ends() == [A, B, AddressRemoved(A.address)]
    assert wire.lost == ["brain", "brain"]


async def test_the_dialler_waits_for_a_peer_that_starts_later(path: Path) -> None:
    wire, brain = Side("wire"), Side("brain", [A])
    async with running(Dialler(path, brain.process(), "wire")):
        await idle()
        async with running(Listener(path, wire.process(), ["brain"])):
            await until(lambda: A in wire.heard)


async def test_what_the_peer_has_not_read_is_known(path: Path) -> None:
    wire, brain = Side("wire"), Side("brain", [A])
    listener, dialler = (
        Listener(path, wire.process(), ["brain"]),
        Dialler(path, brain.process(), "wire"),
    )
    assert not dialler.unread
    async with running(listener, dialler):
        await until(lambda: A in wire.heard and brain.ended())
        await until(lambda: not dialler.unread)
        dialler.send(B)
        await until(lambda: B in wire.heard)
        assert not dialler.unread

    hanging = socket.socket(socket.AF_UNIX)
    with hanging:
        hanging.bind(str(path))
        hanging.listen()
        async with running(dialler):
            await until(lambda: dialler.unread)
    assert not dialler.unread


@pytest.mark.parametrize(
    ("junk", "fault"),
    [
        pytest.param(b"\x00\xff\n", SeamFault.NOT_JSON, id="no JSON"),
        pytest.param(encode(A), SyncFault.BEFORE_BEGIN, id="an intent before Begin"),
        pytest.param(encode(Begin("1", "x")), SyncFault.BEFORE_BEGIN, id="a peer nobody knows"),
        pytest.param(b"x" * ((1 << 20) + 9), SeamFault.OVERSIZE, id="a line without an end"),
    ],
)
async def test_junk_ends_its_own_connection_only(path: Path, junk: bytes, fault: object) -> None:
    wire, brain = Side("wire"), Side("brain", [A])
    process = wire.process()
    listener = Listener(path, process, ["brain"])
    async with running(listener, Dialler(path, brain.process(), "wire")):
        await until(lambda: A in wire.heard)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(junk)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()
        assert process.faults == {fault: 1}
        assert listener.connected("brain")
        assert wire.without_ends() == [A]


async def test_junk_between_begin_and_end_leaves_the_old_intent_in_force(path: Path) -> None:
    wire, brain = Side("wire"), Side("brain", [A, B])
    process = wire.process()
    async with running(Listener(path, process, ["brain"])):
        async with running(Dialler(path, brain.process(), "wire")):
            await until(lambda: B in wire.heard)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(encode(Begin("2", "brain")) + encode(A) + b"junk\n" + encode(End("2")))
        async with asyncio.timeout(60):
            while await reader.read(1 << 16):
                pass
        writer.close()
        assert wire.without_ends() == [A, B]
        assert process.mirror("brain").get(AddressIntent, B.address) == B


async def test_a_stalled_peer_costs_no_more_than_its_own_link(path: Path) -> None:
    process = Side("wire").process()
    process.outbox_limit = 50
    listener = Listener(path, process, ["brain"])
    async with running(listener):
        await until(lambda: mode(path) is not None)
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(encode(Begin("1", "brain")))
        await until(lambda: listener.connected("brain"))
        for _ in range(100):
            listener.send(OWNED, to="brain")
        await until(lambda: not listener.connected("brain"))
        writer.close()


async def test_silent_connections_do_not_lock_a_peer_out(path: Path) -> None:
    wire, brain = Side("wire"), Side("brain", [A])
    async with running(Listener(path, wire.process(), ["brain"])):
        await until(lambda: mode(path) is not None)
        silent = [await asyncio.open_unix_connection(path) for _ in range(LINKS_LIMIT + 3)]
        async with running(Dialler(path, brain.process(), "wire")):
            await until(lambda: A in wire.heard)
        for _, writer in silent:
            writer.close()


async def test_a_peers_new_connection_is_not_mixed_with_its_old_one(path: Path) -> None:
    wire = Side("wire")
    process = wire.process()
    many = [
        AddressIntent(ip_address(f"10.0.{n // 250}.{n % 250}"), ("u",), A.address)
        for n in range(2000)
    ]
    async with running(Listener(path, process, ["brain"])):
        await until(lambda: mode(path) is not None)
        _, old = await asyncio.open_unix_connection(path)
        said: list[Message] = [Begin("old", "brain"), *many, End("old")]
        old.write(b"".join(encode(message) for message in said))
        # Many turns of the loop are left to do when the next connection comes.
        await until(lambda: process.mirrors)
        async with running(Dialler(path, Side("brain", [B]).process(), "wire")):
            await until(lambda: B in wire.heard)
        assert process.faults == {}
        assert list(process.mirror("brain").of(AddressIntent)) == [B]
        old.close()
