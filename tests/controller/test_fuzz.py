"""Random objects, edits, deletions, restarts and foreign writes: what must hold after each step."""

import os
from collections import Counter
from dataclasses import replace
from itertools import combinations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from controller.ask import is_ours
from controller.outcome import Assigned, Reason
from controller.sharing import clash, terms_of
from controller.status import count_pools
from kube.objects import Address, IPFamilyPolicy, ObjectName, Service, ServicePort, TrafficPolicy
from kube.snapshot import Kind
from tests.builders import name, pool, service
from tests.controller.cluster import POOL_ANNOTATION, Cluster, addresses, pool_name
from tests.controller.steps import DUAL, V4, V6

NAMES = tuple(f"{space}/s{i}" for space in ("red", "blue") for i in range(5))
POOLS = (
    pool("a", "192.0.2.0/30", "fd00::/127"),
    pool("a", "192.0.2.0/31", "fd00::/126"),
    pool("a", "192.0.2.2/32"),
    pool("a", "192.0.2.0/29", avoidBuggyIPs=True),
    pool("b", "192.0.2.8/31", autoAssign=False),
    pool("b", "192.0.2.8/30", "fd00::8/127"),
    pool("b", "192.0.2.2/31"),
    pool("c", "198.51.100.0/31", serviceAllocation={"priority": 5, "namespaces": ["red"]}),
    pool(
        "c",
        "198.51.100.0/31",
        "fd00::10/127",
        serviceAllocation={"namespaceSelectors": [{"matchLabels": {"team": "x"}}]},
    ),
    pool(
        "d",
        "198.51.100.8/31",
        serviceAllocation={"serviceSelectors": [{"matchLabels": {"tier": "gold"}}]},
    ),
)
ADDRESSES = addresses(
    "192.0.2.0", "192.0.2.2", "192.0.2.9", "198.51.100.0", "203.0.113.7", "fd00::", "fd00::8"
)
POLICIES = tuple(IPFamilyPolicy)


@st.composite
def specs(draw: st.DrawFn) -> dict[str, object]:
    annotations: dict[str, str] = {}
    if draw(st.booleans()):
        annotations["metallb.io/allow-shared-ip"] = draw(st.sampled_from(("k", "l", "")))
    match draw(st.integers(0, 9)):
        case 0:
            annotations["metallb.io/address-pool"] = draw(st.sampled_from(("a", "b", "c", "x")))
        case 1:
            annotations["metallb.io/loadBalancerIPs"] = str(draw(st.sampled_from(ADDRESSES)))
        case 2:
            annotations["metallb.io/loadBalancerIPs"] = draw(
                st.sampled_from(("", "x", "192.0.2.0,", "192.0.2.1, fd00::1", "::ffff:192.0.2.1"))
            )
        case 3:
            annotations["herald.io/share-with-namespaces"] = "*"
    return {
        "annotations": annotations,
        "ports": tuple(
            ServicePort("TCP", port)
            for port in draw(st.sets(st.integers(80, 82), min_size=1, max_size=2))
        ),
        "cluster_ips": draw(st.sampled_from((V4, V4, V6, DUAL))),
        "ip_family_policy": draw(st.sampled_from(POLICIES)),
        "traffic_policy": draw(st.sampled_from(tuple(TrafficPolicy))),
        "labels": draw(st.sampled_from(({}, {"tier": "gold"}))),
        "type": draw(st.sampled_from(("LoadBalancer",) * 6 + ("ClusterIP",))),
    }


