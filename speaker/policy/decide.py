"""What this node may do with one address, and why not: pure, per address, per protocol.

    Decision = API truth of each Service that holds the address   (eligibility)
             + which of those Services count                      (sharers)
             + what the service proxy has programmed              (health)

*Sharers.* Traffic of an address reaches one node for all the Services that share it. So a node
suits when all of them are open there. When no node suits all of them, the nodes that suit the
most do, and the rest is reported. With one holder this is simply its own verdict. Who may not share
it with an older Service does not count at all: the controller gives it another one.

*Leaving.* With policy Local, a node whose endpoints all terminate hands over while they still
serve, as soon as another node can do better: that loses nothing, waiting for their end would.

*Health* never withdraws by itself in L2: a holder answers on until another node that is fit takes
over (`last_resort`). What is not known yet (`may_begin` False) is neither begun nor given up. In
BGP a failed check de-prefers; with policy Local it withdraws as soon as somebody else can serve,
or nobody here can.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from kube.objects import Address, ObjectName, Service, TrafficPolicy
from kube.sharing import without_right
from speaker.policy.eligibility import (
    Advertisement,
    Choice,
    choose,
    closed_gates,
    covering,
    drained,
    endpoints_on,
    leaving,
    ready_on,
)
from speaker.policy.gates import EVERYWHERE, Gate, Protocol, Withheld
from speaker.policy.health import NODE_PORT, Verdict
from speaker.policy.interfaces import interface_gate
from speaker.policy.view import View, draining

Verdicts = Mapping[int, Verdict]


@dataclass(frozen=True, slots=True)
class Judged:
    """One Service of an address on this node."""

    service: ObjectName
    closed: tuple[Withheld, ...]
    advertisements: tuple[Advertisement, ...] = field(default=(), repr=False)
    "Those that select the Service and this node."


@dataclass(frozen=True, slots=True)
class Decision:
    """What this node may do with one address by one protocol."""

    address: Address
    protocol: Protocol
    services: tuple[Judged, ...]
    "Oldest first."
    rank_key: Address
    "First ingress address of the oldest Service."
    pool: str = ""
    closed: tuple[Withheld, ...] = ()
    "Empty: it may. Otherwise all gates that stand against it."
    may_begin: bool = True
    "False: go on if it is there already, but don't start."
    last_resort: bool = False
    "Closed by health alone: an L2 holder answers on while no other node is fit."
    de_preferred: Withheld | None = None
    "BGP: announce, but as the last choice, and why."
    drained: Withheld | None = None
    "The node is being drained: what it may announce it hands over."
    reported: tuple[Withheld, ...] = ()
    "Wrong, but not in the way."
    uncounted: tuple[ObjectName, ...] = ()
    "Sharers this node does not serve, though it may announce the address for the others."

    @property
    def may(self) -> bool:
        """Whether this node may announce the address."""
        return not self.closed

    @property
    def wanted(self) -> bool:
        """Whether anybody wants the address announced by this protocol, on whatever node."""
        return any(
            not any(gate.gate in EVERYWHERE for gate in judged.closed) for judged in self.services
        )

    @property
    def advertisements(self) -> tuple[Advertisement, ...]:
        """Advertisements of all Services that count, once each, by name."""
        found = {
            each.name: each
            for judged in self.services
            if not judged.closed
            for each in judged.advertisements
        }
        return tuple(found[name] for name in sorted(found))


def decide_address(
    view: View, protocol: Protocol, address: Address, verdicts: Verdicts | None
) -> Decision | None:
    """Return the decision; None when no Service has the address. No verdicts: no health gate."""
    services = view.services(address)
    if not services:
        return None
    choice = choose(view, protocol, address)
    decision = _decide(view, protocol, choice, (address, services), verdicts)
    return decision if protocol is Protocol.BGP else _with_interfaces(view, decision, choice)


def _with_interfaces(view: View, decision: Decision, choice: Choice) -> Decision:
    """Close the gate of the NICs, too, when none is usable that the advertisements want."""
    selecting = decision.advertisements
    if not selecting and view.node is not None:
        services = view.services(decision.address)
        found = {each.name: each for s in services for each in covering(choice, s, view.node)}
        selecting = tuple(found.values())
    gate = interface_gate(view, selecting)
    return decision if gate is None else replace(decision, closed=(*decision.closed, gate))


def _decide(
    view: View,
    protocol: Protocol,
    choice: Choice,
    held: tuple[Address, tuple[Service, ...]],
    verdicts: Verdicts | None,
) -> Decision:
    """Return the decision, NICs apart; `held` is the address with its Services."""
    address, every = held
    losers = _losers(view, every)
    services = tuple(service for service in every if service not in losers) if losers else every
    judged = tuple(_judge(view, protocol, choice, service) for service in services)
    lost = tuple(Judged(each.name, (_double(address, services[0], each),)) for each in losers)
    first = services[0].ingress
    decision = Decision(
        address=address,
        protocol=protocol,
        services=(*judged, *lost),
        rank_key=first[0] if first else address,
        pool=choice.pool.name if choice.pool else "",
        drained=drained(view.node),
        uncounted=tuple(each.service for each in (*judged, *lost) if each.closed),
    )
    closed = _shared_closed(view, protocol, choice, services, judged)
    if closed:
        return replace(decision, closed=closed)
    counted = tuple(s for s, j in zip(services, judged, strict=True) if not j.closed)
    for service in counted:
        if ready_on(view, service, view.own.node):
            continue
        other = _successor(view, protocol, choice, service)
        if other:
            gate = leaving(service, view.own.node, other)
            return replace(decision, closed=(gate,), last_resort=protocol is Protocol.LAYER2)
    if verdicts is None:
        return decision
    return _with_health(view, decision, choice, counted, verdicts)


def _losers(view: View, services: tuple[Service, ...]) -> tuple[Service, ...]:
    if len(services) == 1:
        return ()
    ours = view.own.lb_class
    return without_right(each for each in services if (each.load_balancer_class or "") == ours)


def _double(address: Address, older: Service, loser: Service) -> Withheld:
    return Withheld(
        Gate.DOUBLE,
        f"Service {loser.name}",
        "status.loadBalancer",
        f"{address} is held by Service {older.name}, which is older and may not share it with this "
        "one: herald-controller gives it another; if that lasts, check that it is running",
    )


def _successor(view: View, protocol: Protocol, choice: Choice, service: Service) -> str:
    """Return another node that may announce a Local Service with a ready endpoint, or nothing."""
    if service.traffic_policy is not TrafficPolicy.LOCAL:
        return ""
    for name in _others(view):
        node = view.snapshot.nodes[name]
        if ready_on(view, service, name) and not closed_gates(
            view, protocol, choice, service, node
        ):
            return name
    return ""


def _others(view: View) -> Iterator[str]:
    """Give the names of the other nodes that take part, in order."""
    for name in sorted(view.snapshot.nodes):
        if name == view.own.node or (view.speakers and name not in view.speakers):
            continue
        if not draining(view.snapshot.nodes[name]):
            yield name


def _judge(view: View, protocol: Protocol, choice: Choice, service: Service) -> Judged:
    node = view.node
    closed = tuple(closed_gates(view, protocol, choice, service, node))
    found = covering(choice, service, node) if node is not None and not closed else ()
    return Judged(service.name, closed, found)


def _shared_closed(
    view: View,
    protocol: Protocol,
    choice: Choice,
    services: tuple[Service, ...],
    judged: tuple[Judged, ...],
) -> tuple[Withheld, ...]:
    """Return why the holders, together, keep this node from announcing the address."""
    open_here = sum(not each.closed for each in judged)
    if open_here == len(services):
        return ()
    if open_here == 0:
        return tuple(dict.fromkeys(gate for each in judged for gate in each.closed))
    best, where = _best_elsewhere(view, protocol, choice, services)
    if best <= open_here:
        return ()
    return (
        Withheld(
            Gate.SHARERS,
            f"Node {where}",
            "metadata.name",
            f"{len(services)} Services share the address; {best} of them can be served on node "
            f"{where}, {open_here} here",
        ),
    )


def _best_elsewhere(
    view: View, protocol: Protocol, choice: Choice, services: tuple[Service, ...]
) -> tuple[int, str]:
    """Return how many of the Services the best other node suits, and its name."""
    best, where = 0, ""
    for name in _others(view):
        node = view.snapshot.nodes[name]
        open_there = sum(
            not closed_gates(view, protocol, choice, service, node) for service in services
        )
        if open_there > best:
            best, where = open_there, name
    return best, where


def port_of(service: Service) -> int | None:
    """Return the port that speaks for the Service on a node; None when none does."""
    if service.traffic_policy is TrafficPolicy.LOCAL:
        return service.health_check_node_port or None
    return NODE_PORT


def _with_health(
    view: View,
    decision: Decision,
    choice: Choice,
    services: tuple[Service, ...],
    verdicts: Verdicts,
) -> Decision:
    """Close, or hold back, what the service proxy speaks against; the worst of the holders."""
    asked = [(s, p) for s in services if (p := port_of(s)) is not None]
    found = [(verdicts.get(port, Verdict.UNPROVEN), service, port) for service, port in asked]
    for wanted in (Verdict.FAILED, Verdict.SILENT, Verdict.UNPROVEN):
        for verdict, service, port in found:
            if verdict is wanted:
                return _held_back(view, decision, choice, verdict, (service, port))
    return decision


def _held_back(
    view: View, decision: Decision, choice: Choice, verdict: Verdict, asked: tuple[Service, int]
) -> Decision:
    service, port = asked
    if verdict is Verdict.UNPROVEN:
        return replace(decision, may_begin=False)
    gate = _health_gate(view, verdict, service, port)
    if decision.protocol is Protocol.LAYER2:
        return replace(decision, closed=(gate,), last_resort=True)
    if verdict is Verdict.FAILED and _others_serve(view, choice, service):
        return replace(decision, closed=(gate,))
    return replace(decision, de_preferred=gate)


def _others_serve(view: View, choice: Choice, service: Service) -> bool:
    """Tell whether withdrawing a failed Local Service loses nothing that could be served."""
    if service.traffic_policy is not TrafficPolicy.LOCAL:
        return False
    return bool(_successor(view, Protocol.BGP, choice, service)) or not endpoints_on(
        view, service, view.own.node
    )


def _health_gate(view: View, verdict: Verdict, service: Service, port: int) -> Withheld:
    says = "has not answered for a minute" if verdict is Verdict.SILENT else "answers not OK"
    local = service.traffic_policy is TrafficPolicy.LOCAL
    return Withheld(
        Gate.HEALTH,
        f"Service {service.name}" if local else f"Node {view.own.node}",
        "spec.healthCheckNodePort" if local else "status.daemonEndpoints",
        f"the service proxy's health check on port {port} of node {view.own.node} {says}: look at "
        "kube-proxy there",
    )
