"""`herald explain` and `herald why-moved`: the decisions' own trace, in words."""

import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from typing import Any

import click

from controller.explain import Explanation
from controller.explain import explain as explain_allocation
from herald.cluster import controllers_of, read_snapshot, speaker_troubles
from herald.moves import MoveTrace, moves
from herald.output import NOT_FINE, Failure, class_option, output_option, print_json
from herald.reach import Reach, all_status, find_reach, reach_options, reasons
from herald.scope import scope_of
from herald.trace import AddressTrace, Json, NodeTrace, addresses, trace
from herald.troubles import dropped, fault_words, faults, node_troubles, unheard
from kube.objects import Address, ObjectName
from kube.snapshot import Snapshot
from netns_lab.program import program

PROTOCOLS = ("layer2", "bgp")
LABEL = "[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
"What the API server allows for names of namespaces and Services."
SERVICE = re.compile(f"(?:(?P<namespace>{LABEL})/)?(?P<name>{LABEL})")


@click.command(epilog="Example: herald explain default/nginx, or: herald explain 192.168.4.10")
@click.argument("target", metavar="SERVICE|IP")
@click.option("--all", "every", is_flag=True, help="Show open gates of each node too.")
@class_option
@reach_options
@output_option
def explain(target: str, every: bool, lb_class: str | None, output: str, **where: Any) -> None:
    """Say why a Service or an address is announced where it is, or why it isn't.

    SERVICE is NAMESPACE/NAME, or a name in the namespace default. Lines with `!` are what is wrong
    with objects and nodes that concern it. Exit status 1 when it has no address, or one that nobody
    announces.
    """
    asked = _address(target) or _service(target)
    reach = find_reach(**where)
    snapshot = read_snapshot(reach)
    names = [asked] if isinstance(asked, ObjectName) else _holders(snapshot, asked)
    leads = controllers_of(reach, snapshot).at_work
    explained = [explain_allocation(snapshot, name, lb_class, leads=leads) for name in names]
    sentences = [each.sentence for each in explained]
    traces, found = _traces(reach, snapshot, names, explained)
    if output == "json":
        shown = [asdict(each) for each in traces]
        own = {"faults": found.wrong, "dropped": found.dropped, "other_faults": found.others}
        print_json({"services": sentences, "addresses": shown} | own)
    else:
        for line in (*sentences, *_lines(traces, every=every), *found.lines()):
            click.echo(line)
    fine = bool(traces) and all(each.well for each in traces) and any(t.wanted for t in traces)
    sys.exit(0 if fine else NOT_FINE)


@click.command("why-moved", epilog="Example: herald why-moved 192.168.4.10")
@click.argument("address", metavar="IP")
@reach_options
@output_option
def why_moved(address: str, output: str, **where: Any) -> None:
    """Say which node has had an address, and why it went from one to the other.

    Exit status 1 when a node did not answer, so that its part is missing, or when no node knows the
    address.
    """
    wanted = _address(address)
    if wanted is None:
        raise click.BadParameter(f"{address!r} is not an IP address", param_hint="IP")
    reach = find_reach(**where)
    pages = all_status(reach)
    found = moves(pages, str(wanted))
    wrong = speaker_troubles(len(pages), reach.namespace)
    wrong += [str(each) for each in unheard(pages, reasons(reach, pages))]
    heard = any(page is not None for page in pages.values())
    known = bool(found) or any(each.address == str(wanted) for each in addresses(pages))
    if heard and not known:
        wrong.append(
            f"no node that answers knows {wanted}: `{program()} status` shows the addresses in use"
        )
    if output == "json":
        print_json({"moves": [asdict(each) for each in found], "troubles": wrong})
    else:
        for move in found:
            click.echo(_move_line(move))
        if known and not found:
            click.echo(f"{wanted} has not moved since the speakers' brains started")
        for sentence in wrong:
            click.echo(f"! {sentence}")
    sys.exit(NOT_FINE if wrong else 0)


def _service(target: str) -> ObjectName:
    found = SERVICE.fullmatch(target)
    if found is None:
        raise click.BadParameter(
            f"{target!r} is neither NAMESPACE/NAME of a Service nor an IP address",
            param_hint="SERVICE|IP",
        )
    return ObjectName(found["namespace"] or "default", found["name"])


