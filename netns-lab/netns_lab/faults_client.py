"""Orders to the fault proxy: one JSON line each way on its unix socket."""

import asyncio
import json
from pathlib import Path
from typing import Any

from netns_lab.orders import LabError

LIMIT_S = 30.0


async def order_fault(path: Path, fault: dict[str, Any]) -> dict[str, Any]:
    """Give one order and return the answer; raise LabError when the proxy refuses or is away."""
    try:
        async with asyncio.timeout(LIMIT_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(json.dumps(fault).encode() + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise LabError(f"the fault proxy does not answer: {error}") from error
    answer = json.loads(line)
    if not isinstance(answer, dict) or "error" in answer:
        raise LabError(f"the fault proxy refused {fault}: {answer}")
    return answer
