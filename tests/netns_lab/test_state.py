import os
from pathlib import Path

from netns_lab.state import Journal, StateFolder, own_start, start_of


def test_journal_survives_writing_and_reading(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "x")
    journal = Journal("x", 3, "embedded", os.getpid(), own_start())
    folder.write_journal(journal)
    assert folder.read_journal() == journal
    assert journal.supervisor_lives


def test_journal_of_another_process_with_the_same_id_is_dead() -> None:
    assert not Journal("x", 3, "embedded", os.getpid(), own_start() - 1).supervisor_lives


def test_half_a_journal_is_none(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.journal.write_text('{"name": "x"')
    assert folder.read_journal() is None


def test_process_that_never_was_has_no_start() -> None:
    assert start_of(2**22 + 1) is None
