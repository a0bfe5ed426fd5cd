"""What a probe's process tells the drill on standard output: `ready`, and at the end its report."""

import json
import sys
from typing import Any

READY = "ready"


def say_ready() -> None:
    """Tell that the probe sees what it is to watch."""
    _say(READY)


def say_report(report: dict[str, Any]) -> None:
    """Give the report, as one line of JSON."""
    _say(json.dumps(report))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
