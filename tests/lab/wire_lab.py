"""Nodes with real wire processes on a switch, each in a namespace; the test plays their brains."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, TypeVar

from netns_lab.netns import inside
from speaker.l2.arp import ArpPacket, Operation, arp_request, parse_arp
from speaker.l2.ethernet import EtherType, Mac
from speaker.l2.ndp import Advertisement, parse_ndp, solicitation
from speaker.seam.driver import Dialler, Process
from speaker.seam.messages import (
    Address,
    AddressIntent,
    Expected,
    ExpectedNode,
    HelloKey,
    Identity,
    Message,
    OwnerReport,
    OwnerState,
)
from tests.lab.attempts import StarvedError
from tests.lab.lateness import LATE_MS, HelloWatch, latest_ms

VIP = IPv4Address("192.168.4.10")
VIP6 = IPv6Address("fd00:4::10")
WATCHER4 = IPv4Address("192.168.4.3")
WATCHER6 = IPv6Address("fd00:4::3")
SWITCH = "lan"
Report = TypeVar("Report")
KEY = HelloKey(1, "5a" * 32)
MAIN = "from speaker.main import main; main()"
SO_RCVBUFFORCE = 33
ANSWER_S = 0.06
"""How long all answers to one question are waited for."""
SILENCE_S = 0.3
"""How long nobody must answer to be called silent: a busy machine is no silence."""
LIMIT_S = 60.0
"""For what comes at once where there is time: on a busy machine a process alone takes seconds to
start, and who hears nobody that it expects waits for three more."""
BEAT_S = 0.02


def run(*command: str, check: bool = True) -> str:
    """Run a command and return its output; its errors are in the exception."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


async def until(condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    """Wait until the condition gives something true, and return it."""
    ends = time.monotonic() + limit_s
    while True:
        is_last = time.monotonic() > ends  # before the look: it may be long until the next line
        found = condition()
        if found:
            return found
        assert not is_last, f"not within {limit_s} s: {what}; last answer: {found!r}"
        await asyncio.sleep(0.01)


def intent(address: Address = VIP, **changes: Any) -> AddressIntent:
    """What a brain wants with an address of one Service."""
    values: dict[str, Any] = {"service_uids": (f"uid-{address}",), "rank_key": address}
    return AddressIntent(address, **(values | changes))


class WireProcess:
    """`herald-speaker wire` on one node, and the brain that the test plays for it."""

    def __init__(self, namespace: str, node: str, folder: Path) -> None:
        self.namespace = namespace
        self.node = node
        self.folder = folder
        self.intents: list[Message] = []
        self.heard: list[Message] = []
        self.log = folder / "wire.log"
        self.wrapper: Sequence[str] = ()
        "A command that the process is started by, as setpriv."
        self.disturbed = False
        "The test itself has kept it from sending, so its hellos say nothing of the machine."
        self._process = Process(
            name="brain",
            whole=lambda _peer: list(self.intents),
            hear=lambda _peer, message: self.heard.append(message),
        )
        self._dialler = Dialler(folder / "wire.sock", self._process, "wire")
        self._dialling: asyncio.Task[None] | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, *flags: str) -> None:
        """Start the process."""
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [
                    "ip", "netns", "exec", self.namespace, *self.wrapper, sys.executable, "-c",
                    MAIN, "wire",
                    "--node-name", self.node, "--socket-dir", str(self.folder),
                    "--log-level", "debug", *flags,
                ],
                stdout=log, stderr=log,
            )  # fmt: skip

    def dial(self) -> None:
        """Start the brain."""
        self._dialling = asyncio.create_task(self._dialler.run())

    async def hang_up(self) -> None:
        """Kill the brain."""
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.wait([self._dialling])
            self._dialling = None
            self._process.mirrors.clear()  # what is asked next must come from a new connection

    def say(self, *messages: Message) -> None:
        """Add to the intent and tell it."""
        for message in messages:
            self.intents.append(message)
            self._dialler.send(message)

    def tell(self, message: Message) -> None:
        """Say something that is no intent."""
        self._dialler.send(message)

    def owner(self, address: Address = VIP, interface: str = "lan0") -> OwnerReport | None:
        """Return the last report on an address."""
        return self._process.mirror("wire").get(OwnerReport, (address, interface))

    def owns(self, address: Address = VIP, interface: str = "lan0") -> bool:
        """Tell whether it says that it owns the address."""
        report = self.owner(address, interface)
        return report is not None and report.state is OwnerState.OWNED

    def reports(self, kind: type[Report]) -> list[Report]:
        """Return all reports of a type that are in force."""
        return list(self._process.mirror("wire").of(kind))

    def held(self, kind: type[Any], key: Any) -> Any:
        """Return the last report of a type."""
        return self._process.mirror("wire").get(kind, key)

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._child is not None
        self.disturbed = True
        self._child.send_signal(number)

    def kill(self) -> None:
        """Kill the process."""
        self.disturbed = True
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        assert self._child is not None
        return self._child.poll()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._child is not None
        return self._child.pid

    def pages(self, path: str) -> str:
        """Return one of its health pages."""
        with inside(self.namespace):
            asking = socket.create_connection(("127.0.0.1", 17474), timeout=LIMIT_S)
        with asking:
            asking.sendall(f"GET {path} HTTP/1.1\r\n\r\n".encode())
            answer = b""
            while chunk := asking.recv(1 << 16):
                answer += chunk
        return answer.decode().partition("\r\n\r\n")[2]

    def metrics(self) -> Mapping[str, float]:
        """Return its counters."""
        lines = (line.rpartition(" ") for line in self.pages("/metrics").splitlines())
        return {name: float(value) for name, _, value in lines}


