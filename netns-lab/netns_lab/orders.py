"""The wire between `Lab` and a lab's supervisor: one JSON line each way on a unix socket.

An order is `{"do": NAME, ...arguments}`. Answers are any number of `{"progress": TEXT}` lines, then
`{"ok": RESULT}` or `{"error": TEXT}`.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Progress = Callable[[str], Awaitable[None]]
Carry = Callable[[str, Json, Progress], Awaitable[Any]]

LINE_LIMIT = 16 << 20


class LabError(RuntimeError):
    """The lab can't do what was asked; the text says why and what to do."""


async def serve_orders(path: Path, carry_out: Carry) -> asyncio.Server:
    """Serve orders on a unix socket; `carry_out(name, arguments, progress)` does them."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: Json) -> None:
            writer.write(json.dumps(line).encode() + b"\n")
            await writer.drain()

        async def progress(text: str) -> None:
            await say({"progress": text})

        try:
            while line := await reader.readline():
                order = json.loads(line)
                try:
                    await say({"ok": await carry_out(order.pop("do"), order, progress)})
                except (LabError, LookupError, ValueError, TypeError, OSError) as error:
                    await say({"error": f"{error}" or type(error).__name__})
        except ConnectionError:
            return  # the one who asked went away
        finally:
            writer.close()

    return await asyncio.start_unix_server(connected, path, limit=LINE_LIMIT)


def answers(path: Path) -> bool:
    """Return whether somebody listens on the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect(str(path))
        except OSError:
            return False
        return True


def give_order(path: Path, order: Json, timeout_s: float) -> Iterator[Json]:
    """Yield the answer's lines; raise LabError when there is no one to ask, or it says no."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout_s)
        try:
            sock.connect(str(path))
        except OSError as error:
            raise LabError(f"the lab's supervisor does not answer ({error})") from error
        sock.sendall(json.dumps(order).encode() + b"\n")
        with sock.makefile("rb") as lines:
            try:
                for line in lines:
                    answer = json.loads(line)
                    if "error" in answer:
                        raise LabError(answer["error"])
                    yield answer
                    if "ok" in answer:
                        return
            except TimeoutError as error:
                raise LabError(f"no answer to {order['do']} in {timeout_s:g} s") from error
    raise LabError(f"the lab's supervisor ended during {order['do']}")
