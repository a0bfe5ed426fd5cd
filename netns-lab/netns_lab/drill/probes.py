"""Starts the probes of a run in their namespaces, and reads what they saw."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from netns_lab.drill.objects import ECHO_PORT
from netns_lab.drill.probe import READY
from netns_lab.drill.series import (
    ArpAnswer,
    ArpSeries,
    ClientSeries,
    Connection,
    Flow,
    Gratuitous,
    RouteChange,
)
from netns_lab.drill.settle import NotSettledError
from netns_lab.lab import Lab

READY_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0
FLOWS, DATAGRAMS_A_SECOND, CONNECTIONS = 16, 1000, 4
CLIENTS = {"lan": "client", "routed": "remote"}
"""Name in the report, and host of the lab."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the probes of a run saw."""

    clients: dict[str, ClientSeries]
    arp: ArpSeries | None
    routes: tuple[RouteChange, ...] | None
    waits_s: Mapping[str, float]
    "By process of the lab: the longest that it was given no processor."


class Probe:
    """One probe's process."""

    def __init__(self, name: str, module: str, *arguments: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"netns_lab.drill.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the drill, which ends its probes itself
        )

    def wait_ready(self) -> None:
        """Return when it says that it sees what it is to watch."""
        timer = threading.Timer(READY_LIMIT_S, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline() if self._process.stdout else ""
        finally:
            timer.cancel()
        if line.strip() != READY:
            raise NotSettledError(f"{self.name}: nothing came back within {READY_LIMIT_S:g} s")

    def stop(self) -> dict[str, Any]:
        """End it and return its report."""
        try:
            output, _ = self._process.communicate(timeout=STOP_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise NotSettledError(f"{self.name}: no report within {STOP_LIMIT_S:g} s") from error
        lines = output.strip().splitlines()
        if not lines:
            raise NotSettledError(f"{self.name}: ended without a report")
        report: dict[str, Any] = json.loads(lines[-1])
        return report

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()


@dataclass(slots=True)
class Probes:
    """The probes of one run; a context that leaves none behind."""

    lab: Lab
    address: str
    arp: bool
    _running: dict[str, Probe] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Probes":
        for name, host in CLIENTS.items():
            self._start(
                name,
                "traffic",
                *("--namespace", self.lab.plan.host(host).namespace, "--target", self.address),
                *("--udp-port", str(ECHO_PORT), "--tcp-port", str(ECHO_PORT)),
                *("--flows", str(FLOWS), "--rate", str(DATAGRAMS_A_SECOND)),
                *("--connections", str(CONNECTIONS)),
            )
        if self.arp:
            watcher = self.lab.plan.host("watcher")
            source = next(str(a.ip) for a in watcher.nics[0].addresses if a.version == 4)
            self._start(
                "arp",
                "arp_watch",
                *("--namespace", watcher.namespace),
                *("--source", source, "--target", self.address),
            )
        else:
            router = self.lab.plan.host("router").namespace
            self._start("routes", "route_watch", "--namespace", router, "--target", self.address)
        for probe in self._running.values():
            probe.wait_ready()
        # Last: it looks at the processes there are, and what it cost to start them does not count.
        namespaces = [host.namespace for host in self.lab.plan.hosts]
        self._start("starvation", "starvation", "--namespaces", *namespaces)
        self._running["starvation"].wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, name: str, module: str, *arguments: str) -> None:
        probe = Probe(name, module, *arguments)
        self._stack.callback(probe.kill)
        self._running[name] = probe

    def stop(self) -> Seen:
        """End all probes and return what they saw."""
        reports = {name: probe.stop() for name, probe in self._running.items()}
        return Seen(
            clients={name: _client(reports[name]) for name in CLIENTS},
            arp=_arp(reports["arp"]) if "arp" in reports else None,
            routes=_routes(reports["routes"]) if "routes" in reports else None,
            waits_s=reports["starvation"]["waits_s"],
        )


def _client(report: dict[str, Any]) -> ClientSeries:
    return ClientSeries(
        flows=tuple(Flow(tuple(f["sent_s"]), tuple(f["echoed_s"])) for f in report["flows"]),
        connections=tuple(Connection(c["broken_s"], c["why"]) for c in report["connections"]),
    )


def _arp(report: dict[str, Any]) -> ArpSeries:
    return ArpSeries(
        asked_s=tuple(report["asked_s"]),
        answers=tuple(ArpAnswer(*answer) for answer in report["answers"]),
        gratuitous=tuple(Gratuitous(*frame) for frame in report["gratuitous"]),
    )


def _routes(report: dict[str, Any]) -> tuple[RouteChange, ...]:
    return tuple(RouteChange(at, tuple(hops)) for at, hops in report["changes"])