class Watcher:
    """A host on the switch that asks by ARP and NDP, and hears everything."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.mac = Mac.parse(link_mac(namespace, "lan0"))
        with inside(namespace):
            self._frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self._frames.bind(("lan0", 3))
        self._frames.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        self._frames.setblocking(False)

    def close(self) -> None:
        """Hear no more."""
        self._frames.close()

    def send(self, frame: bytes) -> None:
        """Send any frame."""
        self._frames.send(frame)

    def heard(self) -> list[bytes]:
        """Return what has come in since the last call, own frames excepted."""
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, (_, _, kind, _, _) = self._frames.recvfrom(2048)
                if kind != socket.PACKET_OUTGOING:
                    frames.append(frame)
        return frames

    async def answers(self, address: Address = VIP) -> set[Mac]:
        """Ask until somebody answers; return the MACs that do, none after a while."""
        ends = time.monotonic() + LIMIT_S
        while not (found := await self.answers_within(ANSWER_S, address)):
            if time.monotonic() > ends:
                break
        return found

    async def answers_within(self, wait_s: float, address: Address = VIP) -> set[Mac]:
        """Ask for the address once; return the MACs that answer in this time."""
        self.heard()
        if isinstance(address, IPv4Address):
            self.send(arp_request(address, mac=self.mac, sender=WATCHER4))
        else:
            self.send(solicitation(address, mac=self.mac, sender=WATCHER6))
        await asyncio.sleep(wait_s)
        return {mac for frame in self.heard() if (mac := answer_in(frame, address)) is not None}


def answer_in(frame: bytes, address: Address) -> Mac | None:
    """Return the MAC that the frame says has the address; None if it is no answer."""
    if frame[12:14] == EtherType.ARP.to_bytes(2, "big"):
        packet = parse_arp(frame)
        if isinstance(packet, ArpPacket) and not packet.is_announcement:
            is_answer = packet.operation is Operation.REPLY and packet.sender == address
            return packet.sender_mac if is_answer else None
        return None
    told = parse_ndp(frame)
    return told.mac if isinstance(told, Advertisement) and told.target == address else None


def link_mac(namespace: str, interface: str) -> str:
    """Return the MAC of a NIC."""
    return run(
        "ip", "netns", "exec", namespace, "cat", f"/sys/class/net/{interface}/address"
    ).strip()


@dataclass
class WireLab:
    """Nodes, the watcher and the switch between them."""

    prefix: str
    nodes: list[WireProcess] = field(default_factory=list)
    watcher: Watcher | None = None
    hellos: HelloWatch | None = None
    late_s: float = 0.0
    "The longest that this process itself, the brain of all, was late."
    beating: asyncio.Task[None] | None = None

    @property
    def watch(self) -> Watcher:
        """The watcher."""
        assert self.watcher is not None
        return self.watcher

    def mac(self, node: WireProcess) -> Mac:
        """Return the MAC of a node's NIC."""
        return Mac.parse(link_mac(node.namespace, "lan0"))

    def owners(self, address: Address = VIP) -> list[WireProcess]:
        """Return the nodes that say that they own the address."""
        return [node for node in self.nodes if node.owns(address)]

    async def one_owner(
        self, address: Address = VIP, among: Sequence[WireProcess] = ()
    ) -> WireProcess:
        """Wait until exactly one node owns the address, and only its MAC answers.

        Two that answer are a failure. Another one than said so is a node that took over meanwhile.
        """
        ends = time.monotonic() + LIMIT_S
        while True:
            is_last = time.monotonic() > ends
            answering = await self.watch.answers_within(ANSWER_S, address)
            assert len(answering) <= 1, f"{answering} answer for {address}"
            owners = [node for node in among or self.nodes if node.owns(address)]
            if len(owners) == 1 and answering == {self.mac(owners[0])}:
                return owners[0]
            said = [node.node for node in owners]
            assert not is_last, f"{said} own {address}, {answering} answer"

    async def comes_to_answer(self, node: WireProcess, limit_s: float = LIMIT_S) -> None:
        """Wait until the node's present MAC answers, and no other."""
        ends = time.monotonic() + limit_s
        while (answering := await self.watch.answers_within(ANSWER_S)) != {self.mac(node)}:
            assert time.monotonic() < ends, f"{answering} answer instead of {node.node}"

    def cable(self, node: WireProcess, *, plugged: bool) -> None:
        """Pull or plug the cable of a node at the switch."""
        node.disturbed = True
        state = "up" if plugged else "down"
        run("ip", "-n", f"{self.prefix}-{SWITCH}", "link", "set", node.node, state)

    def late_ms(self) -> float:
        """Return by how much this process or an undisturbed wire was late at worst."""
        disturbed = {node.node for node in self.nodes if node.disturbed}
        heard = self.hellos.heard() if self.hellos is not None else []
        counted = [(at, hello) for at, hello in heard if hello.node not in disturbed]
        return max(latest_ms(counted), self.late_s * 1000)

    def begin(self, watching: str) -> None:
        """Listen, from a namespace on the switch."""
        self.watcher = Watcher(watching)
        self.hellos = HelloWatch(watching, identity("watcher"))
        self.beating = asyncio.create_task(self._beat())

    async def close(self) -> None:
        """End all processes and listen no more."""
        if self.beating is not None:
            self.beating.cancel()
        for node in self.nodes:
            await node.hang_up()
            node.kill()
        for listening in (self.watcher, self.hellos):
            if listening is not None:
                listening.close()

    def show_logs(self) -> None:
        """Write the end of each wire's log."""
        for node in self.nodes:
            if node.log.exists():
                sys.stderr.write(f"--- {node.node}\n{node.log.read_text()[-3000:]}\n")

    async def _beat(self) -> None:
        """Notice when this process is late."""
        before = time.monotonic()
        while True:
            await asyncio.sleep(BEAT_S)
            now = time.monotonic()
            self.late_s = max(self.late_s, now - before - BEAT_S)
            before = now

    def forwards(self) -> bool:
        """Tell whether the switch has taken all its ports into use."""
        shown = run("ip", "-n", f"{self.prefix}-{SWITCH}", "-d", "-j", "link", "show")
        ports = [each for each in json.loads(shown) if each.get("master") == "br0"]
        states = [each["linkinfo"]["info_slave_data"]["state"] for each in ports]
        return len(ports) > len(self.nodes) and set(states) == {"forwarding"}


