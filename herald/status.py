"""`herald status`: nodes, addresses and what is not as it should be, at one glance."""

import sys
from dataclasses import dataclass, field
from typing import Any

import click

from herald.cluster import (
    Controllers,
    controller_troubles,
    controllers_of,
    read_snapshot,
    service_troubles,
    speaker_troubles,
)
from herald.output import (
    NOT_FINE,
    Failure,
    class_option,
    output_option,
    print_json,
    print_table,
)
from herald.reach import Reach, all_status, find_reach, reach_options, reasons
from herald.trace import Pages, addresses, owns
from herald.troubles import advice, dropped, troubles

MOST = 20
"""Sentences of one sort that a terminal gets; `-o json` has all."""


@click.command(epilog="Example: herald status -o json")
@class_option
@reach_options
@output_option
def status(lb_class: str | None, output: str, **where: Any) -> None:
    """Show every node's speaker, who announces which address, and what is wrong.

    Lines with `!` are what is wrong, also with Services that have no address; lines with `-` are
    worth knowing. Exit status 1 when something is wrong.
    """
    reach = find_reach(**where)
    pages = all_status(reach)
    known = _known(reach, lb_class)
    wrong = [
        *speaker_troubles(len(pages), reach.namespace),
        *known.wrong,
        *troubles(pages, reasons(reach, pages)),
    ]
    notes = [*known.notes, *advice(pages), *dropped(pages)]
    if output == "json":
        leader = {"pods": known.controllers.ready, "leader": known.controllers.leader}
        print_json({"nodes": pages, "controllers": leader, "troubles": wrong, "notes": notes})
    else:
        _print_nodes(pages)
        _print_addresses(pages)
        _print_sentences("!", wrong)
        _print_sentences("-", notes)
    sys.exit(NOT_FINE if wrong else 0)


@dataclass(slots=True)
class _Known:
    """What the API server says."""

    controllers: Controllers
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _known(reach: Reach, lb_class: str | None) -> _Known:
    """Ask the API server; that it can't be asked is one of the troubles, for the nodes can be."""
    try:
        snapshot = read_snapshot(reach)
        controllers = controllers_of(reach, snapshot)
    except Failure as error:
        nothing = f"nothing is known of the Services and the controller: {error.message}"
        return _Known(Controllers((), ""), wrong=[nothing])
    lacking, lesser = service_troubles(snapshot, lb_class, leads=controllers.at_work)
    return _Known(
        controllers, [*controller_troubles(controllers, reach.namespace), *lacking], lesser
    )


def _print_sentences(mark: str, sentences: list[str]) -> None:
    for sentence in sentences[:MOST]:
        click.echo(f"{mark} {sentence}")
    if len(sentences) > MOST:
        click.echo(f"{mark} and {len(sentences) - MOST} more: -o json has them all")


def _print_nodes(pages: Pages) -> None:
    columns = ("node", "API", "wire", "bgp", "neighbours", "addresses", "prefixes", "sessions")
    rows: list[tuple[object, ...]] = []
    for node, page in pages.items():
        if page is None:
            rows.append((node, "no answer", *[""] * 6))
            continue
        mine = [each for each in page["addresses"] if each["protocol"] == "layer2"]
        owned = [e for e in mine if owns(page, e)]
        sessions = page["sessions"]
        out = {prefix for each in sessions for prefix in each["announced"]}
        up = sum(each["state"] == "up" for each in sessions)
        heard = {each["node"] for each in page["neighbours"] if each["alive"]}
        rows.append(
            (
                node,
                "stale" if page["api"]["stale"] else f"{page['api']['age_s']:.0f} s old",
                *("yes" if page["processes"][name] else "no" for name in ("wire", "bgp")),
                len(heard),
                len(owned),
                len(out),
                f"{up}/{len(sessions)}",
            )
        )
    print_table("nodes", columns, rows)


def _print_addresses(pages: Pages) -> None:
    columns = ("address", "by", "from", "withheld on", "pool", "Services")
    rows = [
        (
            each.address,
            each.protocol,
            each.who,
            ", ".join(f"{n.node} ({n.closed[0]['gate']})" for n in each.nodes if not n.may),
            each.pool,
            ", ".join(each.services),
        )
        for each in addresses(pages)
        if each.wanted
    ]
    print_table("addresses", columns, rows)
