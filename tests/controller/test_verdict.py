"""The controller's ConfigurationState: what it says, and that it says it once."""

from controller.verdict import news_of_faults, verdict_of
from kube.faults import Fault, Reason
from kube.snapshot import Kind
from kube.verdicts import Verdict
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