def _holders(snapshot: Snapshot, address: Address) -> list[ObjectName]:
    found = [s.name for s in snapshot.services.values() if address in s.ingress]
    if not found:
        raise Failure(
            f"no Service has the address {address}: see `{program()} status` for those in use"
        )
    return sorted(found)


@dataclass(frozen=True, slots=True)
class _Faults:
    """What is wrong, as sentences: what concerns the Services, and how much else there is."""

    wrong: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    others: int = 0

    def lines(self) -> Iterator[str]:
        yield from (f"! {each}" for each in self.wrong)
        yield from (f"- {each}" for each in self.dropped)
        if self.others:
            plural = "faults" if self.others > 1 else "fault"
            yield f"{self.others} other {plural}: see `{program()} status`"


def _traces(
    reach: Reach, snapshot: Snapshot, names: list[ObjectName], explained: list[Explanation]
) -> tuple[list[AddressTrace], _Faults]:
    """Return what the nodes say of the Services' addresses, and of what is wrong."""
    services = [snapshot.services[name] for name in names if name in snapshot.services]
    wanted = dict.fromkeys(str(address) for each in services for address in each.ingress)
    if not services:
        return [], _Faults()
    pages = all_status(reach)
    found = [trace(pages, address, protocol) for address in wanted for protocol in PROTOCOLS]
    scope = scope_of(snapshot, services, explained, found)
    every = [(fault_words(each), scope.has(each)) for each in faults(pages)]
    every += [
        (str(each), scope.touches(each)) for each in node_troubles(pages, reasons(reach, pages))
    ]
    wrong = (
        *speaker_troubles(len(pages), reach.namespace),
        *(sentence for sentence, ours in every if ours),
    )
    others = sum(not ours for _, ours in every)
    return found, _Faults(wrong, tuple(dropped(pages)), others)


def _lines(traces: list[AddressTrace], *, every: bool) -> Iterator[str]:
    asked_for = {each.address for each in traces if each.wanted}
    for each in traces:
        yield ""
        if not each.nodes:
            yield f"{each.address} by {each.protocol}: no node's speaker knows it yet"
            continue
        if not each.wanted:
            yield f"{each.address} by {each.protocol}: nobody asks for it"
            # Where the other protocol announces it, that is as it was meant.
            if every or each.address not in asked_for:
                yield from (f"  closed {_gate_words(gate)}" for gate in each.nodes[0].closed)
            continue
        yield f"{each.address} by {each.protocol}: announced by {each.who}"
        alike = [] if every else _closed_everywhere(each)
        for node in each.nodes:
            yield from _node_lines(node, every=every, told=alike)
        yield from (f"  closed on all nodes: {_gate_words(gate)}" for gate in alike)
        if not every:
            yield f"  open on all nodes: {', '.join(_open_everywhere(each)) or 'none'}"


def _node_lines(node: NodeTrace, *, every: bool, told: list[Json]) -> Iterator[str]:
    """Yield a node's part, without the closed gates that are told of all nodes."""
    yield f"  {node.node} {'may' if node.may else 'may not'}: {node.does}"
    yield from (f"    closed {_gate_words(gate)}" for gate in node.closed if gate not in told)
    for gate in node.gates if every else ():
        if gate["open"] is not False:
            word = "open" if gate["open"] else "-"
            yield f"    {word:6} {gate['gate']}: {gate['sentence']}"


def _gate_words(gate: Json) -> str:
    """Return which gate is closed, by what, and what would open it."""
    return ": ".join(gate[part] for part in ("gate", "object", "field", "sentence") if gate[part])


def _closed_everywhere(each: AddressTrace) -> list[Json]:
    """Return the gates that are closed on several nodes, on all for the same reason."""
    first, *rest = each.nodes
    return [gate for gate in first.closed if rest and all(gate in node.closed for node in rest)]


def _open_everywhere(each: AddressTrace) -> list[str]:
    shut = {gate["gate"] for node in each.nodes for gate in node.gates if not gate["open"]}
    return [gate["gate"] for gate in each.nodes[0].gates if gate["gate"] not in shut]


def _move_line(move: MoveTrace) -> str:
    path = f"{move.before or 'nobody'} -> {move.after or 'nobody'}"
    line = f"{move.ago_s:8.1f} s ago  {move.interface}  {path}: {move.cause}"
    if move.other:
        line += f"; {move.before or 'before'}: {move.other}"
    if move.taking_ms is not None:
        line += f"; taken {move.taking_ms:.0f} ms after {move.noticed}"
    return line


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
