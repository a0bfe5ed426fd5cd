"""A cluster for the planner: objects go in, what it decides is applied, time is a number.

`apply` does what the reconciler and the API server do: it writes the planner's changes into the
statuses, and tells the planner of them as the watch would.
"""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from types import MappingProxyType

from controller.outcome import Assigned, Change, NotOurs, Outcome, Pending
from controller.pace import Pace
from controller.planner import Plan, Planner
from controller.view import Outlook, outlook_of
from kube.crds import IPAddressPool
from kube.objects import Address, Namespace, Node, ObjectName, Service
from kube.snapshot import Kind, Snapshot
from tests.builders import HERALD, name, namespace

POOL_ANNOTATION = "metallb.io/ip-allocated-from-pool"


class Cluster:
    """Objects, a planner that watches them, and a clock."""

    def __init__(self, *pools: IPAddressPool, lb_class: str | None = None) -> None:
        self.now = 1000.0
        self.services: dict[ObjectName, Service] = {}
        self.pools = {each.name: each for each in pools}
        self.namespaces: dict[str, Namespace] = {"default": namespace("default")}
        self.nodes: dict[str, Node] = {}
        self.pool_faults: dict[tuple[Kind, ObjectName], str] = {}
        self.changes: list[Change] = []
        self.deadline: float | None = None
        self._lb_class = lb_class
        self._touched: set[ObjectName] = set()
        self._spaces: set[str] = set()
        self._outlook: Outlook | None = None
        self._pools_changed = True
        self.planner = Planner(lb_class)

    def put(self, *services: Service) -> "Cluster":
        """Create or edit Services; an edit keeps the status unless it says otherwise."""
        for service in services:
            self.services[service.name] = self._with_known_status(service)
            self._touched.add(service.name)
        return self

    def _with_known_status(self, service: Service) -> Service:
        known = self.services.get(service.name)
        if known is None or service.ingress or not known.ingress:
            return service
        tag = {k: v for k, v in known.annotations.items() if k == POOL_ANNOTATION}
        annotations = MappingProxyType({**service.annotations, **tag})
        return replace(service, ingress=known.ingress, annotations=annotations)

    def delete(self, *names: str) -> "Cluster":
        """Delete Services."""
        for text in names:
            del self.services[name(text)]
            self._touched.add(name(text))
        return self

    def replace_pools(self, *pools: IPAddressPool) -> "Cluster":
        """Have exactly these pools."""
        self.pools = {each.name: each for each in pools}
        self._pools_changed = True
        return self

    def label_namespace(self, text: str, **labels: str) -> "Cluster":
        """Create a namespace or replace its labels."""
        known = self.namespaces.get(text) or namespace(text)
        self.namespaces[text] = replace(known, labels=labels)
        self._spaces.add(text)
        return self

    def annotate_namespace(self, text: str, annotations: Mapping[str, str]) -> "Cluster":
        """Create a namespace or replace its annotations."""
        known = self.namespaces.get(text) or namespace(text)
        self.namespaces[text] = replace(known, annotations=annotations)
        self._spaces.add(text)
        return self

    def plan(self) -> Plan:
        """Let the planner see what changed, and return its plan without applying it."""
        snapshot = Snapshot(
            services=dict(self.services),
            pools=dict(self.pools),
            namespaces=dict(self.namespaces),
            nodes=dict(self.nodes),
            faults=dict(self.pool_faults),
            listed=frozenset(Kind),
        )
        self._outlook = outlook_of(snapshot, self._outlook, pools_changed=self._pools_changed)
        touched, spaces = self._touched, self._spaces
        self._touched, self._spaces, self._pools_changed = set(), set(), False
        return self.planner.replan(
            self._outlook.view, self.now, services=touched, namespaces=spaces
        )

    def run(self, seconds: float = 0.0) -> "Cluster":
        """Plan and apply once, then at each deadline within so many seconds."""
        end = self.now + seconds
        plan = self.plan()
        self.apply(plan)
        while plan.deadline is not None and plan.deadline <= end:
            self.now = max(self.now, plan.deadline)
            plan = self.plan()
            self.apply(plan)
        self.now = end
        self.deadline = plan.deadline
        return self

    def settle(self) -> "Cluster":
        """Run until time alone changes nothing any more."""
        return self.run(3600.0)

    def restart(self) -> "Cluster":
        """Begin anew with what the cluster says."""
        self.planner = Planner(self._lb_class, Pace())
        self._outlook, self._pools_changed = None, True
        return self

    def apply(self, plan: Plan) -> None:
        """Write the plan into the statuses."""
        self.changes = list(plan.changes)
        # Every status is compared, as the delta does: somebody else may have written one.
        for name_, outcome in self.planner.outcomes.items():
            service = self.services[name_]
            written = with_status(service, outcome)
            if written != service:
                self.services[name_] = written
                self._touched.add(name_)

    def addresses(self, text: str) -> tuple[str, ...]:
        """Return what the Service's status says."""
        return tuple(str(address) for address in self.services[name(text)].ingress)

    def outcome(self, text: str) -> Outcome:
        """Return what the planner says of the Service."""
        return self.planner.outcomes[name(text)]

    def pending(self, text: str) -> Pending:
        """Return why the Service has no address."""
        outcome = self.outcome(text)
        assert isinstance(outcome, Pending), f"{text} has {outcome}"
        return outcome

    def assigned(self, text: str) -> Assigned:
        """Return what the Service has."""
        outcome = self.outcome(text)
        assert isinstance(outcome, Assigned), f"{text} waits: {outcome}"
        return outcome

    def change(self, text: str) -> Change:
        """Return the last plan's change of the Service."""
        return next(each for each in self.changes if each.service == name(text))


def with_status(service: Service, outcome: Outcome) -> Service:
    """Return the Service as the API server has it after the outcome was written."""
    annotations = {k: v for k, v in service.annotations.items() if k != POOL_ANNOTATION}
    ingress: tuple[Address, ...] = ()
    if isinstance(outcome, NotOurs) and service.type == "LoadBalancer":
        return service
    if isinstance(outcome, Assigned):
        ingress = outcome.addresses
        if outcome.pool:
            annotations[POOL_ANNOTATION] = outcome.pool
    same = dict(service.annotations) == annotations
    return replace(
        service,
        ingress=ingress,
        ingress_complete=True,
        annotations=service.annotations if same else MappingProxyType(annotations),
    )


def addresses(*texts: str) -> tuple[Address, ...]:
    """Parse addresses."""
    return tuple(ip_address(text) for text in texts)


def pool_name(text: str) -> ObjectName:
    """Return a pool's name in Herald's namespace."""
    return ObjectName(HERALD, text)
