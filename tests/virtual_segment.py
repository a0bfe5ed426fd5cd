"""A virtual segment: cores joined by frames that take a while, under a clock that jumps.

It plays the driver of `speaker.l2.segment` for each node, the network between them (loss, one-way
links, partitions), hosts that answer ARP, and it writes down who answered for what and when.
"""

import heapq
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface
from typing import Any, TypeVar

from speaker.l2.segment import (
    STANDARD,
    Action,
    AlonePolicy,
    Announce,
    Answer,
    Link,
    Mac,
    ProbeStranger,
    Report,
    SeekLife,
    Segment,
    SendHello,
    Silence,
    Timing,
    Witness,
)
from speaker.seam.messages import (
    Address,
    AddressIntent,
    ExpectedNode,
    HelloKey,
    Identity,
    OwnerReport,
)

M = TypeVar("M")

LATENCY_S = 0.0002
KEY = HelloKey(1, "11" * 32)
IDENTITY = Identity("", "cluster-a", (KEY,))
VIP = ip_address("192.168.4.10")


def vips(count: int) -> list[Address]:
    base = int(ip_address("192.168.16.0"))
    return [ip_address(base + each) for each in range(count)]


def intent(address: Address = VIP, **changes: Any) -> AddressIntent:
    fields = {"address": address, "service_uids": (f"uid-{address}",), "rank_key": address}
    return AddressIntent(**(fields | changes))


@dataclass
class Node:
    """One speaker's wire process on the segment."""

    name: str
    mac: Mac
    core: Segment
    ip: Address
    boot_id: int = 0
    opening: int = 0
    alive: bool = True
    frozen: bool = False
    answering: set[Address] = field(default_factory=set)
    actions: list[tuple[float, Action]] = field(default_factory=list)
    inbox: list[Callable[[float], object]] = field(default_factory=list)
    due_at: float | None = None
    "The core's deadline after the last call of it."
    last_arrival: float = 0.0

    @property
    def running(self) -> bool:
        return self.alive and not self.frozen


