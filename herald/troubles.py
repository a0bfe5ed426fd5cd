"""From status pages to what is not as it should be, as sentences."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from herald.trace import Pages, addresses
from herald.words import DROPPED, ORDINARY
from netns_lab.program import program
from speaker.policy.gates import Gate

Json = dict[str, Any]

OLD_S = 20.0
"""An API server that is silent for longer is worth a word."""
UNKNOWN_REFERENCE = "unknown-reference"
"""The reason of a fault that refuses nothing and is trouble all the same."""
FOREIGN = frozenset({Gate.CLASS.value, Gate.POOL.value})
"""Closed for the addresses of others, whom an advertisement of ours is nothing to."""
NO_REASONS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something with a node's speaker that is not as it should be."""

    node: str
    sentence: str
    about: str = ""
    "The peer or the address that it concerns; empty when it is the whole node."

    def __str__(self) -> str:
        return f"{self.node}: {self.sentence}"


def troubles(pages: Pages, silent: Mapping[str, str] = NO_REASONS) -> list[str]:
    """Return all that is not as it should be; `silent` has why nodes do not answer, if known."""
    found = [str(each) for each in node_troubles(pages, silent)]
    found += [fault_words(each) for each in faults(pages) if is_trouble(each)]
    found += [
        f"{each.address}: no node announces it by {each.protocol}"
        for each in addresses(pages)
        if not each.well
    ]
    found += [
        f"{address}: no node announces it, for no advertisement selects it: "
        f"`{program()} explain {address}` says what is missing"
        for address in _unadvertised(pages)
    ]
    return found


def _unadvertised(pages: Pages) -> list[str]:
    """Return the addresses of our pools and Services that no protocol is asked to announce."""
    ours, wanted = dict[str, None](), set[str]()
    for each in addresses(pages):
        if each.wanted:
            wanted.add(each.address)
        elif not any(gate["gate"] in FOREIGN for node in each.nodes for gate in node.closed):
            ours[each.address] = None
    return [address for address in ours if address not in wanted]


def advice(pages: Pages) -> list[str]:
    """Return what is worth knowing of the configuration and is by itself no trouble."""
    return [fault_words(each) for each in faults(pages) if not is_trouble(each)]


def faults(pages: Pages) -> list[Json]:
    """Return what is wrong with the configuration, each once, whichever nodes say so."""
    found: dict[tuple[str, str, str], Json] = {}
    for page in pages.values():
        for fault in page["faults"] if page else ():
            found.setdefault((fault["object"], fault["field"], fault["sentence"]), fault)
    return list(found.values())


def is_trouble(fault: Json) -> bool:
    """Tell whether a fault refuses something, or leaves undone what the object asks for."""
    return bool(fault["refused"]) or fault["reason"] == UNKNOWN_REFERENCE


def fault_words(fault: Json) -> str:
    """Return a fault as a sentence."""
    return ": ".join(part for part in (fault["object"], fault["field"], fault["sentence"]) if part)


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


def _several(nodes: list[str], pages: Pages) -> str:
    answering = [node for node, page in pages.items() if page]
    return "all nodes" if len(nodes) == len(answering) else ", ".join(nodes)


def unheard(pages: Pages, silent: Mapping[str, str] = NO_REASONS) -> list[Trouble]:
    """Return the nodes whose brain does not answer."""
    return [
        Trouble(node, f"its brain does not answer: {why}")
        for node, page in pages.items()
        if page is None
        for why in (silent.get(node) or "is the node up, does the Pod run?",)
    ]


def node_troubles(pages: Pages, silent: Mapping[str, str] = NO_REASONS) -> list[Trouble]:
    """Return what is not as it should be with the nodes' speakers."""
    found = unheard(pages, silent)
    for node, page in pages.items():
        found += _page_troubles(node, page) if page is not None else ()
    return found


def _page_troubles(node: str, page: Json) -> Iterator[Trouble]:
    yield from (Trouble(node, each) for each in _api_troubles(page["api"]))
    if not page["processes"]["wire"]:
        yield Trouble(
            node, "its wire process is not there: it answers for nothing, its log says why"
        )
    for process, silent_s in page["silent_s"].items():
        sentence = (
            f"its {process} process has not read for {silent_s:.0f} s what the brain says: it "
            "hangs, what is shown of it is old; end it, and it is started anew"
        )
        yield Trouble(node, sentence)
    if page["identity_fault"]:
        yield Trouble(node, page["identity_fault"])
    for session in page["sessions"]:
        if session["state"] != "up":
            peer, reason = session["peer"], f": {session['reason']}" if session["reason"] else ""
            sentence = f"BGP session with {peer} is {session['state']}{reason}"
            yield Trouble(node, sentence, peer)
    for fault in page["bgp_faults"]:
        yield Trouble(node, f"BGP peer {fault['peer']}: {fault['sentence']}", fault["peer"])
    for each in page["conflicts"]:
        if not each["proxy"]:
            address = each["address"]
            sentence = f"{each['mac']} answers for {address} on {each['interface']}"
            yield Trouble(node, sentence, address)


def _api_troubles(api: Json) -> Iterator[str]:
    if api["stale"]:
        yield "goes by its last good intent, the API server has not been reached since its start"
    elif api["age_s"] > OLD_S:
        yield f"has not heard from the API server for {api['age_s']:.0f} s"
    for kind, why in api["unavailable"].items():
        yield f"cannot watch {kind}: {why}"
