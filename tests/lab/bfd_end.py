"""A BFD end of ours in a process of its own: prints each report as JSON, with the time.

`python -m tests.lab.bfd_end PEER [key=value …]`, the keys being fields of BfdIntent. A line of the
same form on stdin changes the intent; `leave` says AdminDown to all.
"""

import asyncio
import json
import sys
import time
from ipaddress import ip_address
from typing import Any

from speaker.seam.messages import BfdIntent, BfdReport
from speaker.wire.bfd.driver import BfdDriver


def intent(words: list[str]) -> BfdIntent:
    """Read the words."""
    fields: dict[str, Any] = {}
    for word in words[1:]:
        key, _, value = word.partition("=")
        fields[key] = ip_address(value) if key == "local" else int(value)
    return BfdIntent(ip_address(words[0]), **fields)


def say(report: BfdReport) -> None:
    """Print the report."""
    words = {"at": time.monotonic(), "state": report.state.value, "why": report.diagnostic}
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


async def run() -> None:
    """Run until stdin ends."""
    driver = BfdDriver(say)
    driver.want(intent(sys.argv[1:]))
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        driver.leave() if line == "leave" else driver.want(intent(line.split()))
    driver.close()


if __name__ == "__main__":
    asyncio.run(run())
