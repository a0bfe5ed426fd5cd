"""`herald explain` and `herald why-moved`: the decisions' own trace, in words."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from ipaddress import ip_address
from typing import Any

import click

from controller.explain import explain as explain_allocation
from herald.output import NOT_FINE, Failure, output_option, print_json
from herald.reach import Reach, all_status, find_reach, reach_options
from herald.trace import (
    AddressTrace,
    MoveTrace,
    NodeTrace,
    dropped,
    faults,
    moves,
    node_troubles,
    trace,
)
from kube.api import collection_path
from kube.objects import Address, ObjectName
from kube.snapshot import Kind, Snapshot
from kube.store import Store

PROTOCOLS = ("layer2", "bgp")
KINDS = (Kind.SERVICE, Kind.NAMESPACE, Kind.POD, Kind.IP_ADDRESS_POOL)
"""What the controller's explanation reads."""


@click.command(epilog="Example: herald explain default/nginx, or: herald explain 192.168.4.10")
@click.argument("target", metavar="SERVICE|IP")
@click.option("--all", "every", is_flag=True, help="Show open gates of each node too.")
@click.option("--lb-class", default=None, help="The load balancer class that Herald serves.")
@reach_options
@output_option
def explain(target: str, every: bool, lb_class: str | None, output: str, **where: Any) -> None:
    """Say why a Service or an address is announced where it is, or why it isn't.

    SERVICE is NAMESPACE/NAME, or a name in the namespace default. Exit status 1 when it has no
    address, or one that nobody announces.
    """
    reach = find_reach(**where)
    snapshot = read_snapshot(reach, where["herald_namespace"])
    names = _services(snapshot, target)
    sentences = [explain_allocation(snapshot, name, lb_class).sentence for name in names]
    traces, wrong = _traces(reach, snapshot, names)
    if output == "json":
        found = [asdict(each) for each in traces]
        print_json({"services": sentences, "addresses": found, "faults": wrong})
    else:
        for line in (*sentences, *_lines(traces, every=every)):
            click.echo(line)
        for sentence in wrong:
            click.echo(f"! {sentence}")
    fine = bool(traces) and all(each.well for each in traces) and any(t.wanted for t in traces)
    sys.exit(0 if fine else NOT_FINE)


@click.command("why-moved", epilog="Example: herald why-moved 192.168.4.10")
@click.argument("address", metavar="IP")
@reach_options
@output_option
def why_moved(address: str, output: str, **where: Any) -> None:
    """Say which node has had an address, and why it went from one to the other."""
    wanted = _address(address)
    if wanted is None:
        raise click.BadParameter(f"{address!r} is not an IP address", param_hint="IP")
    found = moves(all_status(find_reach(**where)), str(wanted))
    if output == "json":
        print_json([asdict(each) for each in found])
    elif not found:
        click.echo(f"{wanted} has not moved since the speakers' brains started")
    else:
        for each in found:
            click.echo(_move_line(each))


def read_snapshot(reach: Reach, namespace: str) -> Snapshot:
    """Read what the controller's explanation needs from the API server."""
    store = Store()
    for kind in KINDS:
        own = kind in (Kind.POD, Kind.IP_ADDRESS_POOL)
        answer = reach.get(collection_path(kind, namespace if own else ""))
        if answer is not None:
            listing = store.listing(kind)
            listing.add(answer.get("items") or ())
            listing.finish()
    return store.snapshot()


def _services(snapshot: Snapshot, target: str) -> list[ObjectName]:
    address = _address(target)
    if address is None:
        namespace, slash, name = target.rpartition("/")
        return [ObjectName(namespace if slash else "default", name)]
    found = [s.name for s in snapshot.services.values() if address in s.ingress]
    if not found:
        raise Failure(f"no Service has the address {address}: see `herald status` for those in use")
    return sorted(found)


def _traces(
    reach: Reach, snapshot: Snapshot, names: list[ObjectName]
) -> tuple[list[AddressTrace], list[str]]:
    """Return what the nodes say of the Services' addresses, and of what is wrong."""
    services = [snapshot.services[name] for name in names if name in snapshot.services]
    wanted = dict.fromkeys(str(address) for each in services for address in each.ingress)
    if not services:
        return [], []
    pages = all_status(reach)
    wrong = [f"{f['object']}: {f['field']}: {f['sentence']}" for _, f in faults(pages)]
    wrong += node_troubles(pages) + dropped(pages)
    found = [trace(pages, address, protocol) for address in wanted for protocol in PROTOCOLS]
    return found, wrong


def _lines(traces: list[AddressTrace], *, every: bool) -> Iterator[str]:
    for each in traces:
        yield ""
        if not each.nodes:
            yield f"{each.address} by {each.protocol}: no node's speaker knows it yet"
            continue
        if not each.wanted:
            yield f"{each.address} by {each.protocol}: nobody asks for it"
            yield from (f"  {line}" for line in _closed_lines(each.nodes[0]))
            continue
        who = ", ".join(each.active) or "nobody"
        yield f"{each.address} by {each.protocol}: announced by {who}"
        for node in each.nodes:
            yield from _node_lines(node, every=every)
        if not every:
            yield f"  open on all nodes: {', '.join(_open_everywhere(each)) or 'none'}"


def _node_lines(node: NodeTrace, *, every: bool) -> Iterator[str]:
    yield f"  {node.node} {'may' if node.may else 'may not'}: {node.does}"
    for line in _closed_lines(node):
        yield f"    {line}"
    for gate in node.gates if every else ():
        if gate["open"] is not False:
            word = "open" if gate["open"] else "-"
            yield f"    {word:6} {gate['gate']}: {gate['sentence']}"


def _closed_lines(node: NodeTrace) -> Iterator[str]:
    for gate in node.closed:
        place = ": ".join(part for part in (gate["object"], gate["field"]) if part)
        yield f"closed {gate['gate']}: {place + ': ' if place else ''}{gate['sentence']}"


def _open_everywhere(each: AddressTrace) -> list[str]:
    shut = {gate["gate"] for node in each.nodes for gate in node.gates if not gate["open"]}
    return [gate["gate"] for gate in each.nodes[0].gates if gate["gate"] not in shut]


def _move_line(move: MoveTrace) -> str:
    path = f"{move.before or 'nobody'} -> {move.after or 'nobody'}"
    line = f"{move.ago_s:8.1f} s ago  {move.interface}  {path}: {move.cause}"
    if move.other:
        line += f"; {move.before or 'before'}: {move.other}"
    return line


def _address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
