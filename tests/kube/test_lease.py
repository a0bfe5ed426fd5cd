"""Elections under a virtual clock: whatever the network does, no two hold the Lease at once."""

import copy
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.lease import Election, LeaseBody, Read, Request, Role, Terms, Write
from kube.objects import Json

TERMS = Terms(lease_duration_s=15.0, renew_deadline_s=10.0, retry_s=2.0)


@dataclass
class Server:
    """One Lease with optimistic concurrency."""

    lease: Json | None = None
    version: int = 0
    writes: list[LeaseBody] = field(default_factory=list)

    def serve(self, request: Request) -> Json | str | None:
        match request:
            case Read():
                return copy.deepcopy(self.lease)
            case Write(body, create):
                current = self.lease["metadata"]["resourceVersion"] if self.lease else ""
                if create != (self.lease is None) or (
                    not create and body.resource_version != current
                ):
                    return "refused"
                self.version += 1
                self.lease = {
                    "metadata": {"resourceVersion": str(self.version)},
                    "spec": {
                        "holderIdentity": body.holder,
                        "leaseDurationSeconds": 15,
                        "leaseTransitions": body.transitions,
                    },
                }
                self.writes.append(body)
                return copy.deepcopy(self.lease)


@dataclass(frozen=True)
class Fate:
    """What happens to one request: its way there, its way back, and losses."""

    there_s: float = 0.001
    back_s: float = 0.001
    lost: bool = False
    refused: bool = False


class Sim:
    """Candidates and one server joined by a network that does as it is told."""

    def __init__(self, names: list[str], fate: Callable[[str, float], Fate]) -> None:
        self.now = 0.0
        self.server = Server()
        self.fate = fate
        self.cores = {name: Election(name, TERMS, lambda: 0.5) for name in names}
        self.busy = dict.fromkeys(names, False)
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.count = 0
        self.history: list[tuple[float, str]] = []
        for name in names:
            self.at(0.0, partial(self.step, name))

    def at(self, when: float, action: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.events, (when, self.count, action))

    def leaders(self) -> list[str]:
        return [n for n, c in self.cores.items() if c.role(self.now) is Role.LEADER]

    def run(self, until: float) -> None:
        while self.events and self.events[0][0] <= until:
            when, _, action = heapq.heappop(self.events)
            self.now = max(self.now, when)
            action()
            leaders = self.leaders()
            assert len(leaders) <= 1, f"{leaders} lead at {self.now}"
            self.history += [(self.now, leader) for leader in leaders]
        self.now = until

    def step(self, name: str) -> None:
        core = self.cores[name]
        if self.busy[name]:
            return
        request = core.next_request(self.now)
        if request is None:
            self.at(max(core.next_deadline(), self.now + 0.001), lambda: self.step(name))
            return
        self.send(name, request)

    def send(self, name: str, request: Request) -> None:
        fate = self.fate(name, self.now)
        self.busy[name] = True
        sent = self.now
        state: dict[str, Any] = {"open": True}

        def give_up() -> None:
            if state.pop("open", False):
                self.cores[name].failed(self.now)
                self.resume(name)

        def arrive() -> None:
            answer = "refused" if fate.refused else self.server.serve(request)
            if not fate.lost:
                self.at(self.now + fate.back_s, lambda: back(answer))

        def back(answer: Any) -> None:
            if not state.pop("open", False):
                return
            core = self.cores[name]
            if answer == "refused":
                core.failed(self.now)
            elif answer is None:
                core.absent(self.now)
            elif isinstance(request, Read):
                core.received(answer, self.now)
            else:
                core.written(answer, self.now)
            self.resume(name)

        self.at(sent + fate.there_s, arrive)
        self.at(sent + request.timeout_s, give_up)

    def resume(self, name: str) -> None:
        self.busy[name] = False
        self.at(self.now, lambda: self.step(name))


def well(_: str, __: float) -> Fate:
    return Fate()


def test_first_candidate_leads_within_a_second_and_stays() -> None:
    sim = Sim(["a", "b"], well)
    sim.run(1.0)
    assert sim.leaders() == ["a"]
    sim.run(300.0)
    assert {name for _, name in sim.history} == {"a"}


def test_leader_writes_once_each_retry_and_a_follower_never() -> None:
    sim = Sim(["a", "b"], well)
    sim.run(60.0)
    assert {body.holder for body in sim.server.writes} == {"a"}
    assert len(sim.server.writes) <= 32


def test_cut_off_leader_steps_down_before_the_other_takes_over() -> None:
    sim = Sim(["a", "b"], lambda name, now: Fate(lost=name == "a" and now > 20, there_s=0.001))
    sim.run(60.0)
    assert sim.leaders() == ["b"]
    last_a = max(when for when, name in sim.history if name == "a")
    first_b = min(when for when, name in sim.history if name == "b")
    assert last_a < first_b
    assert first_b < 20 + 15 + 2 * TERMS.retry_s + 2


