"""What `/status` shows: the decisions' own trace and what wire and bgp report, as plain JSON.

`herald status`, `explain` and `why-moved` print this and decide nothing themselves.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kube.objects import Address
from speaker.brain.contacts import Contact, Contacts
from speaker.brain.moves import Move, Moves
from speaker.brain.state import State
from speaker.policy.decide import Decision
from speaker.policy.deciding import Deciding
from speaker.policy.gates import MEANINGS, Gate, Protocol, Withheld
from speaker.seam.messages import (
    AddressIntent,
    BfdReport,
    BfdState,
    BgpFault,
    ConflictReport,
    InterfaceReport,
    Message,
    NeighbourReport,
    OwnerReport,
    RouteIntent,
    SessionReport,
    SessionState,
)
from speaker.seam.mirror import Mirror

SCHEMA = 1
DROPS = {
    "herald_wire_dropped": "frame",
    "herald_wire_bfd_dropped": "bfd",
    "herald_wire_seam_faults": "seam",
    "herald_seam_faults_total": "seam",
    "herald_watch_breaks": "watch",
}
"Counters of what a process was sent and did not use, and what that is, unless a label says it."
L2_ONLY = frozenset({Gate.SHARED_SELECTORS, Gate.INTERFACE})
LATER = frozenset({Gate.CONSISTENT, Gate.PEER, Gate.SHARERS, Gate.HEALTH})
"Looked at only when all others are open."
BGP_ONLY = frozenset({Gate.PEER, Gate.CONSISTENT})

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reports:
    """What the brain knows beside its own decisions."""

    api_age_s: float
    stale: bool
    "Something that is said comes from the last good file."
    restored: tuple[Message, ...]
    "What is said from there."
    connected: Mapping[str, bool]
    "By process."
    wire: Mirror
    bgp: Mirror
    moves: Moves
    contacts: Contacts
    peers: Mapping[str, str] = field(default_factory=dict)
    "Address and port of each BGPPeer that bgp has been told of, by name."
    counted: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    "Counters by process."
    silent_s: Mapping[str, float] = field(default_factory=dict)
    "How long those that hang have been silent, by process."

    def sessions(self) -> list[SessionReport]:
        """Return the BGP sessions; without bgp none is up, whatever it said last."""
        said = list(self.bgp.of(SessionReport))
        if self.connected["bgp"]:
            return said
        gone = "the bgp process is not there"
        return [SessionReport(each.peer, SessionState.DOWN, gone) for each in said]

    def bfd(self) -> list[BfdReport]:
        """Return the BFD sessions; without wire none is up, whatever it said last."""
        said = list(self.wire.of(BfdReport))
        if self.connected["wire"]:
            return said
        gone = "the wire process is not there"
        return [BfdReport(each.peer, BfdState.DOWN, gone) for each in said]


def status(state: State, reports: Reports, now: float) -> Json:
    """Return the whole page. All `at_s` are on the same clock as `now_s`."""
    deciding, owners = state.deciding, _owners(reports.wire)
    return {
        "schema": SCHEMA,
        "node": state.own.node,
        "now_s": round(now, 3),
        "api": _api(state, reports),
        "processes": dict(reports.connected),
        "silent_s": {name: round(silent, 3) for name, silent in reports.silent_s.items()},
        "configuration": _configuration(state),
        "faults": [
            {"object": f"{f.kind.value} {f.name}", "field": f.field, "sentence": f.text,
             "reason": f.reason.value, "refused": f.refused}
            for f in state.faults
        ],
        "identity_fault": state.identity_fault,
        "health": {str(p): v.value for p, v in sorted(state.health.verdicts(now).items())},
        "gates": {
            "names": {protocol.value: gate_names(protocol) for protocol in Protocol},
            "meanings": {gate.value: MEANINGS[gate] for gate in Gate},
            "later": sorted(gate.value for gate in LATER),
        },
        "addresses": [
            _decision(deciding, decision, owners)
            for protocol in Protocol
            for decision in deciding.of(protocol)
        ]
        + [shown for each in reports.restored if (shown := _restored(each, owners)) is not None],
        "sessions": [_session(each) for each in reports.sessions()],
        "bgp_faults": [
            {"peer": each.peer, "sentence": each.text}
            for each in reports.bgp.of(BgpFault)
            if each.text
        ],
        **_segment(reports),
        "dropped": list(_dropped(reports.counted)),
        "moves": [_move(each) for each in reports.moves.all()],
        "contacts": [_contact(each) for each in reports.contacts.all()],
    }  # fmt: skip


def _api(state: State, reports: Reports) -> Json:
    snapshot = state.snapshot
    return {
        "age_s": round(reports.api_age_s, 3),
        "stale": reports.stale,
        "missing": {
            protocol.value: [kind.value for kind in state.deciding.missing(protocol)]
            for protocol in Protocol
        },
        "unavailable": {kind.value: why for kind, why in snapshot.unavailable.items()},
    }


def _configuration(state: State) -> Json:
    """Return the names of the objects in use."""
    used = state.configuration
    return {
        "pools": [each.name for each in (*used.pools, *used.refused_pools)],
        "l2_advertisements": [each.name for each in used.l2],
        "bgp_advertisements": [each.name for each in used.bgp],
        "peers": [each.name for each in used.peers],
        "peers_here": list(state.deciding.sessions.peers),
    }


def _segment(reports: Reports) -> Json:
    wire = reports.wire
    return {
        "interfaces": [
            {"interface": each.interface, "usable": each.usable, "reason": each.reason,
             "addresses": list(each.addresses)}
            for each in wire.of(InterfaceReport)
        ],
        "neighbours": [
            {"node": each.node, "interface": each.interface, "alive": each.alive,
             "two_way": each.two_way, "interval_ms": each.interval_ms,
             "draining": each.draining, "starting": each.starting}
            for each in wire.of(NeighbourReport)
        ],
        "conflicts": [
            {"address": str(each.address), "interface": each.interface, "mac": each.mac,
             "proxy": each.proxy}
            for each in wire.of(ConflictReport)
            if each.mac is not None
        ],
        "bfd": [
            {"peer": str(each.peer), "state": each.state.value, "diagnostic": each.diagnostic}
            for each in reports.bfd()
        ],
    }  # fmt: skip


def _decision(deciding: Deciding, decision: Decision, owners: Mapping[Address, list[Json]]) -> Json:
    found: Json = {
        "address": str(decision.address),
        "protocol": decision.protocol.value,
        "services": [str(each.service) for each in decision.services],
        "uncounted": [str(each) for each in decision.uncounted],
        "pool": decision.pool,
        "wanted": decision.wanted,
        "may": decision.may,
        "may_begin": decision.may_begin,
        "last_resort": decision.last_resort,
        "drained": decision.drained is not None,
        "de_preferred": decision.de_preferred is not None,
        "advertisements": [each.name for each in decision.advertisements],
        "closed": closed_gates(decision),
        "looked_at_all": not decision.closed,
    }
    if decision.protocol is Protocol.LAYER2:
        return found | {"owners": owners.get(decision.address, [])}
    return found | {"routes": _routes(deciding, decision.address)}


def gate_names(protocol: Protocol) -> list[str]:
    """Return the gates of a protocol in the order in which they are looked at."""
    other = BGP_ONLY if protocol is Protocol.LAYER2 else L2_ONLY
    return [gate.value for gate in Gate if gate not in other]


def _restored(message: Message, owners: Mapping[Address, list[Json]]) -> Json | None:
    """Return an address as it was last known; nothing has been decided about it since."""
    shown: Json = {
        "services": [], "uncounted": [], "pool": "", "wanted": True, "last_resort": False,
        "drained": False, "de_preferred": False, "advertisements": [], "closed": [],
        "looked_at_all": False, "protocol": Protocol.LAYER2.value, "may_begin": True,
    }  # fmt: skip
    if isinstance(message, AddressIntent):
        found = owners.get(message.address, [])
        return shown | {"address": str(message.address), "may": message.fit, "owners": found}
    if isinstance(message, RouteIntent):
        routes = [
            {"prefix": str(message.prefix), "peer": peer, "communities": list(message.communities),
             "local_pref": message.local_pref, "advertisement": ""}
            for peer in message.peers
        ]  # fmt: skip
        address = str(message.prefix.network_address)
        bgp = {"protocol": Protocol.BGP.value, "may": True, "routes": routes}
        return shown | bgp | {"address": address}
    return None


def closed_gates(decision: Decision) -> list[Json]:
    """Return every closed gate with what would open it, in the order of the gates."""
    first: dict[Gate, Withheld] = {}
    for each in _against(decision):
        first.setdefault(each.gate, each)
    found = [
        {"gate": gate.value, "object": first[gate].object, "field": first[gate].field,
         "sentence": first[gate].sentence}
        for gate in Gate
        if gate in first
    ]  # fmt: skip
    if decision.may_begin:
        return found
    sentence = "its health check has not answered yet: kept if it is here, not begun"
    return [*found, {"gate": Gate.HEALTH.value, "object": "", "field": "", "sentence": sentence}]


def _against(decision: Decision) -> Iterable[Withheld]:
    """Return all that speaks against announcing, what is only reported included."""
    own = (each for judged in decision.services for each in judged.closed)
    single = (decision.de_preferred, decision.drained)
    return (*own, *decision.closed, *decision.reported, *(w for w in single if w is not None))


def _owners(wire: Mirror) -> dict[Address, list[Json]]:
    found: dict[Address, list[Json]] = {}
    for each in wire.of(OwnerReport):
        found.setdefault(each.address, []).append(
            {"interface": each.interface, "state": each.state.value, "owner": each.owner,
             "cause": each.cause, "generation": each.generation, "provisional": each.provisional}
        )  # fmt: skip
    return found


def _routes(deciding: Deciding, address: Address) -> list[Json]:
    return [
        {"prefix": str(each.prefix), "peer": each.peer, "communities": list(each.communities),
         "local_pref": each.local_pref, "advertisement": each.advertisement}
        for each in deciding.paths_of(address)
    ]  # fmt: skip


def _session(report: SessionReport) -> Json:
    return {
        "peer": report.peer,
        "state": report.state.value,
        "reason": report.reason,
        "announced": [str(each) for each in report.announced],
        "pending": report.pending,
    }


def _dropped(counted: Mapping[str, Mapping[str, float]]) -> Iterable[Json]:
    for process, values in counted.items():
        for name, count in values.items():
            counter, _, labels = name.partition(":")
            if counter in DROPS and count:
                said = dict(label.split("=", 1) for label in labels.split(","))
                yield {
                    "process": process,
                    "part": said.get("part", DROPS[counter]),
                    "interface": said.get("interface", ""),
                    "reason": said.get("reason") or said.get("fault", ""),
                    "count": int(count),
                }


def _move(move: Move) -> Json:
    return {
        "address": str(move.address),
        "interface": move.interface,
        "from": move.before,
        "to": move.after,
        "cause": move.cause,
        "why": move.why,
        "generation": move.generation,
        "at_s": round(move.at, 3),
    }


def _contact(contact: Contact) -> Json:
    return {
        "node": contact.node,
        "interface": contact.interface,
        "standing": contact.standing.value,
        "at_s": round(contact.at, 3),
    }
