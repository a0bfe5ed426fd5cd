"""Requests are found in any cutting of the stream, and every byte comes out again."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netns_lab.faults.requests import NotHttpError, Request, RequestStream

GET = b"GET /api/v1/services?watch=1&limit=5 HTTP/1.1\r\nHost: x\r\nUser-Agent: brain/1\r\n\r\n"
PUT = (
    b"PUT /api/v1/namespaces/default/services/web/status HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
)
CHUNKED = (
    b"POST /apis/metallb.io/v1beta1/namespaces/m/ipaddresspools HTTP/1.1\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
)


def _read(pieces: list[bytes]) -> tuple[list[Request], bytes]:
    stream = RequestStream()
    found = [piece for data in pieces for piece in stream.feed(data)]
    return [p.begins for p in found if p.begins], b"".join(p.raw for p in found)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, len(GET + PUT + CHUNKED + GET)), max_size=8))
def test_any_cutting_gives_the_same_requests_and_all_bytes(cuts: list[int]) -> None:
    whole = GET + PUT + CHUNKED + GET
    edges = [0, *sorted(cuts), len(whole)]

    requests, raw = _read([whole[a:b] for a, b in pairwise(edges)])

    assert raw == whole
    assert [(r.verb, r.resource) for r in requests] == [
        ("watch", "services"),
        ("update", "services/status"),
        ("create", "ipaddresspools"),
        ("watch", "services"),
    ]
    assert requests[0].agent == "brain/1"


@pytest.mark.parametrize(
    ("method", "target", "verb", "resource"),
    [
        pytest.param("GET", "/api/v1/nodes", "list", "nodes", id="cluster-wide list"),
        pytest.param("GET", "/api/v1/nodes/n1", "get", "nodes", id="one object"),
        pytest.param("GET", "/api/v1/namespaces/x", "get", "namespaces", id="a namespace itself"),
        pytest.param("DELETE", "/api/v1/namespaces/x/pods/p", "delete", "pods", id="delete"),
        pytest.param("GET", "/version", "list", "/version", id="not a resource"),
    ],
)
def test_verb_and_resource_are_read_from_the_path(
    method: str, target: str, verb: str, resource: str
) -> None:
    request = Request(method, target)

    assert (request.verb, request.resource) == (verb, resource)


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\r\n\r\n", id="TLS hello"),
        pytest.param(b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n", id="length in words"),
        pytest.param(
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", id="bad chunk"
        ),
        pytest.param(b"x" * (65 << 10), id="endless head"),
    ],
)
def test_what_is_not_http_is_refused(junk: bytes) -> None:
    with pytest.raises(NotHttpError):
        _read([junk])
