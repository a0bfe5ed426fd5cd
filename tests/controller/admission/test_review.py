"""Reviews are read, junk is called so, and answers are what the API server takes."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.admission.review import (
    MAX_WARNING,
    Judgement,
    JunkError,
    Operation,
    answer,
    parse_review,
)
from kube.objects import ObjectName
from kube.snapshot import Kind
from tests.builders import HERALD
from tests.controller.admission.reviews import body, review, written

POOL = written("IPAddressPool", "first", {"addresses": ["192.0.2.0/24"]})
GOOD = review("CREATE", POOL)


def changed(path: str, value: Any) -> bytes:
    """The good review with one field changed."""
    copy = json.loads(body(GOOD))
    *parents, last = path.split(".")
    place = copy
    for each in parents:
        place = place[each]
    place[last] = value
    return body(copy)


def test_request_names_what_is_to_be_judged() -> None:
    request = parse_review(body(GOOD))
    assert (request.operation, request.kind) == (Operation.CREATE, Kind.IP_ADDRESS_POOL)
    assert request.name == ObjectName(HERALD, "first")
    assert request.obj == POOL


def test_what_is_deleted_is_the_old_object() -> None:
    request = parse_review(body(review("DELETE", None, POOL)))
    assert request.obj == POOL


def test_object_without_a_name_yet_goes_by_its_prefix() -> None:
    unnamed = {**POOL, "metadata": {"generateName": "pool-", "namespace": HERALD}}
    assert parse_review(body(review("CREATE", unnamed))).name.name == "pool-"


@pytest.mark.parametrize(
    ("junk", "lacks"),
    [
        pytest.param(b"", "no JSON", id="nothing"),
        pytest.param(b"\xff\xfe\x00junk", "no JSON", id="bytes"),
        pytest.param(b'{"kind": "AdmissionReview"', "no JSON", id="half a review"),
        pytest.param(b"[" * 100_000, "nested", id="a pit of brackets"),
        pytest.param(b"null", "no AdmissionReview", id="null"),
        pytest.param(b"[]", "no AdmissionReview", id="a list"),
        pytest.param(body(POOL), "no AdmissionReview", id="the object alone"),
        pytest.param(changed("apiVersion", "admission.k8s.io/v1beta1"), "only", id="version"),
        pytest.param(changed("request", None), "request is missing", id="no request"),
        pytest.param(changed("request.uid", 5), "uid", id="uid is no text"),
        pytest.param(changed("request.operation", "CONNECT"), "CONNECT", id="operation"),
        pytest.param(changed("request.operation", {}), "operation", id="operation is an object"),
        pytest.param(changed("request.kind", "Pod"), "kind is missing", id="kind is a text"),
        pytest.param(
            changed("request.kind", {"group": "", "kind": "Pod"}), "not judged here", id="a Pod"
        ),
        pytest.param(changed("request.object", None), "object is missing", id="no object"),
        pytest.param(changed("request.operation", "UPDATE"), "oldObject", id="no old object"),
        pytest.param(changed("request.object.metadata", 1), "metadata", id="metadata is a number"),
        pytest.param(changed("request.name", [1]), "no name", id="name is a list"),
    ],
)
def test_junk_is_refused_with_what_it_lacks(junk: bytes, lacks: str) -> None:
    with pytest.raises(JunkError, match=lacks):
        parse_review(junk)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(body(GOOD)) - 1), st.binary(max_size=4))
def test_damaged_review_is_a_review_or_junk(position: int, damage: bytes) -> None:
    whole = body(GOOD)
    with suppress(JunkError):
        parse_review(whole[:position] + damage + whole[position + len(damage) :])


def test_every_truncation_of_a_review_is_junk() -> None:
    whole = body(GOOD)
    for length in range(len(whole)):
        with pytest.raises(JunkError):
            parse_review(whole[:length])


def test_refusal_has_the_sentences_and_an_allowance_none() -> None:
    request = parse_review(body(GOOD))
    refused = answer(request, Judgement(("one", "two")))
    assert (refused["apiVersion"], refused["kind"]) == (GOOD["apiVersion"], "AdmissionReview")
    assert refused["response"] == {
        "uid": GOOD["request"]["uid"],
        "allowed": False,
        "status": {"code": 422, "reason": "Invalid", "message": "one; two"},
    }
    assert answer(request, Judgement())["response"] == {"uid": request.uid, "allowed": True}


def test_warnings_are_few_and_short() -> None:
    many = answer(parse_review(body(GOOD)), Judgement((), ("x" * 9999,) * 9999))
    assert sum(map(len, many["response"]["warnings"])) <= 4096
    assert max(map(len, many["response"]["warnings"])) == MAX_WARNING
