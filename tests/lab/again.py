"""A second look at what failed in the lab: is it broken, or unsteady?

Lab tests and drills run real kernels, routers and API servers by the clock of a machine that others
may use. What fails is run once more by itself, so that the report tells the two apart. What fails
again is broken, and so is a tree where more than `MOST` fail. What passes then is unsteady: a bug
to be found as well, but none of the change at hand. It is named last, with its failure above.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

MOST = 3
"""As many as chance may hit in one run of some hundred; more is no chance."""


def failed_tests(cache: Path) -> list[str]:
    """Return the ids of the tests that failed in pytest's last run with this cache."""
    file = cache / "v" / "cache" / "lastfailed"
    return sorted(json.loads(file.read_text())) if file.exists() else []


def failed_drills(report: Path) -> list[str]:
    """Return the names of the drills that did not pass, by the report of `herald drill run`."""
    found: list[dict[str, Any]] = (
        json.loads(report.read_text())["drills"] if report.exists() else []
    )
    return [drill["name"] for drill in found if not drill["passed"]]


def again(failures: Sequence[str], command: Sequence[str]) -> int:
    """Run what failed once more, by the command with its names; return the exit status."""
    if not failures:
        print("No test or drill failed, but what runs them: there is nothing to run again.")
        return 1
    if len(failures) > MOST:
        print(f"{len(failures)} failed, more than {MOST}: no second look.")
        return 1
    print(f"Once more, by itself: {', '.join(failures)}", flush=True)
    if subprocess.run([*command, *failures], check=False).returncode:
        return 1
    for name in failures:
        print(f"UNSTEADY: {name} failed once and then passed. Please find out why, or report it.")
    return 0


def main(arguments: Sequence[str]) -> int:
    """Look at pytest's cache or a drill report; the rest of the line is the command to run."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.again")
    parser.add_argument("of", choices=("tests", "drills"))
    parser.add_argument("record", type=Path, help="pytest's cache, or the report of the drills")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    chosen = parser.parse_args(arguments)
    failed = failed_tests if chosen.of == "tests" else failed_drills
    return again(failed(chosen.record), chosen.command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
