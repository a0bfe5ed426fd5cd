"""From the nodes' status pages to what `herald status`, `explain` and `why-moved` say.

Pure: pages in, values out. A page is what `speaker.brain.status` made; nothing is decided anew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface
from typing import Any

from herald.words import DROPPED, ORDINARY, OWNERSHIP, words

Json = dict[str, Any]
Pages = Mapping[str, Json | None]
"""Status pages by node; None for a node that doesn't answer."""

OLD_S = 20.0
"""An API server that is silent for longer is worth a word."""
SAME_MOVE_S = 3.0
"""Two nodes' records of one move are this close: reports are immediate."""


@dataclass(frozen=True, slots=True)
class NodeTrace:
    """One node's part in one address by one protocol."""

    node: str
    does: str
    "What it does now, in words."
    may: bool
    active: bool
    "It answers for the address, or announces it."
    gates: tuple[Json, ...]

    @property
    def closed(self) -> tuple[Json, ...]:
        """The gates that stand against it."""
        return tuple(gate for gate in self.gates if gate["open"] is False)


@dataclass(frozen=True, slots=True)
class AddressTrace:
    """All nodes' parts in one address by one protocol."""

    address: str
    protocol: str
    services: tuple[str, ...]
    pool: str
    nodes: tuple[NodeTrace, ...]
    wanted: bool

    @property
    def active(self) -> tuple[str, ...]:
        """Nodes that answer for it or announce it."""
        return tuple(node.node for node in self.nodes if node.active)

    @property
    def well(self) -> bool:
        """Whether it is announced, or nobody wants that."""
        return bool(self.active) or not self.wanted


def addresses(pages: Pages) -> list[AddressTrace]:
    """Return every address and protocol that some node knows, in the order of the addresses."""
    entries = _entries(pages)
    return [_trace(*key, entries[key]) for key in sorted(entries, key=_place)]


def _place(key: tuple[str, str]) -> tuple[int, int, str]:
    """Return what sorts addresses as numbers, IPv4 first."""
    address = ip_address(key[0])
    return address.version, int(address), key[1]


def trace(pages: Pages, address: str, protocol: str) -> AddressTrace:
    """Return what all nodes say of one address."""
    return _trace(address, protocol, _entries(pages).get((address, protocol), []))


def _entries(pages: Pages) -> dict[tuple[str, str], list[tuple[str, Json, Json]]]:
    """Return node, its page and its entry, for each address and protocol."""
    found: dict[tuple[str, str], list[tuple[str, Json, Json]]] = {}
    for node, page in pages.items():
        for entry in page["addresses"] if page else ():
            key = (entry["address"], entry["protocol"])
            found.setdefault(key, []).append((node, page or {}, entry))
    return found


def _trace(address: str, protocol: str, said: list[tuple[str, Json, Json]]) -> AddressTrace:
    first = said[0][2] if said else {"services": (), "pool": ""}
    at_home = any(owns(page, entry) for _, page, entry in said)
    return AddressTrace(
        address=address,
        protocol=protocol,
        services=tuple(first["services"]),
        pool=str(first["pool"]),
        nodes=tuple(_node(node, page, entry, at_home=at_home) for node, page, entry in said),
        wanted=any(entry["wanted"] for _, _, entry in said),
    )


def _node(node: str, page: Json, entry: Json, *, at_home: bool) -> NodeTrace:
    if entry["protocol"] == "layer2":
        nics = homes(page, entry["address"])
        owners = [each for each in entry["owners"] if each["interface"] in nics]
        active, does = owns(page, entry, at_home=at_home), _layer2(owners)
    else:
        active, does = _bgp(page, entry)
    return NodeTrace(node, does, entry["may"], active, tuple(gates(page, entry)))


def gates(page: Json, entry: Json) -> Iterator[Json]:
    """Give every gate of an address in order: open with its meaning, closed, or not looked at."""
    closed = {gate["gate"]: gate for gate in entry["closed"]}
    known = page["gates"]
    for name in known["names"][entry["protocol"]]:
        if name in closed:
            yield {"open": False} | closed[name]
        elif name in known["later"] and not entry["looked_at_all"]:
            yield {"open": None, "gate": name, "sentence": "not looked at: others are closed"}
        else:
            yield {"open": True, "gate": name, "sentence": known["meanings"][name]}


def owns(page: Json, entry: Json, *, at_home: bool = True) -> bool:
    """Tell whether the node has the address on some NIC; `at_home`: one with its subnet.

    An address is answered for on every NIC that is wanted. Who has it where nobody would look for
    it matters only when no node has it where its subnet is.
    """
    owned = {each["interface"] for each in entry.get("owners", ()) if each["state"] == "owned"}
    return bool(owned & homes(page, entry["address"]) if at_home else owned)


def homes(page: Json, address: str) -> frozenset[str]:
    """Return the NICs with the address's subnet, or all when there is none."""
    wanted = ip_address(address)
    found = {
        nic["interface"]
        for nic in page["interfaces"]
        if any(wanted in _network(prefix) for prefix in nic["addresses"])
    }
    return frozenset(found or (nic["interface"] for nic in page["interfaces"]))


@cache
def _network(prefix: str) -> IPv4Network | IPv6Network:
    return ip_interface(prefix).network


def _layer2(owners: list[Json]) -> str:
    parts = [
        f"{OWNERSHIP.get(o['state'], o['state']).format(owner=o['owner'])} on {o['interface']}"
        f" ({words(o['cause'])})"
        for o in owners
    ]
    return "; ".join(parts) or "takes no part yet"


