"""Small servers on given sockets: HTTP that answers from a function, and TCP and UDP echo.

Sockets are made in the namespace they shall live in, by `bound`.
"""

import asyncio
import socket
from collections.abc import Callable

from netns_lab import netns

REQUEST_LIMIT_S = 5.0
UDP_BUFFER_BYTES = 4 << 20
"What comes while the process gets no processor for some seconds, at a few datagrams each ms."
SO_RCVBUFFORCE = 33
"Goes beyond net.core.rmem_max, whose usual 208 kB hold a drill's traffic for a quarter second."
IPV6_FREEBIND = 78
"From linux/in6.h; Python has no name for it."
BATCH = 64
"Datagrams echoed before other work of the loop gets its turn."

Answer = tuple[int, str]
REASONS = {200: "OK", 404: "Not Found", 503: "Service Unavailable"}


def bound(namespace: str, address: str, port: int, *, protocol: str = "TCP") -> socket.socket:
    """Return a non-blocking socket bound (and listening, for TCP) inside the namespace."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM
    with netns.inside(namespace):
        sock = socket.socket(family, kind)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            # Pods' IPv6 addresses are local by a route, on no NIC.
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            # `::` serves both families.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, UDP_BUFFER_BYTES)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


async def serve_http(sock: socket.socket, answer: Callable[[str], Answer]) -> asyncio.Server:
    """Serve GET requests: `answer` gives status and body for a path."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_LIMIT_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(*answer(_path(request))))
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            pass  # a client that went away or never asked
        except asyncio.LimitOverrunError:
            pass  # no request has 64 kB of header
        finally:
            writer.close()

    return await asyncio.start_server(connected, sock=sock)


async def serve_tcp_echo(sock: socket.socket) -> asyncio.Server:
    """Give back what comes, connection by connection."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while text := await reader.read(65536):
                writer.write(text)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    return await asyncio.start_server(connected, sock=sock)


class UdpEcho:
    """Gives back each datagram to its sender."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        asyncio.get_running_loop().add_reader(sock, self._readable)

    def close(self) -> None:
        """Stop at once."""
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()

    def _readable(self) -> None:
        for _ in range(BATCH):
            try:
                text, sender = self._sock.recvfrom(65536)
                self._sock.sendto(text, sender)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of an earlier answer; the next datagram is good
                continue


def _path(request: bytes) -> str:
    words = request.split(b" ", 2)
    return words[1].decode(errors="replace") if len(words) > 1 else "/"


def _response(status: int, body: str) -> bytes:
    text = body.encode()
    kind = "application/json" if body.startswith("{") else "text/plain"
    return (
        f"HTTP/1.1 {status} {REASONS.get(status, '')}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    ).encode() + text
