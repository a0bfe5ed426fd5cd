"""Snapshots and views from a few objects, and a feed of states into `Deciding`."""

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

from kube import crds, objects
from kube.configuration import Configuration
from kube.objects import ObjectName
from kube.snapshot import Kind, Snapshot
from kube.validation import usable
from speaker.policy.decide import Decision, Verdicts, decide_address
from speaker.policy.deciding import Deciding
from speaker.policy.gates import Gate, Protocol
from speaker.policy.view import Nic, Self, View, speakers
from speaker.seam.messages import RouteIntent
from tests.builders import (
    HERALD,
    bgp_advertisement,
    endpoints,
    l2_advertisement,
    node,
    pool,
    service,
)
from tests.expand import State

MAPS: dict[type, str] = {
    objects.Service: "services",
    objects.EndpointSlice: "slices",
    objects.Node: "nodes",
    objects.Pod: "pods",
    objects.Secret: "secrets",
    crds.IPAddressPool: "pools",
    crds.L2Advertisement: "l2_advertisements",
    crds.BGPAdvertisement: "bgp_advertisements",
    crds.BGPPeer: "bgp_peers",
}
VIP = "192.168.4.10"
ME = Self("node1")
EVERY_KIND = frozenset(Kind)


def snapshot(*state: Any, listed: frozenset[Kind] = EVERY_KIND) -> Snapshot:
    maps: dict[str, dict[Any, Any]] = {field: {} for field in MAPS.values()}
    slices: dict[ObjectName, tuple[objects.EndpointSlice, ...]] = {}
    for each in state:
        maps[MAPS[type(each)]][each.name] = each
        if isinstance(each, objects.EndpointSlice):
            of = ObjectName(each.name.namespace, each.service)
            slices[of] = (*slices.get(of, ()), each)
    return Snapshot(**maps, slices_by_service=slices, listed=listed)


def view(
    *state: Any,
    own: Self = ME,
    configuration: Configuration | None = None,
    nics: tuple[Nic, ...] | None = None,
) -> View:
    made = snapshot(*state)
    holders: dict[objects.Address, tuple[ObjectName, ...]] = {}
    for each in made.services.values():
        for address in each.ingress:
            holders[address] = (*holders.get(address, ()), each.name)
    return View(own, made, configuration or usable(made)[0], holders, speakers(made), nics)


def decide(
    *state: Any,
    address: str = VIP,
    protocol: Protocol = Protocol.LAYER2,
    verdicts: Verdicts | None = None,
    own: Self = ME,
) -> Decision:
    decision = decide_address(view(*state, own=own), protocol, ip_address(address), verdicts)
    assert decision is not None
    return decision


def decide_on(made: View, protocol: Protocol = Protocol.LAYER2) -> Decision:
    decision = decide_address(made, protocol, ip_address(VIP), None)
    assert decision is not None
    return decision


def gates(decision: Decision) -> list[Gate]:
    return [withheld.gate for withheld in decision.closed]


def basics(**changes: Any) -> list[Any]:
    """Two nodes, a pool with an advertisement of each kind, a Service with an endpoint on node1."""
    return [
        node("node1"),
        node("node2"),
        pool("first", "192.168.4.10-192.168.4.20"),
        l2_advertisement(),
        bgp_advertisement(),
        service("web", ingress=[VIP], **changes),
        endpoints("web", "node1"),
    ]


def shared(*on: str, traffic_policy: str = "Local") -> list[Any]:
    """Two Services on one address; `on` says on which node each has its endpoint."""
    names = ("old", "young")
    state: list[Any] = [
        node("node1"),
        node("node2"),
        pool("first", "192.168.4.10-192.168.4.20"),
        l2_advertisement(),
    ]
    for number, (name, where) in enumerate(zip(names, on, strict=True)):
        created = f"2026-01-0{number + 1}T00:00:00Z"
        state.append(
            service(
                name,
                ingress=[VIP],
                created=created,
                traffic_policy=traffic_policy,
                annotations={"metallb.io/allow-shared-ip": "k"},
                ports=(objects.ServicePort("TCP", 80 + number),),
            )
        )
        if where:
            state.append(endpoints(name, where))
    return state


def speaker_pod(on: str) -> objects.Pod:
    labels = {"app.kubernetes.io/name": "herald", "app.kubernetes.io/component": "speaker"}
    return objects.Pod(ObjectName(HERALD, f"speaker-{on}"), f"uid-{on}", labels, on, ready=True)


Results = tuple[dict[Any, Decision], list[RouteIntent]]


def feed(states: Iterable[State], flush: Callable[[Deciding, bool], None]) -> Results:
    """Let a `Deciding` live through the states; return what it has decided in the end."""
    deciding, before = Deciding(ME), Snapshot()
    for state in states:
        after = snapshot(*state)
        deciding.update(after, usable(after)[0], changed_services(before, after))
        before = after
        flush(deciding, False)
    flush(deciding, True)
    return deciding.decisions, sorted(deciding.routes(), key=lambda route: str(route.prefix))


def changed_services(before: Snapshot, after: Snapshot) -> set[ObjectName]:
    names = before.services.keys() | after.services.keys()
    names |= before.slices_by_service.keys() | after.slices_by_service.keys()
    return {
        name
        for name in names
        if before.services.get(name) != after.services.get(name)
        or before.slices_by_service.get(name) != after.slices_by_service.get(name)
    }


def flush_all(deciding: Deciding, _last: bool) -> None:
    deciding.step(None, lambda: True)


def flush_one(deciding: Deciding, last: bool) -> None:
    """Decide a single address after each state, as if each slice were over at once."""
    turns = iter([True])
    deciding.step(None, (lambda: True) if last else (lambda: next(turns, False)))


def flush_at_the_end(deciding: Deciding, last: bool) -> None:
    if last:
        deciding.step(None, lambda: True)
