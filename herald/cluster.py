"""What the API server knows of Herald: its Services as the controller plans them, and who runs.

The sentences on Services are the controller's own; see `controller.explain`.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from controller.explain import Explanation, explain_all
from controller.outcome import Assigned
from herald.reach import Reach
from kube.api import collection_path, object_path
from kube.objects import ObjectName, Pod
from kube.snapshot import Kind, Snapshot
from kube.store import Store

KINDS = (
    Kind.SERVICE,
    Kind.NAMESPACE,
    Kind.NODE,
    Kind.POD,
    Kind.IP_ADDRESS_POOL,
    Kind.L2_ADVERTISEMENT,
    Kind.BGP_ADVERTISEMENT,
    Kind.CONFIGURATION_STATE,
)
"""What the controller's explanation reads, and what says which faults concern a Service."""
EVERYWHERE = frozenset({Kind.SERVICE, Kind.NAMESPACE, Kind.NODE})
"""The others are read in Herald's namespace only."""
LEASE = "herald-controller"
NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
INSTALL = "`kubectl apply -k manifests` installs Herald, --namespace says where it is"


@dataclass(frozen=True, slots=True)
class Controllers:
    """The controller's Pods and who of them leads."""

    pods: tuple[Pod, ...]
    leader: str
    "Name of the Pod; empty when nobody leads."

    @property
    def ready(self) -> list[str]:
        """Return the names of those that are ready."""
        return sorted(pod.name.name for pod in self.pods if pod.ready and not pod.terminating)

    @property
    def at_work(self) -> bool:
        """Tell whether one of them leads and is ready."""
        return self.leader in self.ready


def read_snapshot(reach: Reach) -> Snapshot:
    """Read what the controller's explanation needs from the API server."""
    paths = [collection_path(kind, "" if kind in EVERYWHERE else reach.namespace) for kind in KINDS]
    store = Store()
    with ThreadPoolExecutor(len(paths)) as pool:
        for kind, answer in zip(KINDS, pool.map(reach.get, paths), strict=True):
            if answer is not None:
                listing = store.listing(kind)
                listing.add(answer.get("items") or ())
                listing.finish()
    return store.snapshot()


def controllers_of(reach: Reach, snapshot: Snapshot) -> Controllers:
    """Return the controller's Pods and its leader, whom the Lease names."""
    wanted = {NAME: "herald", COMPONENT: "controller"}
    pods = [each for each in snapshot.pods.values() if wanted.items() <= each.labels.items()]
    lease = reach.get(object_path("Lease", ObjectName(reach.namespace, LEASE))) or {}
    holder: Any = (lease.get("spec") or {}).get("holderIdentity")
    # The holder is the Pod's name, and what tells its processes apart.
    return Controllers(tuple(pods), str(holder or "").rpartition("_")[0])


def controller_troubles(found: Controllers, namespace: str) -> list[str]:
    """Return why nobody gives addresses, as sentences."""
    if not found.pods:
        return [
            f"no controller Pod in namespace {namespace}: no Service gets an address; {INSTALL}"
        ]
    if not found.ready:
        names = ", ".join(sorted(pod.name.name for pod in found.pods))
        return [
            f"no controller is ready: no Service gets an address; look at the log of {names} in "
            f"namespace {namespace}"
        ]
    if not found.leader:
        return [
            f"no controller leads: the Lease {namespace}/{LEASE} has no holder; one takes it "
            "within seconds, unless it can't write it"
        ]
    if not found.at_work:
        return [
            f"the controller that leads, {found.leader}, is not ready: until another takes the "
            f"Lease {namespace}/{LEASE}, no Service gets an address"
        ]
    return []


def speaker_troubles(nodes: int, namespace: str) -> list[str]:
    """Return that nothing is announced, where no node has a speaker."""
    if nodes:
        return []
    return [f"no speaker Pod in namespace {namespace}: nothing is announced; {INSTALL}"]


def service_troubles(
    snapshot: Snapshot, lb_class: str | None, *, leads: bool
) -> tuple[list[str], list[str]]:
    """Return the sentences on Services that lack an address, and on those with less than asked."""
    explained = explain_all(snapshot, lb_class, leads=leads)
    lacking = [e.sentence for name, e in explained.items() if _lacks(snapshot, name, e)]
    lesser = [
        e.sentence
        for name, e in explained.items()
        if not _lacks(snapshot, name, e)
        and isinstance(e.outcome, Assigned)
        and (e.outcome.note or e.outcome.warning)
    ]
    return lacking, lesser


def _lacks(snapshot: Snapshot, name: ObjectName, explanation: Explanation) -> bool:
    """Tell whether the Service shows no address, or one that the controller would not give."""
    return not (isinstance(explanation.outcome, Assigned) and snapshot.services[name].ingress)
