"""The words of ExaBGP's API: commands, and what the lines that come back mean.

Acknowledgements are bare lines without a number, so one command is in flight at a time; every line
that is neither an event nor an acknowledgement is a line of its answer.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, TypeAlias

from speaker.bgp.routes import Batch, Community, LargeCommunity, Route, RouteKey

HEARTBEAT = "# alive"
RELOAD = "reload"
SHOW_ROUTES = "show adj-rib out extensive"
SHOW_PENDING = "show pending"
SHOW_NEIGHBORS = "show neighbor json"
ALIGN = "show neighbor summary"
"Waits its turn behind all commands before it, and its answer can't be taken for another's."

ALIGN_ANSWER = "Peer "

WELL_KNOWN: dict[str, Community] = {
    "graceful-shutdown": (65535, 0),
    "accept-own": (65535, 1),
    "blackhole": (65535, 666),
    "no-export": (65535, 65281),
    "no-advertise": (65535, 65282),
    "no-export-subconfed": (65535, 65283),
    "no-peer": (65535, 65284),
}
"Names that ExaBGP may write in place of numbers."


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The command in flight is over."""

    ok: bool


@dataclass(frozen=True, slots=True)
class Session:
    """A neighbour's session changed; only `up` means up."""

    selector: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What both OPENs agree on."""

    selector: str
    versions: frozenset[int]
    "4, 6 or both."


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The launcher's word on a reload."""

    ok: bool
    error: str


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """A line of the answer to the command in flight."""

    text: str


Line: TypeAlias = Acknowledged | Session | Negotiated | Reloaded | AnswerLine | None


def parse_line(text: str) -> Line:
    """Return what the line says; None for an event we don't use."""
    text = text.strip()
    if text in ("done", "error"):
        return Acknowledged(text == "done")
    if not text.startswith("{"):
        return AnswerLine(text)
    try:
        event = json.loads(text)
    except ValueError:
        return AnswerLine(text)
    kind = event.get("type")
    if kind == "reload":
        return Reloaded(event["ok"], event["error"])
    if kind == "state":
        neighbor = event["neighbor"]
        return Session(_selector(neighbor), neighbor["state"], neighbor.get("reason", ""))
    if kind == "negotiated":
        neighbor = event["neighbor"]
        return Negotiated(_selector(neighbor), _versions(neighbor["negotiated"]["families"]))
    return None


def _selector(neighbor: dict[str, Any]) -> str:
    address, asn = neighbor["address"], neighbor["asn"]
    return (
        f"neighbor {address['peer']} local-ip {address['local']} local-as {asn['local']}"
        f" peer-as {asn['peer']} router-id {neighbor['router-id']}"
    )


def apply_batch(batch: Batch) -> str:
    """Return the command that announces or withdraws the batch."""
    first = batch.routes[0]
    prefixes = " ".join(str(route.prefix) for route in batch.routes)
    if batch.withdraw:
        words = f"next-hop {first.next_hop}"
        return f"{batch.selector} withdraw attributes {words} nlri {prefixes}"
    return f"{batch.selector} announce attributes {_attributes(first)} nlri {prefixes}"


def _attributes(route: Route) -> str:
    words = [f"next-hop {route.next_hop}"]
    if route.as_path:
        words.append(f"as-path [ {' '.join(map(str, route.as_path))} ]")
    if route.med is not None:
        words.append(f"med {route.med}")
    if route.local_pref is not None:
        words.append(f"local-preference {route.local_pref}")
    if route.communities:
        words.append(f"community [ {_joined(route.communities)} ]")
    if route.large_communities:
        words.append(f"large-community [ {_joined(route.large_communities)} ]")
    return " ".join(words)


def _joined(communities: Iterable[tuple[int, ...]]) -> str:
    return " ".join(":".join(map(str, numbers)) for numbers in communities)


def announce_end_of_rib(selector: str, version: int) -> str:
    """Return the command for End-of-RIB of one family (RFC 4724 2)."""
    return f"{selector} announce eor ipv{version} unicast"


def clear(selector: str) -> str:
    """Return the command that withdraws all of the neighbour's routes."""
    return f"{selector} clear adj-rib out"


def parse_pending(lines: Iterable[str]) -> dict[str, int]:
    """Return how many updates wait, by selector; a neighbour that isn't there is missing."""
    waiting = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        count, _, name = rest.partition(" ")
        if word == "pending" and count.isdigit():
            waiting[name.partition(" family-allowed ")[0]] = int(count)
    return waiting


def parse_neighbors(lines: Iterable[str]) -> dict[str, frozenset[int]] | None:
    """Return the families agreed on in each session that is up, by selector; None if unreadable."""
    up = {}
    try:
        neighbors = json.loads("".join(lines) or "[]")
    except ValueError:
        return None
    for neighbor in neighbors:
        ours, theirs = neighbor["local"], neighbor["peer"]
        selector = (
            f"neighbor {theirs['address']} local-ip {ours['address']} local-as {ours['as']}"
            f" peer-as {theirs['as']} router-id {ours['id']}"
        )
        if neighbor["fsm"] == "ESTABLISHED":  # its "state" is down in the first second
            up[selector] = _versions(neighbor["families"])
    return up


def _versions(families: Iterable[str]) -> frozenset[int]:
    return frozenset(4 if f.startswith("ipv4") else 6 for f in families if f.endswith(" unicast"))


def parse_routes(lines: Iterable[str]) -> dict[RouteKey, Route]:
    """Return what `SHOW_ROUTES` answered."""
    routes = {}
    for line in lines:
        name, _, rest = line.partition(" family-allowed ")
        words = rest.split()[3:]  # the kind of session, and the family
        if "next-hop" in words:
            route = _route(words)
            routes[name, route.prefix] = route
    return routes


def _route(words: list[str]) -> Route:
    """Read `PREFIX next-hop A [as-path ( … )] [med N] …`."""
    found: dict[str, list[str]] = {}
    name = ""
    for word in words[1:]:
        if word in _KEYWORDS:
            name = word
            found[name] = []
        elif word not in "()[]":
            found[name].append(word)
    return Route(
        prefix=ip_network(words[0]),
        next_hop=ip_address(found["next-hop"][0]),
        as_path=tuple(int(n) for n in found.get("as-path", ())),
        med=_number(found.get("med")),
        local_pref=_number(found.get("local-preference")),
        communities=tuple(sorted(_community(w) for w in found.get("community", ()))),
        large_communities=tuple(sorted(_large(w) for w in found.get("large-community", ()))),
    )


_KEYWORDS = frozenset(
    {"next-hop", "origin", "as-path", "med", "local-preference", "community", "large-community"}
)


def _number(words: list[str] | None) -> int | None:
    return int(words[0]) if words else None


def _community(word: str) -> Community:
    if word in WELL_KNOWN:
        return WELL_KNOWN[word]
    high, low = word.split(":")
    return int(high), int(low)


def _large(word: str) -> LargeCommunity:
    first, second, third = map(int, word.split(":"))
    return first, second, third
