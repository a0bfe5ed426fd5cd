"""Entry point of `herald-speaker wire|brain|bgp`: picks the process and loads only that one.

The wire and bgp processes must stay small, so nothing is imported here but the standard library.
"""

import argparse
import sys

PROCESSES = ("wire", "brain", "bgp")


def main() -> None:
    """Run the process named by the first argument; its own flags follow."""
    parser = argparse.ArgumentParser(
        prog="herald-speaker",
        description="One process of a node's speaker. Flags: `herald-speaker wire --help`.",
        epilog="example: herald-speaker wire --node-name node1 --socket-dir /run/herald",
    )
    parser.add_argument("process", choices=PROCESSES)
    chosen = parser.parse_args(sys.argv[1:2]).process
    arguments = sys.argv[2:]
    if chosen == "wire":
        from speaker.wire.main import main as process
    elif chosen == "brain":
        from speaker.brain.main import main as process
    else:
        from speaker.bgp.main import main as process
    process(arguments)