def make_host(prefix: str, host: str, last: int) -> None:
    """Make a namespace with `lan0` on the switch."""
    switch, name = f"{prefix}-{SWITCH}", f"{prefix}-{host}"
    run("ip", "netns", "add", name)
    run("ip", "-n", name, "link", "set", "lo", "up")
    cable = ["type", "veth", "peer", "name", "lan0", "netns", name]
    run("ip", "-n", switch, "link", "add", host, *cable)
    run("ip", "-n", switch, "link", "set", host, "addrgenmode", "none", "master", "br0", "up")
    run("ip", "-n", name, "addr", "add", f"192.168.4.{last}/24", "dev", "lan0")
    run("ip", "-n", name, "addr", "add", f"fd00:4::{last}/64", "dev", "lan0", "nodad")
    run("ip", "-n", name, "link", "set", "lan0", "up")


def make_switch(prefix: str) -> None:
    """Make the namespace with the bridge."""
    switch = f"{prefix}-{SWITCH}"
    run("ip", "netns", "add", switch)
    run("ip", "-n", switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
    run("ip", "-n", switch, "link", "set", "br0", "addrgenmode", "none", "up")  # no host itself


def remove(prefix: str) -> None:
    """Remove all namespaces of the lab."""
    for line in run("ip", "netns", "list").splitlines():
        name = line.split()[0]
        if name.startswith(f"{prefix}-"):
            run("ip", "netns", "del", name, check=False)


def identity(node: str) -> Identity:
    """What a brain tells its wire of the cluster."""
    return Identity(node, "uid-of-kube-system", (KEY,))


def expected(count: int, but: int) -> Expected:
    """The other nodes, as the brain of node `but` lists them."""
    return Expected(
        tuple(
            ExpectedNode(f"node{i}", (ip_address(f"192.168.4.{100 + i}"),))
            for i in range(1, count + 1)
            if i != but
        )
    )


@contextlib.asynccontextmanager
async def wire_lab(
    nodes: int, *intents: Message, flags: Sequence[str] = (), start: bool = True
) -> AsyncIterator[WireLab]:
    """Make the lab with all wires and brains running; all is gone afterwards."""
    prefix = f"herald-wiret{os.getpid()}"
    base = Path(tempfile.mkdtemp(prefix="herald-wire-"))
    lab = WireLab(prefix)
    try:
        make_switch(prefix)
        make_host(prefix, "watcher", 3)
        for number in range(1, nodes + 1):
            make_host(prefix, f"node{number}", 100 + number)
            folder = base / f"node{number}"
            folder.mkdir()
            node = WireProcess(f"{prefix}-node{number}", f"node{number}", folder)
            node.intents = [identity(node.node), expected(nodes, number), *intents]
            lab.nodes.append(node)
        await until(lab.forwards, "the switch forwards")
        lab.begin(f"{prefix}-watcher")
        for node in lab.nodes if start else ():
            node.start(*flags)
            node.dial()
        yield lab
    except AssertionError as error:
        lab.show_logs()
        if (late_ms := lab.late_ms()) > LATE_MS:
            raise StarvedError(f"a process had no time for {late_ms:.0f} ms") from error
        raise
    except BaseException:
        lab.show_logs()
        raise
    finally:
        await lab.close()
        remove(prefix)
        shutil.rmtree(base, ignore_errors=True)
