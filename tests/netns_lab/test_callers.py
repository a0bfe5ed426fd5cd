from netns_lab.callers import Experience, Fetch, bodies, experience


def fetches(*bodies_: str | None, every_s: float = 0.02) -> tuple[Fetch, ...]:
    return tuple(Fetch(i * every_s, body) for i, body in enumerate(bodies_))


def test_client_that_was_always_served_met_no_gap() -> None:
    assert experience(fetches("web1", "web2")) == Experience(2, 0, 0.0)


def test_gap_runs_from_the_last_good_try_to_the_next() -> None:
    met = experience(fetches("web1", None, None, "web1", None, "web2"))
    assert met.tries == 6
    assert met.failed == 3
    assert round(met.longest_gap_ms) == 60


def test_failures_before_the_first_answer_are_no_gap() -> None:
    assert experience(fetches(None, "web1")).longest_gap_ms == 0


def test_answers_of_late_tries_only() -> None:
    assert bodies(fetches("web1", "web2", None, "web3"), since=0.02) == {"web2", "web3"}
