"""What the brain keeps of the counters that the other processes tell in parts."""

from speaker.brain.counts.driver import Counts
from speaker.seam.messages import Counters


def test_a_process_has_counted_when_all_parts_are_here() -> None:
    counts = Counts(())
    counts.take("wire", Counters({"old": 1}))
    counts.take("wire", Counters({"a": 1}, 0, more=True))
    counts.take("bgp", Counters({"x": 1}))
    counts.take("wire", Counters({"b": 2}, 1, more=True))
    assert counts.of("wire") == {"old": 1}
    counts.take("wire", Counters({"c": 3}, 2))
    assert counts.of("wire") == {"a": 1, "b": 2, "c": 3}
    assert counts.of("bgp") == {"x": 1}


def test_parts_that_follow_on_nothing_are_dropped() -> None:
    counts = Counts(())
    counts.take("wire", Counters({"a": 1}, 0, more=True))
    counts.take("wire", Counters({"c": 3}, 2, more=True))  # another connection than the first
    counts.take("wire", Counters({"d": 4}, 3))
    assert counts.of("wire") == {}
    counts.take("wire", Counters({"e": 5}, 0, more=True))
    counts.take("wire", Counters({"f": 6}, 1))
    assert counts.of("wire") == {"e": 5, "f": 6}
