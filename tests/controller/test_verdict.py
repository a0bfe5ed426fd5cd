"""The controller's ConfigurationState: what it says, and that it says it once."""

from collections import Counter

import pytest

from controller.verdict import MAX_TOLD, news_of_faults, refusal_in, refusal_words, verdict_of
from kube.api import ApiError
from kube.faults import Fault, Reason
from kube.snapshot import Kind
from kube.verdicts import Verdict
from tests.builders import name
from tests.controller.cluster import pool_name

BAD = Fault(Kind.IP_ADDRESS_POOL, pool_name("bad"), "spec.addresses", "no range", Reason.BAD_RANGE)
ADVICE = Fault(
    Kind.IP_ADDRESS_POOL, pool_name("odd"), "spec", "odd", Reason.NO_EFFECT, refused=False
)
PEER = Fault(Kind.BGP_PEER, pool_name("peer"), "spec", "wrong", Reason.CONFLICT)


def test_only_refused_pools_count() -> None:
    verdict = verdict_of([ADVICE, PEER, BAD])

    assert verdict.lines == ("IPAddressPool metallb-system/bad: spec.addresses: no range",)


def test_valid_and_invalid() -> None:
    assert Verdict().status("now")["result"] == "Valid"
    status = verdict_of([BAD]).status("now")
    assert status["result"] == "Invalid"
    [condition] = status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "ConfigurationError")


def test_advice_is_in_the_conditions_message_and_refuses_nothing() -> None:
    verdict = Verdict(notes=("an unknown pool",))
    status = verdict.status("now")
    [condition] = status["conditions"]

    assert (status["result"], status["errorSummary"]) == ("Valid", "")
    assert (condition["status"], condition["message"]) == ("True", "advice: an unknown pool")
    assert verdict.shown_by(status)
    assert not verdict.shown_by(Verdict().status("now"))
    assert not Verdict().shown_by(status)


def test_what_is_shown_needs_no_write() -> None:
    verdict = verdict_of([BAD])

    assert verdict.shown_by(verdict.status("earlier"))
    assert not verdict.shown_by(Verdict().status("earlier"))
    assert not verdict.shown_by({})
    assert Verdict().shown_by({"result": "Valid"})


def test_event_for_what_is_new_only() -> None:
    [news] = news_of_faults([BAD, ADVICE, PEER], {pool_name("bad"): "uid"}, "")

    assert (news.kind, news.object, news.uid) == ("IPAddressPool", pool_name("bad"), "uid")
    assert news_of_faults([BAD], {}, verdict_of([BAD]).summary) == ()


def test_thousands_of_faults_make_no_object_too_large() -> None:
    many = [
        Fault(Kind.IP_ADDRESS_POOL, pool_name(f"p{i}"), "spec", "x" * 100, Reason.BAD_RANGE)
        for i in range(1000)
    ]

    assert len(verdict_of(many).summary) <= 8192


def test_refused_writes_are_one_line_whatever_their_number() -> None:
    refusals = {name(f"s{i}"): "403 Forbidden: services is forbidden" for i in range(9)}
    verdict = verdict_of([BAD], refusals)

    line = verdict.lines[1]
    assert "status of Service default/s0, and of others: 403 Forbidden" in line
    assert len(verdict.lines) == 2
    assert refusal_in(verdict.summary) == line
    assert refusal_in(verdict_of([BAD]).summary) == ""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(ApiError(403, "Forbidden", "no"), "403 Forbidden: no", id="a role"),
        pytest.param(ApiError(409, "Conflict", "old"), "", id="a conflict"),
        pytest.param(ApiError(0, "Timeout", "late"), "", id="no answer"),
    ],
)
def test_only_what_would_be_refused_again_is_a_refusal(error: ApiError, words: str) -> None:
    assert refusal_words(error) == words


def test_pool_of_thousands_of_bad_ranges_is_told_of_in_a_few_events() -> None:
    def faults(text: str) -> list[Fault]:
        return [
            Fault(
                Kind.IP_ADDRESS_POOL,
                pool_name(text),
                f"spec.addresses[{i}]",
                "no range",
                Reason.BAD_RANGE,
            )
            for i in range(1000)
        ]

    told = Counter(
        each.object.name for each in news_of_faults([*faults("a"), *faults("b")], {}, "")
    )

    assert told == {"a": MAX_TOLD, "b": MAX_TOLD}
