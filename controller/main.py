"""Entry point of `herald-controller`: builds everything and runs it until SIGTERM."""

import argparse
import asyncio
import os
import secrets
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from prometheus_client import CollectorRegistry

from controller.admission.process import admitting
from controller.admission.webhook import Webhook
from controller.metrics import AllocatorCollector, Reading
from controller.reconciler import Reconciler
from controller.verdict import STATE_NAME
from kube.client import Client
from kube.driver import LOAD_BALANCERS, Selection, Watcher
from kube.election.driver import Elector
from kube.lease import Terms
from kube.objects import ObjectName
from kube.pod import Pages, run, serving
from kube.snapshot import Kind, Snapshot
from kube.store import Changes

LEASE = "herald-controller"
ANNOUNCING = (
    Kind.L2_ADVERTISEMENT,
    Kind.BGP_ADVERTISEMENT,
    Kind.BGP_PEER,
    Kind.BFD_PROFILE,
    Kind.COMMUNITY,
)
"""What the speakers alone act on."""
WEBHOOK_PORT = 9443
LONGEST_LEASE_S = 3600
"""Nobody wants to be without addresses for longer when a leader dies; a typo would."""
RELEASE_WITHIN_S = 3.0
"""How long the end waits for writes under way and for the Lease to be given up."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the controller; the process ends with its exit status."""
    flags = _parser().parse_args(arguments)
    sys.exit(run(lambda stop: _control(flags, stop), log_level=flags.log_level))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="herald-controller",
        description="Gives addresses from IPAddressPools to Services of type LoadBalancer. "
        "Every flag can also be set as HERALD_<FLAG>, such as HERALD_LB_CLASS.",
        epilog="example: herald-controller --kubeconfig ~/.kube/config --log-level debug",
    )
    _flag(parser, "kubeconfig", "", "kubeconfig file; without it the Pod's service account")
    _flag(parser, "namespace", "metallb-system", "where Herald and its objects are")
    _flag(parser, "lb-class", "", "serve Services of this loadBalancerClass instead of none")
    text = "wait while MetalLB's controller runs, or ignore it"
    _flag(parser, "beside-metallb", "wait", text, _one_of("wait", "ignore"))
    levels = ("debug", "info", "warning", "error")
    _flag(parser, "log-level", "info", ", ".join(levels), _one_of(*levels))
    _flag(parser, "metrics-port", "9130", "port of /metrics; 0 serves none", _port)
    _flag(parser, "health-port", "17473", "port of /healthz and /readyz", _port)
    _flag(parser, "health-host", "127.0.0.1", "their address: that of the Pod, where probed")
    text = "port of the admission webhook; 0 serves none"
    _flag(parser, "webhook-port", str(WEBHOOK_PORT), text, _port)
    _flag(parser, "webhook-host", "", "its address, that of the Pod; without one all addresses")
    _flag(parser, "pod-name", socket.gethostname(), "name of this replica in the Lease")
    _flag(parser, "lease-s", "15", "seconds after which a silent leader is replaced", _lease)
    return parser


def _flag(
    parser: argparse.ArgumentParser,
    name: str,
    default: str,
    text: str,
    read: Callable[[str], object] = str,
) -> None:
    # argparse runs `type` over a default that is text; `choices` it would not check.
    parser.add_argument(
        f"--{name}",
        default=os.environ.get(f"HERALD_{name.replace('-', '_').upper()}", default),
        type=read,
        help=f"{text} (default: {default or 'none'})",
    )


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(choices)}")
        return text.lower()

    return read


def _whole(text: str, least: int, most: int, what: str) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no {what}: {least} to {most}")
    return int(text)


def _port(text: str) -> int:
    return _whole(text, 0, 65535, "port")


def _lease(text: str) -> int:
    return _whole(text, 1, LONGEST_LEASE_S, "whole number of seconds")


def selections(namespace: str) -> tuple[Selection, ...]:
    """Return what the controller watches."""
    return (
        Selection(Kind.SERVICE, field_selector=LOAD_BALANCERS, reread_deleted=True),
        Selection(Kind.IP_ADDRESS_POOL, namespace),
        # The counters, watched apart: a pool's own watch must not plan anew for each of them.
        Selection(Kind.POOL_STATUS, namespace),
        Selection(Kind.NAMESPACE),
        Selection(Kind.NODE),
        # MetalLB's controller may run here too; its Pods have two kinds of labels.
        Selection(Kind.POD, namespace),
        # Our own report: made anew when somebody deletes it.
        Selection(
            Kind.CONFIGURATION_STATE, namespace, field_selector=f"metadata.name={STATE_NAME}"
        ),
        # Not needed to give addresses: admission judges what is new beside what is there.
        *(Selection(kind, namespace) for kind in ANNOUNCING),
    )


async def _control(flags: argparse.Namespace, stop: asyncio.Event) -> None:
    terms = Terms(flags.lease_s, flags.lease_s * 2 / 3, flags.lease_s * 2 / 15)
    # New for each process: a restarted Pod must not take its own old Lease for still held.
    identity = f"{flags.pod_name}_{secrets.token_hex(4)}"
    async with Client.connect(flags.kubeconfig or None) as client:
        elector = Elector(
            client,
            ObjectName(flags.namespace, LEASE),
            identity,
            lambda role: reconciler.on_role(role),  # noqa: PLW0108 - made below
            terms=terms,
        )
        reconciler = Reconciler(
            client,
            elector,
            namespace=flags.namespace,
            lb_class=flags.lb_class or None,
            heeds_metallb=flags.beside_metallb != "ignore",
        )
        registry = CollectorRegistry()
        webhook = Webhook(flags.namespace, registry, lambda: watcher.deleted())  # noqa: PLW0108

        def on_change(snapshot: Snapshot, changes: Changes) -> None:
            webhook.on_change(snapshot)
            reconciler.on_change(snapshot, changes)

        watcher = Watcher(client, selections(flags.namespace), on_change, echo=reconciler.echo)
        registry.register(AllocatorCollector(lambda: reading(reconciler, watcher)))
        pages = serving(
            Pages(ready=reconciler.readiness),
            registry,
            health_port=flags.health_port,
            health_host=flags.health_host,
            metrics_port=flags.metrics_port,
        )
        admission = admitting(
            client,
            webhook,
            registry,
            namespace=flags.namespace,
            host=flags.webhook_host,
            port=flags.webhook_port,
        )
        async with pages, admission:
            await _run_until(stop, elector, reconciler, watcher)


async def _run_until(
    stop: asyncio.Event, elector: Elector, reconciler: Reconciler, watcher: Watcher
) -> None:
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(watcher.run()),
            tasks.create_task(reconciler.run()),
        ]
        electing = tasks.create_task(elector.run())
        await stop.wait()
        electing.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_WITHIN_S):
                await reconciler.drained()
                await elector.release()
        for task in running:
            task.cancel()


def reading(reconciler: Reconciler, watcher: Watcher) -> Reading:
    """Return what the metrics show now; a replica that only waits has its configuration too."""
    return Reading(
        planner=reconciler.planner,
        config_loaded=not reconciler.readiness(),
        faults=reconciler.faults,
        updates=dict(reconciler.writes),
        write_errors=reconciler.write_errors,
        unwritten=reconciler.unwritten,
        watch_breaks=dict(watcher.breaks),
    )
