"""How many writes are begun while the API server forbids them."""

from controller.restraint import FIRST_PAUSE_S, LONGEST_PAUSE_S, Restraint


def test_one_probe_at_a_time_with_pauses_that_double_to_a_minute() -> None:
    restraint, now, begun = Restraint(), 0.0, []
    assert restraint.allowance(now, 3, 32) == 29
    for _ in range(15):
        restraint.refused(now)
        at = restraint.next_at(now)
        assert at is not None
        assert restraint.allowance(now, 0, 32) == 0
        begun.append(at - now)
        now = at
        assert restraint.allowance(now, 1, 32) == 0
        assert restraint.allowance(now, 0, 32) == 1

    assert [round(each / FIRST_PAUSE_S) for each in begun[:4]] == [1, 2, 4, 8]
    assert round(begun[-1]) == LONGEST_PAUSE_S


def test_writes_begun_before_the_pause_do_not_lengthen_it() -> None:
    restraint = Restraint()
    for _ in range(32):
        restraint.refused(5.0)

    assert restraint.next_at(5.0) == 5.0 + FIRST_PAUSE_S


def test_first_write_that_is_taken_ends_it() -> None:
    restraint = Restraint()
    restraint.refused(0.0)
    restraint.accepted()

    assert not restraint.forbidden
    assert restraint.next_at(0.0) is None
    assert restraint.allowance(0.0, 0, 32) == 32