class VirtualSegment:
    """Nodes named n1, n2, … on one broadcast domain."""

    def __init__(
        self,
        count: int,
        *,
        timing: Timing = STANDARD,
        seed: int = 1,
        loss: float = 0.0,
        alone: AlonePolicy = AlonePolicy.KEEP,
        quiet: bool = False,
    ) -> None:
        self.now = 0.0
        self.timing = timing
        self.loss = loss
        self.alone = alone
        self.random = random.Random(seed)
        self.nodes: dict[str, Node] = {}
        self.cut: set[tuple[str, str]] = set()
        "(from, to) pairs that hear nothing."
        self.deaf_to_hellos: set[tuple[str, str]] = set()
        "The same for hellos alone."
        self.strangers: dict[Address, Mac] = {}
        self.proxy: Mac | None = None
        self.quiet = quiet
        "No host answers: no sign of life."
        self.hellos: list[tuple[float, str, bytes]] = []
        self.answers: dict[Address, list[tuple[float, frozenset[str]]]] = defaultdict(list)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._ticket = 0
        self._boots = 0
        self._turns = 0
        for number in range(1, count + 1):
            self.add(f"n{number}")

    def add(self, name: str, *, claims: Iterable[Address] = ()) -> Node:
        """Start a wire process on the node (again)."""
        self._boots += 1
        return self._open(name, boot_id=self._boots << 32, claims=claims)

    def reopen(self, name: str) -> Node:
        """Take the node's NIC away and give its process another one of the same name."""
        before = self.nodes[name]
        self.kill(name)
        return self._open(name, boot_id=before.boot_id, opening=before.opening + 1)

    def _open(
        self, name: str, *, boot_id: int, opening: int = 0, claims: Iterable[Address] = ()
    ) -> Node:
        number = int(name[1:])
        core = Segment(
            interface="lan0",
            node=name,
            boot_id=boot_id,
            opening=opening,
            timing=self.timing,
            epoch_ms=1_700_000_000_000,
            jitter=self.random.random,
            now=self.now,
            claims=claims,
            alone=self.alone,
        )
        mac, ip = Mac(bytes((2, 0, 0, 0, 0, number))), ip_address(f"192.168.4.{100 + number}")
        node = Node(name, mac, core, ip, boot_id, opening)
        self.nodes[name] = node
        return node

    def add_nic(self, name: str, interface: str) -> str:
        """Connect a second NIC of the node; return the name of its core here."""
        first = self.nodes[name]
        number = 50 + len(self.nodes)
        core = Segment(
            interface=interface,
            node=name,
            boot_id=int(name[1:]) << 32,
            timing=self.timing,
            epoch_ms=1_700_000_000_000,
            jitter=self.random.random,
            now=self.now,
            alone=self.alone,
        )
        key = f"{name}-{interface}"
        mac = Mac(bytes((2, 0, 0, 0, 0, number)))
        self.nodes[key] = Node(key, mac, core, first.ip)
        return key

    def start(self, *names: str, wanted: Iterable[AddressIntent] = ()) -> None:
        """Give nodes their NIC, identity, peers and intents, as the driver does at `End`."""
        intents = list(wanted)
        for name in names or self.nodes:
            node = self.nodes[name]
            prefixes = (ip_interface(f"{node.ip}/16"),)
            node.core.set_link(Link(up=True, mac=node.mac, prefixes=prefixes), self.now)
            node.core.set_identity(IDENTITY, self.now)
            peers = (each for each in self.nodes.values() if each.ip != node.ip)
            expected = tuple(ExpectedNode(each.name, (each.ip,)) for each in peers)
            node.core.set_expected(expected, self.now)
            for each in intents:
                node.core.set_intent(each, self.now)
            self._drain_actions(node)

    def call(self, name: str, method: str, *arguments: object) -> None:
        """Call a method of the node's core now."""
        node = self.nodes[name]
        getattr(node.core, method)(*arguments, self.now)
        self._drain_actions(node)

    # Faults

    def kill(self, name: str) -> None:
        """Take the node's wire process and kernel away."""
        node = self.nodes[name]
        node.alive = False
        self._note(node, set())

    def freeze(self, name: str) -> None:
        """Stop the process; what comes in queues up (the oldest 200 frames are kept)."""
        self.nodes[name].frozen = True

    def thaw(self, name: str, *, noticed: bool) -> None:
        """Let it go on; a driver that notices the stall drops the queue."""
        node = self.nodes[name]
        node.frozen = False
        queue, node.inbox = node.inbox, []
        if not node.alive:
            return
        if noticed:
            node.core.stalled(self.now)
        else:
            for deliver in queue:
                deliver(self.now)
        self._drain_actions(node)

    def partition(self, *sides: Iterable[str]) -> None:
        """Let only nodes of the same side hear each other."""
        side_of = {name: index for index, side in enumerate(sides) for name in side}
        self.cut = {
            (one, other)
            for one in self.nodes
            for other in self.nodes
            if side_of.get(one) != side_of.get(other)
        }

    def heal(self) -> None:
        """Let everybody hear everybody."""
        self.cut = set()

    # What is to be seen

    def owners(self, address: Address = VIP) -> set[str]:
        """Return the nodes that answer for the address."""
        return {each.name for each in self.nodes.values() if address in each.answering}

    def owner(self, address: Address = VIP) -> str:
        """Return the only node that answers."""
        (name,) = self.owners(address)
        return name

    def gaps(self, address: Address, since: float) -> list[float]:
        """Return how long nobody answered, for each time that happened after `since`."""
        return self._spans(address, since, lambda who: not who)

    def doubles(self, address: Address, since: float) -> list[float]:
        """Return how long two or more answered, for each time."""
        return self._spans(address, since, lambda who: len(who) > 1)

    def _spans(
        self, address: Address, since: float, bad: Callable[[frozenset[str]], bool]
    ) -> list[float]:
        spans, begun = [], None
        for at, who in [*self.answers[address], (self.now, frozenset({"end"}))]:
            if bad(who) and begun is None:
                begun = at
            elif not bad(who) and begun is not None:
                if at > since:
                    spans.append(at - max(begun, since))
                begun = None
        return spans

    def moves(self, address: Address, since: float) -> int:
        """Return how often somebody began to answer after `since`."""
        return sum(
            isinstance(action, Answer) and action.address == address and at > since
            for node in self.nodes.values()
            for at, action in node.actions
        )

    def reports(self, name: str, kind: type[M]) -> list[M]:
        """Return the messages of this kind that the node's core gave."""
        actions = (action for _, action in self.nodes[name].actions)
        messages = (each.message for each in actions if isinstance(each, Report))
        return [each for each in messages if isinstance(each, kind)]

    def last_cause(self, name: str, address: Address = VIP) -> str:
        """Return the cause of the newest OwnerReport."""
        reports = self.reports(name, OwnerReport)
        return [each.cause for each in reports if each.address == address][-1]

    # The clock

    def run(self, for_s: float) -> None:
        """Let time pass."""
        until = self.now + for_s
        while (at := self._next()) <= until:
            self._advance(at)
        self.now = until

    def run_until(self, condition: Callable[[], bool], limit_s: float) -> float:
        """Let time pass until the condition holds; return how long it took."""
        begun = self.now
        while not condition():
            at = self._next()
            assert at <= begun + limit_s, f"not within {limit_s} s"
            self._advance(at)
        return self.now - begun

    def _advance(self, at: float) -> None:
        self._turns = self._turns + 1 if at <= self.now else 0
        assert self._turns < 5_000, f"time stands still at {self.now}"
        self.now = max(self.now, at)
        self._step()

    def _next(self) -> float:
        soonest = self._events[0][0] if self._events else math.inf
        for node in self.nodes.values():
            if node.due_at is not None and node.due_at < soonest and node.running:
                soonest = node.due_at
        return soonest

    def _step(self) -> None:
        while self._events and self._events[0][0] <= self.now:
            heapq.heappop(self._events)[2]()
        for node in list(self.nodes.values()):
            if node.due_at is not None and node.due_at <= self.now and node.running:
                node.core.handle_deadline(self.now)
                self._drain_actions(node)

    # The wire

    def _drain_actions(self, node: Node) -> None:
        while (action := node.core.next_action()) is not None:
            node.actions.append((self.now, action))
            self._perform(node, action)
        node.due_at = node.core.next_deadline()

    def _perform(self, node: Node, action: Action) -> None:
        match action:
            case SendHello(payload):
                self.hellos.append((self.now, node.name, payload))
                self._broadcast_hello(node, payload)
            case Answer(address):
                assert address not in node.answering
                self._note(node, node.answering | {address})
            case Silence(address):
                assert address in node.answering
                self._note(node, node.answering - {address})
            case Announce(address):
                assert address in node.answering
            case Witness(address, mac):
                self._ask(node, address, [each for each in self.nodes.values() if each.mac == mac])
            case ProbeStranger(address):
                self._ask(node, address, list(self.nodes.values()))
                self._ask_strangers(node, address)
            case SeekLife():
                if not self.quiet:
                    self._later(node, node.core.receive_life)

    def _note(self, node: Node, answering: set[Address]) -> None:
        changed = node.answering ^ answering
        node.answering = answering
        for address in changed:
            self.answers[address].append((self.now, frozenset(self.owners(address))))

    def _broadcast_hello(self, sender: Node, payload: bytes) -> None:
        for other in self.nodes.values():
            if other is sender or (sender.name, other.name) in self.cut | self.deaf_to_hellos:
                continue
            if self.random.random() >= self.loss:
                self.deliver_hello(other, payload, sender.mac)

    def deliver_hello(self, other: Node, payload: bytes, mac: Mac) -> None:
        """Give the node a hello after the latency, as any host on the segment could."""
        self._later(other, lambda now: other.core.receive_hello(payload, mac, now))

    def _ask(self, asker: Node, address: Address, asked: list[Node]) -> None:
        for other in asked:
            cut = {(asker.name, other.name), (other.name, asker.name)} & self.cut
            if other is asker or cut or not other.alive or other.frozen:
                continue
            if address in other.answering:
                self._sight(asker, address, other.mac)

    def _ask_strangers(self, asker: Node, address: Address) -> None:
        mac = self.strangers.get(address, self.proxy)
        if mac is not None:
            self._sight(asker, address, mac)

    def _sight(self, asker: Node, address: Address, mac: Mac) -> None:
        self._later(asker, lambda now: asker.core.receive_sighting(address, mac, now))

    def _later(self, node: Node, deliver: Callable[[float], object]) -> None:
        def arrive() -> None:
            if self.nodes.get(node.name) is not node or not node.alive:
                return
            if node.frozen:
                if len(node.inbox) < 200:
                    node.inbox.append(deliver)
                return
            deliver(self.now)
            self._drain_actions(node)

        self._ticket += 1
        arrival = self.now + LATENCY_S * (1 + self.random.random())
        node.last_arrival = max(node.last_arrival, arrival)  # Ethernet keeps the order
        heapq.heappush(self._events, (node.last_arrival, self._ticket, arrive))
