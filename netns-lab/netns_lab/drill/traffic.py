"""A client's traffic: numbered UDP datagrams in several flows, and TCP connections that stay open.

Runs as a process of its own in a client's namespace (`python -m netns_lab.drill.traffic`), so that
its clock is not disturbed by anything else of the drill. It prints `ready` once every flow has been
echoed, counts from then on, and runs until its standard input is closed; then it prints one JSON
line of what it saw.
"""

import argparse
import contextlib
import os
import select
import socket
import struct
import sys
import time
from array import array
from typing import Any

from netns_lab import netns
from netns_lab.drill.probe import say_ready, say_report

HEADER = struct.Struct("!IQ")
"Flow and number."
PAYLOAD_BYTES = 64
LINGER_S = 2.0
"How long echoes may still come after the last datagram, where one is missing."
PING_S = 0.05
CONNECT_LIMIT_S, RETRY_S = 30.0, 0.05
TCP_SILENCE_S = 2.0
"A connection whose ping is not answered for so long is broken for its user."


class UdpFlow:
    """One flow: a connected socket and two arrays of times."""

    def __init__(self, target: str, port: int, number: int) -> None:
        family = socket.AF_INET6 if ":" in target else socket.AF_INET
        self.number = number
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.connect((target, port))
        self.sent = array("d")
        self.echoed = array("d")
        self.heard = False
        self.counted_from = 0

    def send(self, now: float) -> None:
        """Send the next datagram; one the kernel refuses counts as sent and lost."""
        payload = HEADER.pack(self.number, len(self.sent)).ljust(PAYLOAD_BYTES, b"\0")
        self.sent.append(now)
        self.echoed.append(0.0)
        with contextlib.suppress(OSError):
            self.sock.send(payload)

    def receive(self) -> bool:
        """Note all echoes that are there; True if there was one."""
        heard = False
        while True:
            try:
                payload = self.sock.recv(2048)
            except BlockingIOError:
                return heard
            except OSError:  # an ICMP error for a datagram that was lost
                continue
            if len(payload) < HEADER.size:
                continue
            flow, number = HEADER.unpack_from(payload)
            if flow == self.number and number < len(self.echoed) and not self.echoed[number]:
                self.echoed[number] = time.monotonic()
                self.heard = heard = True

    @property
    def is_answered(self) -> bool:
        """Whether the last datagram came back: nothing that comes later is awaited then."""
        return bool(self.echoed) and self.echoed[-1] > 0

    def count_from_here(self) -> None:
        """Let what was sent so far not count: it found out whether there is a way."""
        self.counted_from = len(self.sent)

    def report(self) -> dict[str, list[float]]:
        """Return what counts, rounded to the microsecond."""
        return {
            "sent_s": [round(t, 6) for t in self.sent[self.counted_from :]],
            "echoed_s": [round(t, 6) for t in self.echoed[self.counted_from :]],
        }


class TcpPing:
    """One open connection: a byte every `PING_S`, answered or not."""

    def __init__(self, target: str, port: int) -> None:
        self.broken_s: float | None = None
        self.why = ""
        self.sock = _connect(target, port)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answered_s = time.monotonic()

    def ping(self, now: float) -> None:
        """Send a byte, and find the connection broken if none came back for too long."""
        if self.broken_s is not None:
            return
        if now - self.answered_s > TCP_SILENCE_S:
            self._break(self.answered_s, "silent")
            return
        try:
            self.sock.send(b".")
        except BlockingIOError:
            return
        except OSError as error:
            self._break(now, os.strerror(error.errno or 0))

    def receive(self) -> None:
        """Note what came."""
        try:
            text = self.sock.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._break(time.monotonic(), os.strerror(error.errno or 0))
            return
        if text:
            self.answered_s = time.monotonic()
        else:
            self._break(time.monotonic(), "closed")

    def _break(self, at_s: float, why: str) -> None:
        if self.broken_s is None:
            self.broken_s, self.why = at_s, why


def _connect(target: str, port: int) -> socket.socket:
    """Return a connection; a service proxy refuses until it has programmed the endpoints."""
    limit = time.monotonic() + CONNECT_LIMIT_S
    while True:
        try:
            return socket.create_connection((target, port), timeout=1)
        except OSError:
            if time.monotonic() > limit:
                raise
            time.sleep(RETRY_S)


class Traffic:
    """All flows and connections of one client."""

    def __init__(self, flows: list[UdpFlow], pings: list[TcpPing], rate: int) -> None:
        self.flows = flows
        self.pings = pings
        self.step_s = 1.0 / rate
        self.poll = select.poll()
        self.by_fd: dict[int, UdpFlow | TcpPing] = {}
        watched: list[UdpFlow | TcpPing] = [*flows, *pings]
        for each in watched:
            self.by_fd[each.sock.fileno()] = each
            self.poll.register(each.sock, select.POLLIN)
        self.poll.register(sys.stdin, select.POLLIN | select.POLLHUP)

    def run(self) -> None:
        """Send and listen until standard input ends, then listen a little longer."""
        said_ready = False
        due = ping_due = time.monotonic()
        turn = 0
        while True:
            now = time.monotonic()
            while due <= now:
                self.flows[turn % len(self.flows)].send(now)
                turn += 1
                due += self.step_s
            if ping_due <= now:
                ping_due = now + PING_S
                for ping in self.pings:
                    ping.ping(now)
            heard, ended = self._wait(max(0.0, due - time.monotonic()))
            if heard and not said_ready and all(flow.heard for flow in self.flows):
                for flow in self.flows:
                    flow.count_from_here()
                say_ready()
                said_ready = True
            if ended:
                self._linger()
                return

    def _wait(self, timeout_s: float) -> tuple[bool, bool]:
        heard = ended = False
        for fd, _ in self.poll.poll(timeout_s * 1000):
            each = self.by_fd.get(fd)
            if each is None:
                ended = True
            elif isinstance(each, UdpFlow):
                heard |= each.receive()
            else:
                each.receive()
        return heard, ended

    def _linger(self) -> None:
        self.poll.unregister(sys.stdin)
        until = time.monotonic() + LINGER_S
        left = LINGER_S
        # What came while this process got no processor is read too: it ends with a look.
        while left >= 0 and not all(flow.is_answered for flow in self.flows):
            left = until - time.monotonic()
            self._wait(max(0.0, left))

    def report(self) -> dict[str, Any]:
        """Return what was seen as JSON."""
        return {
            "flows": [flow.report() for flow in self.flows],
            "connections": [{"broken_s": p.broken_s, "why": p.why} for p in self.pings],
        }


def main() -> None:
    """Run the client's traffic."""
    parser = argparse.ArgumentParser(prog="python -m netns_lab.drill.traffic")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--udp-port", type=int, required=True)
    parser.add_argument("--tcp-port", type=int, default=0)
    parser.add_argument("--flows", type=int, default=16)
    parser.add_argument("--connections", type=int, default=0)
    parser.add_argument("--rate", type=int, default=1000, help="datagrams a second, all flows")
    chosen = parser.parse_args()
    netns.enter(chosen.namespace)
    flows = [UdpFlow(chosen.target, chosen.udp_port, i) for i in range(chosen.flows)]
    pings = [TcpPing(chosen.target, chosen.tcp_port) for _ in range(chosen.connections)]
    traffic = Traffic(flows, pings, chosen.rate)
    traffic.run()
    say_report(traffic.report())


if __name__ == "__main__":
    main()