class Allocation(RuleBasedStateMachine):
    """A cluster that anything may happen to."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster()
        self.births = 0
        self.before: dict[ObjectName, Service] = {}
        self.touched: set[ObjectName] = set()

    @initialize(pools=st.lists(st.sampled_from(POOLS), max_size=5))
    def start(self, pools: list[object]) -> None:
        self.cluster.label_namespace("red").label_namespace("blue")
        self.edit_pools(pools)

    @rule(pools=st.lists(st.sampled_from(POOLS), max_size=5))
    def edit_pools(self, pools: list[object]) -> None:
        self.cluster.replace_pools(*pools)  # type: ignore[arg-type]
        self._go()

    @rule(broken=st.booleans())
    def break_a_pool(self, broken: bool) -> None:
        key = (Kind.IP_ADDRESS_POOL, pool_name("broken"))
        self.cluster.pool_faults = {key: "spec: wrong"} if broken else {}
        self.cluster.replace_pools(*self.cluster.pools.values())
        self._go()

    @rule(text=st.sampled_from(NAMES), spec=specs())
    def put(self, text: str, spec: dict[str, object]) -> None:
        known = self.cluster.services.get(name(text))
        self.births += 1
        created = known.created if known else f"{self.births % 7}"
        self.touched.add(name(text))
        self.cluster.put(service(text, created=created, **spec))
        self._go()

    @rule(text=st.sampled_from(NAMES))
    def delete(self, text: str) -> None:
        if name(text) in self.cluster.services:
            self.cluster.delete(text)
            self._go()

    @rule(text=st.sampled_from(NAMES), given=st.lists(st.sampled_from(ADDRESSES), max_size=2))
    def write_foreign_status(self, text: str, given: list[Address]) -> None:
        known = self.cluster.services.get(name(text))
        if known is not None and known.type == "LoadBalancer":
            # The older one keeps a double: whoever had the address may move.
            self.touched |= set(self.cluster.services)
            self.cluster.services[known.name] = replace(known, ingress=tuple(given))
            self.cluster.put(self.cluster.services[known.name])
            self._go()

    @rule(text=st.sampled_from(("red", "blue")), team=st.sampled_from(("x", "y")))
    def label_namespace(self, text: str, team: str) -> None:
        self.cluster.label_namespace(text, team=team)
        self._go()

    @rule(text=st.sampled_from(("red", "blue")), quota=st.sampled_from(("", "1", "3", "many")))
    def set_quota(self, text: str, quota: str) -> None:
        annotations = {"herald.io/address-quota": quota} if quota else {}
        self.cluster.annotate_namespace(text, annotations)
        self._go()

    @rule()
    def restart(self) -> None:
        self.cluster.restart()
        self._go()

    @rule(seconds=st.sampled_from((1.0, 30.0, 90.0)))
    def wait(self, seconds: float) -> None:
        self._go(seconds)

    def _go(self, seconds: float = 0.0) -> None:
        self.before = dict(self.cluster.services)
        self.cluster.run(seconds)

    @invariant()
    def holds(self) -> None:
        self.one_pass_is_a_fixpoint()
        self.no_address_is_given_twice_outside_sharing()
        self.statuses_are_what_the_planner_says()
        self.every_address_is_in_a_pool_that_admits_its_service()
        self.counters_equal_a_recount()
        self.nobody_moves_who_was_not_touched_and_may_stay()

    def one_pass_is_a_fixpoint(self) -> None:
        assert self.cluster.plan().changes == ()

    def no_address_is_given_twice_outside_sharing(self) -> None:
        for one, other in combinations(self._ours(), 2):
            if set(one.ingress) & set(other.ingress):
                assert clash(terms_of(one), terms_of(other)) is None, (one, other)

    def statuses_are_what_the_planner_says(self) -> None:
        for each in self._ours():
            outcome = self.cluster.planner.outcomes[each.name]
            wanted = outcome.addresses if isinstance(outcome, Assigned) else ()
            assert each.ingress == wanted

    def every_address_is_in_a_pool_that_admits_its_service(self) -> None:
        pools = self.cluster.planner.ledger.pools
        if not pools.ranked:
            return
        for each in self._ours():
            outcome = self.cluster.planner.outcomes[each.name]
            note = outcome.note if isinstance(outcome, Assigned) else None
            if note is not None and note.reason is Reason.MOVES_SOON:
                continue
            for address in each.ingress:
                held_by = pools.holding(address)
                if held_by is None:
                    tag = each.annotations.get(POOL_ANNOTATION, "")
                    assert pools.doubtful(address, tag) is not None
                    continue
                labels = self.cluster.namespaces[each.name.namespace].labels
                assert held_by.admits_namespace(each.name.namespace, labels)
                assert held_by.admits_labels(each.labels)
                assert not held_by.avoids(address)

    def counters_equal_a_recount(self) -> None:
        pools = self.cluster.planner.ledger.pools
        held: Counter[tuple[str, int]] = Counter()
        for address in {a for each in self._ours() for a in each.ingress}:
            found = pools.holding(address)
            if found is not None:
                held[found.name, address.version] += 1
        for count in count_pools(self.cluster.planner.ledger):
            assert (count.used_v4, count.used_v6) == (held[count.pool, 4], held[count.pool, 6])
            assert count.used_v4 <= count.total_v4
            assert count.used_v6 <= count.total_v6

    def nobody_moves_who_was_not_touched_and_may_stay(self) -> None:
        pools = self.cluster.planner.ledger.pools
        for each in self._ours():
            earlier = self.before.get(each.name)
            if earlier is None or each.name in self.touched or earlier.ingress == each.ingress:
                continue
            asks = {"metallb.io/loadBalancerIPs", "metallb.io/address-pool"} & set(each.annotations)
            if asks:
                continue
            labels = self.cluster.namespaces[each.name.namespace].labels
            for address in set(earlier.ingress) - set(each.ingress):
                found = pools.holding(address)
                if self._one_too_many(address, each, earlier):
                    continue
                lost_other_family = len(earlier.ingress) == 2 and not all(
                    self._fine(a, each, labels) for a in earlier.ingress
                )
                assert (
                    found is None or not self._fine(address, each, labels) or lost_other_family
                ), f"{each.name} left {address}"
        self.touched, self.before = set(), dict(self.cluster.services)

    def _one_too_many(self, address: Address, each: Service, earlier: Service) -> bool:
        """Tell whether it was of a family that the Service has not, or has still, from before."""
        if address.version not in {ip.version for ip in each.cluster_ips}:
            return True
        kept = set(each.ingress) & set(earlier.ingress)
        return address.version in {other.version for other in kept}

    def _fine(self, address: Address, each: Service, labels: object) -> bool:
        found = self.cluster.planner.ledger.pools.holding(address)
        return (
            found is not None
            and not found.avoids(address)
            and found.admits_labels(each.labels)
            and found.admits_namespace(each.name.namespace, labels)  # type: ignore[arg-type]
        )

    def _ours(self) -> list[Service]:
        return [each for each in self.cluster.services.values() if is_ours(each, None)]

    def teardown(self) -> None:
        self.cluster.settle()
        settled = {each.name: each for each in self._ours()}
        # Which of two pools in conflict was in force first is what a restart cannot know: then
        # who waits may wait no more, and who has an address keeps it if he may have it still.
        refused = bool(self.cluster.planner.ledger.pools.refused)
        self.cluster.restart().settle()
        for each in self._ours():
            before = settled[each.name]
            if each.ingress != before.ingress:
                assert refused, each.name
                assert not before.ingress or self._lost(before), each.name

    def _lost(self, before: Service) -> bool:
        """Tell whether the pools in force do not let a Service keep what it had."""
        pools = self.cluster.planner.ledger.pools
        labels = self.cluster.namespaces[before.name.namespace].labels
        tag = before.annotations.get(POOL_ANNOTATION, "")
        return any(
            pools.doubtful(address, tag) is None
            if pools.holding(address) is None
            else not self._fine(address, before, labels)
            for address in before.ingress
        )


Allocation.TestCase.settings = settings(
    max_examples=int(os.environ.get("HERALD_FUZZ_EXAMPLES", "20")),
    stateful_step_count=20,
    deadline=None,
    report_multiple_bugs=False,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestAllocation = Allocation.TestCase
