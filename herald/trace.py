"""From the nodes' status pages to what `herald status`, `explain` and `why-moved` say.

Pure: pages in, values out. A page is what `speaker.brain.status` made; nothing is decided anew.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface
from typing import Any

from herald.words import OWNERSHIP, words

Json = dict[str, Any]
Pages = Mapping[str, Json | None]
"""Status pages by node; None for a node that doesn't answer."""


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
    reported: tuple[tuple[str, str], ...] = ()
    "Nodes whose brain does not answer and that others leave it to, each with one that says so."
    advertisements: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    "Whom its routes are for."

    @property
    def active(self) -> tuple[str, ...]:
        """Nodes that answer for it or announce it."""
        return tuple(node.node for node in self.nodes if node.active)

    @property
    def well(self) -> bool:
        """Whether it is announced, or nobody wants that."""
        return bool(self.active or self.reported) or not self.wanted

    @property
    def who(self) -> str:
        """Who announces it, in words."""
        hearsay = (
            f"{owner} (by {teller}'s report; its brain does not answer)"
            for owner, teller in self.reported
        )
        return ", ".join((*self.active, *hearsay)) or "nobody"


def addresses(pages: Pages) -> list[AddressTrace]:
    """Return every address and protocol that some node knows, in the order of the addresses."""
    entries = _entries(pages)
    return [_trace(pages, *key, entries[key]) for key in sorted(entries, key=_place)]


def _place(key: tuple[str, str]) -> tuple[int, int, str]:
    """Return what sorts addresses as numbers, IPv4 first."""
    address = ip_address(key[0])
    return address.version, int(address), key[1]


def trace(pages: Pages, address: str, protocol: str) -> AddressTrace:
    """Return what all nodes say of one address."""
    return _trace(pages, address, protocol, _entries(pages).get((address, protocol), []))


def _entries(pages: Pages) -> dict[tuple[str, str], list[tuple[str, Json, Json]]]:
    """Return node, its page and its entry, for each address and protocol."""
    found: dict[tuple[str, str], list[tuple[str, Json, Json]]] = {}
    for node, page in pages.items():
        for entry in page["addresses"] if page else ():
            key = (entry["address"], entry["protocol"])
            found.setdefault(key, []).append((node, page or {}, entry))
    return found


def _trace(
    pages: Pages, address: str, protocol: str, said: list[tuple[str, Json, Json]]
) -> AddressTrace:
    first = said[0][2] if said else {"services": (), "pool": ""}
    at_home = any(owns(page, entry) for _, page, entry in said)
    return AddressTrace(
        address=address,
        protocol=protocol,
        services=tuple(first["services"]),
        pool=str(first["pool"]),
        nodes=tuple(_node(node, page, entry, at_home=at_home) for node, page, entry in said),
        wanted=any(entry["wanted"] for _, _, entry in said),
        reported=tuple(_reported(pages, said).items()),
        advertisements=_each(entry["advertisements"] for _, _, entry in said),
        peers=_each((r["peer"] for r in entry.get("routes", ())) for _, _, entry in said),
    )


def _reported(pages: Pages, said: list[tuple[str, Json, Json]]) -> dict[str, str]:
    """Return who has the address where only others can tell, with the first that does."""
    found: dict[str, str] = {}
    for node, page, entry in said:
        nics = homes(page, entry["address"])
        for each in entry.get("owners", ()):
            other = each["state"] == "other" and each["interface"] in nics
            if other and pages.get(each["owner"]) is None:
                found.setdefault(each["owner"], node)
    return found


def _each(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for texts in lists for text in texts))


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
