"""Two replicas that lose writes, lag behind and take over from each other at any moment."""

import os
from itertools import combinations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controller.sharing import clash, terms_of
from controller.view import outlook_of
from kube.objects import ObjectName, ServicePort
from kube.snapshot import Kind, Snapshot
from tests.builders import name, namespace, pool, service
from tests.controller.replicas import Replica, Server

NAMES = tuple(f"s{i}" for i in range(5))
# Fewer addresses than Services: addresses change hands all the time.
POOLS = tuple(
    outlook_of(
        Snapshot(pools={each.name: each for each in pools}, listed=frozenset(Kind))
    ).view.pools
    for pools in (
        [pool("a", "192.0.2.0/31")],
        [pool("a", "192.0.2.0/31"), pool("b", "198.51.100.0/32")],
        [pool("b", "192.0.2.0/31", autoAssign=False)],
    )
)
ANNOTATIONS: tuple[dict[str, str], ...] = (
    {},
    {"metallb.io/loadBalancerIPs": "192.0.2.0"},
    {"metallb.io/loadBalancerIPs": "192.0.2.1"},
    {"metallb.io/allow-shared-ip": "k"},
    {"metallb.io/address-pool": "b"},
)


class Failover(RuleBasedStateMachine):
    """One of two replicas leads; the other one only watches."""

    def __init__(self) -> None:
        super().__init__()
        self.server = Server([namespace("default")])
        self.replicas = [Replica(self.server), Replica(self.server)]
        self.pools = POOLS[0]
        self.now = 0.0
        self.births = 0
        self.excused: set[tuple[ObjectName, ObjectName]] = set()
        self.replicas[0].lead(self.pools, self.now)

    @property
    def leader(self) -> Replica:
        return self.replicas[0]

    @rule(
        text=st.sampled_from(NAMES),
        wishes=st.sampled_from(ANNOTATIONS),
        port=st.integers(80, 81),
        type_=st.sampled_from(("LoadBalancer",) * 5 + ("ClusterIP",)),
    )
    def put(self, text: str, wishes: dict[str, str], port: int, type_: str) -> None:
        known = self.server.services.get(name(text))
        self.births += 1
        self.server.put(
            service(
                text,
                created=known.created if known else f"{self.births:05}",
                annotations=wishes,
                ports=(ServicePort("TCP", port),),
                type=type_,
            )
        )
        # Who edits the terms on which it shares makes a double that we only hear of later.
        self.excused |= self._doubles()

    @rule(text=st.sampled_from(NAMES))
    def delete(self, text: str) -> None:
        self.server.delete(name(text))

    @rule(pools=st.sampled_from(POOLS))
    def edit_pools(self, pools: object) -> None:
        self.pools = pools  # type: ignore[assignment]

    @rule(texts=st.sets(st.sampled_from(NAMES)), replica=st.integers(0, 1))
    def hear(self, texts: set[str], replica: int) -> None:
        self.replicas[replica].hear([name(text) for text in texts])

    @rule(limit=st.integers(1, 4))
    def plan_and_send(self, limit: int) -> None:
        self.leader.plan(self.pools, self.now)
        self.leader.send(self.now, limit)

    @precondition(lambda self: self.leader.pending)
    @rule(index=st.integers(0, 9), fate=st.sampled_from(("done", "done", "unanswered", "lost")))
    def answer(self, index: int, fate: str) -> None:
        self.leader.answer(index, fate, self.now)

    @rule(seconds=st.sampled_from((0.1, 3.0, 70.0)))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def fail_over(self) -> None:
        """The old leader's writes under way have ended, one way or the other, as deadlines do."""
        while self.leader.pending:
            self.leader.answer(0, "lost", self.now)
        self.leader.planner = None
        self.replicas.reverse()
        self.leader.lead(self.pools, self.now)

    @invariant()
    def no_two_statuses_show_an_address_that_they_may_not_share(self) -> None:
        self.excused &= self._doubles()
        assert self._doubles() <= self.excused

    def _doubles(self) -> set[tuple[ObjectName, ObjectName]]:
        """Return the pairs that show one address and may not share it."""
        ours = [each for each in self.server.services.values() if each.type == "LoadBalancer"]
        return {
            (one.name, other.name)
            for one, other in combinations(sorted(ours, key=lambda each: each.name), 2)
            if set(one.ingress) & set(other.ingress) and clash(terms_of(one), terms_of(other))
        }

    def teardown(self) -> None:
        while self.leader.pending:
            self.leader.answer(0, "done", self.now)
        self.now = self.leader.settle(self.pools, self.now)
        settled = {each.name: each.ingress for each in self.server.services.values()}
        for one, other in combinations(self.server.services.values(), 2):
            if set(one.ingress) & set(other.ingress):
                assert clash(terms_of(one), terms_of(other)) is None
        writes = self.server.writes
        self.replicas.reverse()
        self.leader.lead(self.pools, self.now)
        self.leader.settle(self.pools, self.now)
        assert {each.name: each.ingress for each in self.server.services.values()} == settled
        assert self.server.writes == writes


Failover.TestCase.settings = settings(
    max_examples=int(os.environ.get("HERALD_FUZZ_EXAMPLES", "15")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    database=None,
)
TestFailover = Failover.TestCase
