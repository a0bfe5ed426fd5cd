"""What deciding costs: so many Services with one address each, in both modes, on one node.

    python bench/decide.py [SERVICES]

Prints microseconds and megabytes; there are no thresholds here.
"""

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kube.objects import ObjectName
from kube.snapshot import Kind
from kube.store import Store
from kube.validation import usable
from speaker.brain.told import Told
from speaker.policy.deciding import Deciding
from speaker.policy.gates import Protocol
from speaker.policy.health import NODE_PORT, Verdict
from speaker.policy.intents import address_intent
from speaker.policy.view import Self

SERVICES = 5000
NODES = 10
VERDICTS = {NODE_PORT: Verdict.OPEN}


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else SERVICES
    before_mb, store = pss_mb(), Store()
    read_s = timed(lambda: fill(store, count))
    deciding, told = Deciding(Self("node1")), Told()
    snapshot, changes = store.snapshot(), store.take_changes()
    configuration, _ = usable(snapshot)
    deciding.update(snapshot, configuration, changes.services)
    all_s = timed(lambda: decide(deciding, told))
    one_s = timed(lambda: change_one(store, deciding, told))
    show("Services", count, "")
    show("reading Services and slices", read_s / count * 1e6, "us each")
    show("deciding all, both modes, with intents", all_s / count * 1e6, "us each")
    show("one changed Service, from event to intent", one_s * 1e3, "ms")
    show("memory (PSS) for all of it", pss_mb() - before_mb, "MB")


def fill(store: Store, count: int) -> None:
    crd = {"namespace": "metallb-system", "name": "one"}
    peer = {"myASN": 64512, "peerASN": 64513, "peerAddress": "192.168.4.1"}
    take(store, Kind.NODE, (node(number) for number in range(1, NODES + 1)))
    take(store, Kind.IP_ADDRESS_POOL, [{"metadata": crd, "spec": {"addresses": ["10.50.0.0/16"]}}])
    take(store, Kind.L2_ADVERTISEMENT, [{"metadata": crd, "spec": {}}])
    take(store, Kind.BGP_ADVERTISEMENT, [{"metadata": crd, "spec": {}}])
    take(store, Kind.BGP_PEER, [{"metadata": crd, "spec": peer}])
    take(store, Kind.SERVICE, (service(number) for number in range(count)))
    take(store, Kind.ENDPOINT_SLICE, (endpoints(number) for number in range(count)))
    for kind in Kind:
        store.mark_listed(kind)


def decide(deciding: Deciding, told: Told) -> None:
    changed, prefixes = deciding.step(VERDICTS, lambda: True)
    for each in changed:
        if each.protocol is Protocol.LAYER2 and each.after is not None:
            intent = address_intent(deciding.view, each.after)
            if intent is not None:
                told.set(intent)
    for prefix in prefixes:
        route = deciding.route(prefix)
        if route is not None:
            told.set(route)


def change_one(store: Store, deciding: Deciding, told: Told) -> None:
    store.remove(Kind.ENDPOINT_SLICE, ObjectName("default", "service-0-x"))
    snapshot, changes = store.snapshot(), store.take_changes()
    deciding.update(snapshot, deciding.view.configuration, changes.services)
    decide(deciding, told)


def take(store: Store, kind: Kind, objects: Iterable[dict[str, Any]]) -> None:
    listing = store.listing(kind)
    # Through JSON, so that texts are as little shared as they are when they come by the network.
    listing.add(json.loads(json.dumps(each)) for each in objects)
    listing.finish()


def node(number: int) -> dict[str, Any]:
    addresses = [{"type": "InternalIP", "address": f"192.168.4.{100 + number}"}]
    return {"metadata": {"name": f"node{number}"}, "status": {"addresses": addresses}}


def service(number: int) -> dict[str, Any]:
    ingress = [{"ip": f"10.50.{number // 250}.{number % 250 + 1}"}]
    return {
        "metadata": {
            "name": f"service-{number}",
            "namespace": "default",
            "uid": f"5f0c2c6a-0000-4000-8000-{number:012d}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": f"app-{number}"},
        },
        "spec": {
            "type": "LoadBalancer",
            "ports": [{"port": 80, "nodePort": 30000}],
            "clusterIPs": ["10.96.0.1"],
            "ipFamilies": ["IPv4"],
            "selector": {"app": f"app-{number}"},
        },
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def endpoints(number: int) -> dict[str, Any]:
    where = number % NODES + 1
    return {
        "metadata": {
            "name": f"service-{number}-x",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": f"service-{number}"},
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [f"10.244.{where}.2"],
                "nodeName": f"node{where}",
                "conditions": {"ready": True},
            }
        ],
    }


def timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def pss_mb() -> float:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def show(what: str, value: float, unit: str) -> None:
    print(f"{what:<45} {value:>10.1f} {unit}")


if __name__ == "__main__":
    main()
