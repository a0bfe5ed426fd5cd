"""`herald status`: nodes, addresses and what is not as it should be, at one glance."""

import sys
from typing import Any

import click

from herald.output import NOT_FINE, output_option, print_json, print_table
from herald.reach import all_status, find_reach, reach_options
from herald.trace import Pages, addresses, dropped, owns, troubles


@click.command(epilog="Example: herald status -o json")
@reach_options
@output_option
def status(output: str, **where: Any) -> None:
    """Show every node's speaker, who announces which address, and what is wrong.

    Exit status 1 when something is.
    """
    pages = all_status(find_reach(**where))
    wrong = troubles(pages)
    if output == "json":
        print_json({"nodes": pages, "troubles": wrong})
    else:
        _print_nodes(pages)
        _print_addresses(pages)
        for sentence in wrong:
            click.echo(f"! {sentence}")
        for sentence in dropped(pages):
            click.echo(f"- {sentence}")
    sys.exit(NOT_FINE if wrong else 0)


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
            ", ".join(each.active) or "nobody",
            ", ".join(f"{n.node} ({n.closed[0]['gate']})" for n in each.nodes if not n.may),
            each.pool,
            ", ".join(each.services),
        )
        for each in addresses(pages)
        if each.wanted
    ]
    print_table("addresses", columns, rows)
