"""Whatever a client sends, the server answers with a refusal or takes it; it never fails."""

import json
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netns_lab.control_plane.api import Api, Source
from netns_lab.control_plane.core import Core
from netns_lab.control_plane.listing import Watch
from netns_lab.control_plane.paths import Request
from netns_lab.control_plane.rest import Response, answer
from netns_lab.control_plane.shapes import SHAPES, Map

COLLECTIONS = {
    "Service": "/api/v1/namespaces/default/services",
    "Pod": "/api/v1/namespaces/default/pods",
    "Node": "/api/v1/nodes",
    "Secret": "/api/v1/namespaces/default/secrets",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
    "Deployment": "/apis/apps/v1/namespaces/default/deployments",
    "DaemonSet": "/apis/apps/v1/namespaces/default/daemonsets",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/default/leases",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "IPAddressPool": "/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools",
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 70000) | st.sampled_from(["", "a", "IPv4", "TCP"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "name", "spec", "metadata"]), inner, max_size=2)
    ),
    max_leaves=4,
)
WORDS = st.sampled_from(["a", "LoadBalancer", "Local", "IPv6", "Exists", "10.96.0.9"])


def shaped(shape: Any) -> st.SearchStrategy[Any]:
    """Values that fit a shape more often than not, so that junk gets past the first check."""
    if isinstance(shape, Map):
        return st.dictionaries(WORDS, shaped(shape.values), max_size=2)
    if isinstance(shape, list):
        return st.lists(shaped(shape[0]), max_size=2)
    if isinstance(shape, dict):
        inner = {key: shaped(each) for key, each in shape.items()}
        fields = {key: st.one_of(fits, fits, JSON) for key, fits in inner.items()}
        return st.fixed_dictionaries({}, optional=fields)
    plain = {str: WORDS, int: st.integers(-1, 70000), bool: st.booleans(), dict: st.just({})}
    return plain.get(shape, st.integers(0, 9) | WORDS)


def fresh() -> Core:
    numbers = count()
    source = Source(
        now=lambda: "2026-01-01T00:00:00Z",
        uid=lambda: f"uid-{next(numbers)}",
        suffix=lambda: f"{next(numbers):05}",
        deadline=lambda _: "2026-01-01T00:00:30Z",
    )
    core = Core(source, lambda: None)
    core.fill()
    return core


@pytest.fixture(scope="module")
def server() -> Core:
    """Shared by the tests whose requests store nothing."""
    return fresh()


def send(api: Api, method: str, path: str, body: Any, kind: str = "application/json") -> int:
    request = Request(method, path, {}, kind, "", json.dumps(body).encode())
    reply = answer(api, request, lambda: None)
    assert isinstance(reply, Response)
    return reply.code


def objects(kind: str) -> st.SearchStrategy[Any]:
    bodies = shaped(SHAPES.get(kind, {"spec": {"addresses": [str]}}))
    return st.one_of(JSON, bodies, bodies)


@pytest.mark.parametrize("kind", COLLECTIONS)
def test_junk_objects_and_patches_are_refused_or_taken(kind: str) -> None:
    collection = COLLECTIONS[kind]
    server = fresh()
    settle(server)
    junk = objects(kind)

    @settings(max_examples=12, deadline=None)
    @given(body=junk, patch=junk)
    def check(body: Any, patch: Any) -> None:
        if isinstance(body, dict):
            body["metadata"] = {"name": "junk"}
        codes = [
            send(server.api, "POST", collection, body),
            *(
                send(server.api, "PATCH", f"{collection}/junk", patch, f"application/{each}+json")
                for each in ("merge-patch", "strategic-merge-patch", "json-patch")
            ),
            send(server.api, "PATCH", f"{collection}/junk/status", patch, "application/json-patch"),
            send(server.api, "PUT", f"{collection}/junk", body),
        ]
        settle(server)
        codes.append(send(server.api, "DELETE", f"{collection}/junk", patch))
        codes.append(send(server.api, "DELETE", f"{collection}/junk", {"gracePeriodSeconds": 0}))
        settle(server)
        assert all(200 <= code < 500 for code in codes), codes

    check()


def settle(server: Core) -> None:
    """Run the controllers until they have nothing left to do."""
    while not server.controllers.idle:
        server.controllers.run()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        pytest.param({"limit": "many"}, 400, id="limit in words"),
        pytest.param({"continue": "junk"}, 400, id="token of nobody"),
        pytest.param({"resourceVersion": "-1"}, 400, id="negative version"),
        pytest.param({"labelSelector": "a in ("}, 400, id="half a set"),
        pytest.param({"labelSelector": "=,=,="}, 400, id="no keys"),
        pytest.param({"fieldSelector": "metadata.name"}, 400, id="no value"),
    ],
)
def test_junk_queries_are_refused(server: Core, query: dict[str, str], code: int) -> None:
    reply = answer(server.api, Request("GET", "/api/v1/services", query), lambda: None)

    assert isinstance(reply, Response)
    assert reply.code == code


@pytest.mark.parametrize(
    "path", ["/", "/api", "/apis/", "/api/v2", "/apis/x", "/api/v1/a/b/c/d/e", "/%00", "//"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_path_has_an_answer(server: Core, method: str, path: str) -> None:
    reply = answer(server.api, Request(method, path, body=b"{}"), lambda: None)

    assert isinstance(reply, Response)
    assert reply.code < 500


def test_a_watcher_that_reads_nothing_is_ended_before_it_eats_the_memory() -> None:
    server = fresh()
    woken: list[bool] = []
    wake: Callable[[], None] = lambda: woken.append(True)  # noqa: E731
    path = "/api/v1/namespaces/default/configmaps"
    watch = answer(server.api, Request("GET", path, {"watch": "1"}), wake)
    assert isinstance(watch, Watch)
    big = {"metadata": {"generateName": "big-"}, "data": {"k": "x" * (4 << 20)}}
    for _ in range(9):
        send(server.api, "POST", path, big)

    assert watch.ended
    assert woken
    assert len(server.store.table("/configmaps").listeners) == 0
