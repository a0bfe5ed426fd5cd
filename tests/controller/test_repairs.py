"""A status that somebody else writes too: put right at once at first, then less and less often."""

from controller.delta import Delta
from controller.news import EventReason
from controller.outcome import Assigned
from controller.repairs import PAUSES_S, PEACE_S, TOLD_AT, Repairs
from kube.objects import Service
from tests.builders import name, service
from tests.controller.cluster import addresses

TAG = {"metallb.io/ip-allocated-from-pool": "p"}
OURS = Assigned(addresses("192.0.2.1"), "p")


class Quarrel:
    """A delta, and somebody who answers each write with one of his own at once."""

    def __init__(self) -> None:
        self.delta = Delta()
        self.version = 0
        self.delta.observe(name("a"), self._stored())
        self.delta.want(name("a"), OURS, (), fresh=True)
        self.told: list[float] = []

    def written(self, now: float, *, foreign: bool = True) -> bool:
        """Let what is due be written, and be overwritten; tell whether there was anything."""
        writes = list(self.delta.next_writes(now, "now", 10))
        for write in writes:
            self.told += [now for n in write.news if n.reason is EventReason.STATUS_OVERWRITTEN]
            self.delta.written(write, self._stored("192.0.2.1", annotations=TAG))
            if foreign:
                self.overwrite()
        return bool(writes)

    def overwrite(self) -> None:
        """Write another address, as somebody else does."""
        self.delta.observe(name("a"), self._stored("203.0.113.9", annotations=TAG))

    def _stored(self, *ingress: str, **changes: object) -> Service:
        self.version += 1
        return service("a", resource_version=str(self.version), ingress=ingress, **changes)


def test_each_repair_of_a_quarrel_comes_later_than_the_one_before() -> None:
    quarrel, now, gaps = Quarrel(), 0.0, []
    assert quarrel.written(now)
    for _ in range(8):
        began = now
        while not quarrel.written(now):
            deadline = quarrel.delta.next_deadline()
            assert deadline is not None
            assert deadline > now
            now = deadline
        gaps.append(now - began)

    assert gaps == [*PAUSES_S, PAUSES_S[-1], PAUSES_S[-1]]


def test_owner_is_told_once_of_a_quarrel() -> None:
    quarrel = Quarrel()
    written = [now for now in range(200) if quarrel.written(float(now))]

    assert quarrel.told == [float(written[TOLD_AT])]


def test_new_decision_is_written_in_the_middle_of_a_quarrel() -> None:
    quarrel = Quarrel()
    while quarrel.written(0.0):
        pass

    quarrel.delta.want(name("a"), Assigned(addresses("192.0.2.2"), "p"), (), fresh=True)

    assert quarrel.written(0.0)


def test_quarrel_that_is_over_is_forgotten() -> None:
    quarrel = Quarrel()
    while quarrel.written(0.0):
        pass
    assert quarrel.written(5.0, foreign=False)
    assert not quarrel.written(5.0 + PEACE_S)

    quarrel.overwrite()

    assert quarrel.written(5.0 + PEACE_S)


def test_write_that_was_not_done_is_no_repair() -> None:
    repairs = Repairs()
    for now in range(9):
        assert repairs.not_before(name("a"), OURS, float(now)) == float(now)
        assert not repairs.written(name("a"), OURS, float(now))
        repairs.forget(name("a"))