def _bgp(page: Json, entry: Json) -> tuple[bool, str]:
    sessions = {each["peer"]: each for each in page["sessions"]}
    parts, active = [], False
    for route in entry["routes"]:
        session = sessions.get(route["peer"])
        if session is not None and route["prefix"] in session["announced"]:
            active = True
            parts.append(f"announces {route['prefix']} to {route['peer']}")
        elif not entry["drained"]:
            state = session["state"] if session is not None else "no session"
            parts.append(f"does not announce {route['prefix']} to {route['peer']} yet: {state}")
    if entry["drained"] and not active:
        parts.append("has been drained")
    if entry["de_preferred"]:
        parts.append("as the last choice")
    return active, "; ".join(parts) or "announces nothing"


@dataclass(frozen=True, slots=True)
class MoveTrace:
    """One move, as the nodes saw it."""

    ago_s: float
    interface: str
    before: str
    after: str
    cause: str
    "In words: what the node that has it now says."
    other: str
    "What the node that had it says of it, in words, if that adds anything."


def moves(pages: Pages, address: str) -> list[MoveTrace]:
    """Return the moves of an address, oldest first, each once."""
    seen = sorted(_seen(pages, address), key=lambda each: -each[1])
    groups: list[list[tuple[str, float, Json]]] = []
    for node, ago_s, move in seen:
        for group in groups:
            _, other_s, other = group[0]
            same = all(other[key] == move[key] for key in ("interface", "from", "to"))
            if same and abs(other_s - ago_s) < SAME_MOVE_S:
                group.append((node, ago_s, move))
                break
        else:
            groups.append([(node, ago_s, move)])
    return [_merged(group) for group in groups]


def _seen(pages: Pages, address: str) -> Iterator[tuple[str, float, Json]]:
    for node, page in pages.items():
        if page is None:
            continue
        # Each node counts on a clock of its own; only ages can be compared.
        for move in page["moves"]:
            if move["address"] == address and move["interface"] in homes(page, address):
                yield node, page["now_s"] - move["at_s"], move


def _merged(group: list[tuple[str, float, Json]]) -> MoveTrace:
    by_node = {node: move for node, _, move in group}
    _, ago_s, move = group[0]
    taker, giver = by_node.get(move["to"]), by_node.get(move["from"])
    cause = (taker or giver or move)["cause"]
    other = words(giver["cause"]) if giver is not None and giver["cause"] != cause else ""
    if giver is not None and giver["why"]:
        other = giver["why"]
    return MoveTrace(ago_s, move["interface"], move["from"], move["to"], words(cause), other)


def faults(pages: Pages) -> list[tuple[str, Json]]:
    """Return what is wrong with the configuration, each once, with the nodes that say so."""
    found: dict[tuple[str, str, str], tuple[list[str], Json]] = {}
    for node, page in pages.items():
        for fault in page["faults"] if page else ():
            key = (fault["object"], fault["field"], fault["sentence"])
            found.setdefault(key, ([], fault))[0].append(node)
    return [(_several(nodes, pages), fault) for nodes, fault in found.values()]


def _several(nodes: list[str], pages: Pages) -> str:
    answering = [node for node, page in pages.items() if page]
    return "all nodes" if len(nodes) == len(answering) else ", ".join(nodes)


def dropped(pages: Pages) -> list[str]:
    """Return what the nodes were sent and did not use, as sentences; by itself no trouble."""
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for node, page in pages.items():
        for each in page["dropped"] if page else ():
            if each["reason"] in ORDINARY:
                continue
            own = DROPPED.get((each["part"], each["reason"]))
            key = (each["process"], each["interface"], own or DROPPED[each["part"], ""])
            counts = found.setdefault(key, {})
            counts[node] = counts.get(node, 0) + each["count"]
    return [
        f"{_several(list(counts), pages)}: {process} has dropped {sum(counts.values())}"
        f"{f' on {nic}' if nic else ''}, {sentence}"
        for (process, nic, sentence), counts in found.items()
    ]


def node_troubles(pages: Pages) -> list[str]:
    """Return what is not as it should be with the nodes' speakers, as sentences."""
    found: list[str] = []
    for node, page in pages.items():
        if page is None:
            found.append(f"{node}: its brain does not answer: is the node up, does the Pod run?")
            continue
        found += [f"{node}: {each}" for each in _page_troubles(page)]
    return found


def troubles(pages: Pages) -> list[str]:
    """Return what is not as it should be, as sentences."""
    found = node_troubles(pages)
    found += [f"{f['object']}: {f['field']}: {f['sentence']}" for _, f in faults(pages)
              if f["refused"]]  # fmt: skip
    found += [
        f"{each.address}: no node announces it by {each.protocol}"
        for each in addresses(pages)
        if not each.well
    ]
    return found


def _page_troubles(page: Json) -> Iterator[str]:
    yield from _api_troubles(page["api"])
    if not page["processes"]["wire"]:
        yield "its wire process is not there"
    if page["identity_fault"]:
        yield page["identity_fault"]
    for session in page["sessions"]:
        if session["state"] != "up":
            reason = f": {session['reason']}" if session["reason"] else ""
            yield f"BGP session with {session['peer']} is {session['state']}{reason}"
    for fault in page["bgp_faults"]:
        yield f"BGP peer {fault['peer']}: {fault['sentence']}"
    for each in page["conflicts"]:
        if not each["proxy"]:
            yield f"{each['mac']} answers for {each['address']} on {each['interface']}"


def _api_troubles(api: Json) -> Iterator[str]:
    if api["stale"]:
        yield "goes by its last good intent, the API server has not been reached since its start"
    elif api["age_s"] > OLD_S:
        yield f"has not heard from the API server for {api['age_s']:.0f} s"
    for kind, why in api["unavailable"].items():
        yield f"cannot watch {kind}: {why}"
