"""Small questions by HTTP inside a namespace: readiness of a daemon, its status."""

import asyncio
import socket

from netns_lab import netns


async def http_get(
    namespace: str, address: str, port: int, path: str, *, timeout_s: float = 1.0
) -> tuple[int, str] | None:
    """Return status and body, or None when nobody answers in time."""
    with netns.inside(namespace):
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
            reader, writer = await asyncio.open_connection(sock=sock)
            try:
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n".encode()
                )
                answer = (await reader.read(1 << 22)).decode(errors="replace")
                while more := await reader.read(1 << 22):
                    answer += more.decode(errors="replace")
            finally:
                writer.close()
    except (TimeoutError, OSError):
        sock.close()
        return None
    head, _, body = answer.partition("\r\n\r\n")
    words = head.split(" ", 2)
    return (int(words[1]), body) if len(words) > 1 and words[1].isdecimal() else None
