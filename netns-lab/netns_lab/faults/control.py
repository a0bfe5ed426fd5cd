"""Orders on a unix socket: one JSON line each, answered by one JSON line.

`{"mode": "gone", "match": "/services"}` sets the fault (`modes.py` has the fields), `{"get":
"counts"}` asks for the requests so far, `{"reset": "counts"}` starts counting anew, `{"get":
"fault"}` says what is in force, and `{"certificate": FILE, "key": FILE}` changes who it claims to
be.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

from netns_lab.faults.modes import OrderError, parse_fault
from netns_lab.faults.proxy import FaultProxy


async def follow_order(proxy: FaultProxy, order: dict[str, Any]) -> dict[str, Any]:
    """Do what the order says and return the answer."""
    if order.get("get") == "counts":
        return proxy.counts.as_json()
    if order.get("reset") == "counts":
        proxy.counts.clear()
        return {"ok": True}
    if "certificate" in order:
        proxy.use_certificate(Path(order["certificate"]), Path(order["key"]))
        return {"ok": True}
    if order.get("get") != "fault":
        await proxy.set_fault(parse_fault(order))
    fault = proxy.fault
    return {"ok": True, "mode": fault.mode.value, "match": fault.match, "client": fault.client}


async def serve_control(proxy: FaultProxy, path: Path) -> asyncio.Server:
    """Listen for orders."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await _answer(proxy, line)).encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            pass  # the one who gave the order didn't wait for the answer
        finally:
            writer.close()

    return await asyncio.start_unix_server(converse, path)


async def _answer(proxy: FaultProxy, line: bytes) -> dict[str, Any]:
    try:
        order = json.loads(line)
        if not isinstance(order, dict):
            raise OrderError("an order is a JSON object")
        return await follow_order(proxy, order)
    except (ValueError, KeyError, OSError) as error:
        return {"error": str(error)}
