"""What a hello is worth: liveness, echoes, recordings, restarts, caps."""

import pytest

from speaker.hello.neighbours import MAX_NEIGHBOURS, MAX_RETIRED, Heard, Neighbours, Standing
from speaker.hello.packet import DropReason, Hello

ME = 77
MAC = bytes(6)
HORIZON_S = 0.3


class Bench:
    """Neighbours of a node that sends its sequence n at n x 0.1 s."""

    def __init__(self) -> None:
        self.neighbours = Neighbours(boot_id=ME, multiplier=3)
        self.now = 0.0

    def sent_at(self, sequence: int) -> float | None:
        return sequence * 0.1 if 0 < sequence <= self.now * 10 + 1 else None

    def hear(
        self,
        node: str = "n1",
        *,
        boot_id: int = 1,
        sequence: int,
        echo: int | None = None,
        third: tuple[int, int] | None = None,
        interval_ms: int = 100,
    ) -> DropReason | Heard:
        echoes = {} if echo is None else {ME: (echo, 0)}
        if third is not None:
            echoes[third[0]] = (third[1], 0)
        hello = Hello(node, boot_id, sequence, interval_ms, echoes=echoes)
        heard = self.neighbours.receive(hello, MAC, self.now, self.sent_at)
        self.refresh()
        return heard

    def refresh(self, at: float | None = None) -> None:
        self.now = self.now if at is None else at
        self.neighbours.refresh(self.now, HORIZON_S)

    def standing(self, node: str = "n1") -> Standing:
        return self.neighbours.by_node[node].standing


def two_way() -> Bench:
    bench = Bench()
    bench.now = 10.0
    bench.hear(sequence=100, echo=99)
    assert bench.standing() is Standing.TWO_WAY
    return bench


def test_a_neighbour_is_dead_after_three_of_its_intervals() -> None:
    bench = two_way()
    bench.refresh(10.299)
    assert bench.standing() is Standing.TWO_WAY
    assert bench.neighbours.next_check() <= 10.3
    bench.refresh(10.3001)
    assert bench.standing() is Standing.DEAD


def test_a_neighbour_that_echoes_nobody_is_deaf() -> None:
    bench = Bench()
    bench.hear(sequence=1)
    assert bench.standing() is Standing.DEAF


def test_an_old_echo_is_no_proof() -> None:
    bench = Bench()
    bench.now = 10.0
    bench.hear(sequence=1, echo=90)
    assert bench.standing() is Standing.UNPROVEN


def test_an_echo_of_an_earlier_boot_of_mine_is_no_proof() -> None:
    bench = Bench()
    bench.now = 10.0
    bench.hear(sequence=1, third=(ME - 1, 99))
    assert bench.standing() is Standing.UNPROVEN


def test_a_third_nodes_recent_sequence_vouches() -> None:
    bench = two_way()
    bench.hear("n2", boot_id=2, sequence=5, third=(1, 100))
    assert bench.standing("n2") is Standing.HEARD


def test_a_third_nodes_old_sequence_does_not() -> None:
    bench = two_way()
    for step in range(101, 200):
        bench.now = step / 10
        bench.hear(sequence=step, echo=step - 1)
    bench.hear("n2", boot_id=2, sequence=5, third=(1, 100))
    assert bench.standing("n2") is Standing.UNPROVEN


@pytest.mark.parametrize("sequence", [100, 99, 1])
def test_a_replayed_hello_is_dropped(sequence: int) -> None:
    bench = two_way()
    assert bench.hear(sequence=sequence, echo=99) is DropReason.REPLAYED


def test_a_recording_of_the_dead_keeps_nobody_alive() -> None:
    bench = two_way()
    bench.refresh(11.0)
    assert bench.hear(sequence=100, echo=99) is DropReason.REPLAYED
    assert bench.standing() is Standing.DEAD


def test_an_old_boot_does_not_displace_the_living_one() -> None:
    bench = two_way()
    assert bench.hear(boot_id=9, sequence=500) is DropReason.OLD_BOOT
    assert bench.neighbours.by_node["n1"].boot_id == 1
    assert bench.neighbours.by_node["n1"].successor == (9, 500)


def test_a_new_process_that_echoes_me_succeeds_at_once() -> None:
    bench = two_way()
    heard = bench.hear(boot_id=9, sequence=1, echo=100)
    assert isinstance(heard, Heard)
    assert heard.gone is not None
    assert heard.gone.boot_id == 1
    assert bench.standing() is Standing.TWO_WAY


def test_a_recording_of_the_succeeded_process_is_worth_nothing() -> None:
    bench = two_way()
    bench.hear(boot_id=9, sequence=1, echo=100)
    bench.refresh(12.0)
    assert bench.hear(boot_id=1, sequence=100, echo=99) is DropReason.REPLAYED
    assert bench.hear(boot_id=1, sequence=150, third=(ME - 1, 99)) is DropReason.OLD_BOOT


def test_seen_loss_widens_the_detection_time() -> None:
    bench = two_way()
    for step in range(100, 160):
        bench.now += 0.2
        bench.hear(sequence=100 + (step - 99) * 2, echo=round(bench.now * 10) - 1)
    neighbour = bench.neighbours.by_node["n1"]
    assert neighbour.loss > 0.2
    assert neighbour.multiplier(3) > 5


def test_one_lost_hello_does_not() -> None:
    bench = two_way()
    for step in range(101, 200):
        bench.now += 0.1
        bench.hear(sequence=step, echo=round(bench.now * 10) - 1)
    bench.now += 0.2
    bench.hear(sequence=201, echo=round(bench.now * 10) - 1)
    assert bench.neighbours.by_node["n1"].multiplier(3) == 3


def test_own_lateness_is_forgiven() -> None:
    bench = two_way()
    bench.neighbours.forgive(10.5)
    bench.refresh(10.45)
    assert bench.standing() is not Standing.DEAD
    bench.refresh(10.51)
    assert bench.standing() is Standing.DEAD


def test_the_table_of_neighbours_is_capped_and_the_longest_dead_goes() -> None:
    bench = Bench()
    for number in range(MAX_NEIGHBOURS):
        bench.now = number / 1000
        bench.hear(f"n{number}", boot_id=100 + number, sequence=1)
    assert bench.hear("extra", boot_id=9, sequence=1) is DropReason.TABLE_FULL
    bench.refresh(5.0)
    heard = bench.hear("extra", boot_id=9, sequence=1)
    assert isinstance(heard, Heard)
    assert heard.gone is not None
    assert heard.gone.node == "n0"
    assert len(bench.neighbours.by_node) == MAX_NEIGHBOURS


def test_remembered_boots_are_capped() -> None:
    bench = Bench()
    for number in range(1, MAX_RETIRED + 10):
        bench.now = number
        bench.hear(boot_id=number, sequence=1, echo=number * 10)
    assert len(bench.neighbours._retired) == MAX_RETIRED


def test_an_absurd_interval_keeps_nobody_alive_for_minutes() -> None:
    bench = Bench()
    bench.hear(sequence=1, interval_ms=65_535)
    bench.refresh(31.0)
    assert bench.standing() is Standing.DEAD