def test_hanging_server_ends_leading_within_the_renew_deadline() -> None:
    sim = Sim(["a"], lambda _, now: Fate(there_s=0.001 if now < 20 else 1e6))
    sim.run(20.0)
    assert sim.leaders() == ["a"]
    sim.run(20.0 + TERMS.renew_deadline_s)
    assert sim.leaders() == []


def test_lost_answer_of_a_renewal_doesnt_end_leading() -> None:
    sim = Sim(["a", "b"], lambda name, now: Fate(lost=name == "a" and 20 < now < 23))
    sim.run(100.0)
    assert {name for _, name in sim.history} == {"a"}


def test_release_lets_the_other_take_over_at_its_next_look() -> None:
    sim = Sim(["a", "b"], well)
    sim.run(30.5)
    request = sim.cores["a"].release(sim.now)
    assert request is not None
    assert sim.leaders() == []
    sim.server.serve(request)
    sim.busy["a"] = True
    sim.run(30.5 + 2 * TERMS.retry_s)
    assert sim.leaders() == ["b"]


def test_release_by_a_follower_writes_nothing() -> None:
    sim = Sim(["a", "b"], well)
    sim.run(5.0)
    assert sim.cores["b"].release(sim.now) is None


def test_transitions_count_changes_of_the_holder_only() -> None:
    sim = Sim(["a", "b"], lambda name, now: Fate(lost=name == "a" and now > 20))
    sim.run(60.0)
    first_b = next(body for body in sim.server.writes if body.holder == "b")
    assert [body.transitions for body in sim.server.writes if body.holder == "a"][-1] == 0
    assert first_b.transitions == 1


def test_deleted_lease_is_taken_by_another_only_after_a_whole_duration() -> None:
    sim = Sim(["a", "b"], lambda name, now: Fate(lost=name == "a" and now > 20))
    sim.run(20.0)
    sim.server.lease = None
    sim.run(20.0 + TERMS.lease_duration_s)
    assert all(name == "a" for _, name in sim.history)
    sim.run(60.0)
    assert sim.leaders() == ["b"]


def test_refused_role_costs_a_request_each_retry_not_a_storm() -> None:
    asked: list[float] = []

    def refuse(_: str, now: float) -> Fate:
        asked.append(now)
        return Fate(refused=True)

    Sim(["a"], refuse).run(60.0)
    assert len(asked) <= 60 / (TERMS.retry_s * 0.75) + 2


def test_lease_with_junk_in_it_is_taken_for_one_of_nobody() -> None:
    core = Election("a", TERMS, lambda: 0.5)
    assert isinstance(core.next_request(0.0), Read)
    junk: Json = {"metadata": {"resourceVersion": "7"}, "spec": {"leaseTransitions": "x"}}
    core.received(junk, 0.0)
    request = core.next_request(0.0)
    assert isinstance(request, Write)
    assert request.body == LeaseBody("a", 1, "7")


@pytest.mark.parametrize(
    ("lease", "renew", "retry"),
    [
        pytest.param(10, 10, 2, id="no time to step down"),
        pytest.param(15, 2, 2, id="no time to retry"),
        pytest.param(15, 10, 0, id="no pause"),
    ],
)
def test_terms_that_allow_two_leaders_are_refused(lease: float, renew: float, retry: float) -> None:
    with pytest.raises(ValueError, match="lease duration > renew deadline"):
        Terms(lease, renew, retry)


@dataclass(frozen=True)
class Outage:
    """A time in which the requests of one candidate fare badly."""

    candidate: int
    start_s: float
    length_s: float
    fate: Fate


OUTAGES = st.builds(
    Outage,
    st.integers(0, 2),
    st.floats(0, 60),
    st.floats(1, 60),
    st.sampled_from(
        [
            Fate(lost=True),
            Fate(refused=True),
            Fate(there_s=1e6),
            Fate(there_s=6.0),
            Fate(back_s=4.9),
            Fate(there_s=12.0, back_s=12.0),
        ]
    ),
)


@given(st.lists(OUTAGES, min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_two_never_lead_whatever_the_network_does(outages: list[Outage]) -> None:
    def fate(name: str, now: float) -> Fate:
        mine = (o for o in outages if name == f"c{o.candidate}")
        hit = (o.fate for o in mine if o.start_s <= now < o.start_s + o.length_s)
        return next(hit, Fate())

    sim = Sim(["c0", "c1", "c2"], fate)
    sim.run(250.0)
    # The network is well again at the end: somebody leads.
    assert len(sim.leaders()) == 1
