from dataclasses import replace

from speaker.brain.contacts import HISTORY, Contacts, Standing
from speaker.seam.messages import NeighbourReport


def heard(*, alive: bool = True, draining: bool = False, two_way: bool = True) -> NeighbourReport:
    return NeighbourReport("node2", "lan0", alive, two_way, 100, draining)


def test_each_change_of_a_neighbour_is_kept_once_with_its_time() -> None:
    contacts = Contacts()
    contacts.take(heard(two_way=False), 1.0)
    contacts.take(heard(), 1.5)
    contacts.take(heard(draining=True), 2.0)
    contacts.take(heard(alive=False), 3.0)
    contacts.take(heard(alive=False, draining=True), 3.5)
    contacts.take(heard(), 4.0)
    assert [(each.standing, each.at) for each in contacts.all()] == [
        (Standing.ALIVE, 1.0),
        (Standing.DRAINING, 2.0),
        (Standing.SILENT, 3.0),
        (Standing.ALIVE, 4.0),
    ]
    assert {(each.node, each.interface) for each in contacts.all()} == {("node2", "lan0")}


def test_neighbours_that_fell_silent_for_ever_take_no_memory_but_the_history() -> None:
    contacts = Contacts()
    for number in range(2 * HISTORY):
        report = replace(heard(), node=f"node{number}")
        contacts.take(report, number)
        contacts.take(replace(report, alive=False), number)
    assert len(contacts.all()) == HISTORY
    assert not contacts._standing


def test_who_is_first_heard_of_as_silent_has_not_fallen_silent() -> None:
    contacts = Contacts()
    contacts.take(heard(alive=False), 1.0)
    assert contacts.all() == []


def test_a_neighbour_that_comes_and_goes_for_ever_takes_no_more_memory() -> None:
    contacts = Contacts()
    for number in range(HISTORY + 10):
        contacts.take(heard(alive=number % 2 == 0), number)
    assert len(contacts.all()) == HISTORY
    assert contacts.all()[-1].at == HISTORY + 9
