"""The client against a real HTTP server on loopback: deadlines, errors, credentials."""

import asyncio
import gc
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from kube.client import ApiError, Client, CredentialsError, Patch
from netns_lab.control_plane.server import embedded
from tests.quiet import watch_of_a_quiet_kind_ends_in_time

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    port: int
    asked: list[tuple[web.Request, str]] = field(default_factory=list)


def kubeconfig(folder: Path, port: int, user: str = "token: sesame") -> str:
    file = folder / "kubeconfig"
    file.write_text(
        f"""
apiVersion: v1
kind: Config
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: u, user: {{{user}}}}}]
"""
    )
    return str(file)


@asynccontextmanager
async def serve(handler: Handler) -> AsyncGenerator[Server, None]:
    server = Server(0)

    async def answer(request: web.Request) -> web.StreamResponse:
        server.asked.append((request, await request.text()))
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def talking(tmp_path: Path, handler: Handler) -> AsyncGenerator[tuple[Client, Server], None]:
    async with serve(handler) as server, Client.connect(kubeconfig(tmp_path, server.port)) as c:
        yield c, server


async def ok(_: web.Request) -> web.Response:
    return web.json_response({"kind": "Thing"})


async def stuck(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def test_request_carries_the_token_and_says_who_asks(tmp_path: Path) -> None:
    async with talking(tmp_path, ok) as (client, server):
        assert await client.get("/x") == {"kind": "Thing"}
    headers = server.asked[0][0].headers
    assert headers["Authorization"].lower() == "bearer sesame"
    assert headers["User-Agent"] == "herald"


async def test_token_file_is_read_anew_for_each_request(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    async with serve(ok) as server:
        config = kubeconfig(tmp_path, server.port, "tokenFile: token")
        async with Client.connect(config) as client:
            await client.get("/x")
            token.write_text("two\n")
            await client.get("/x")
    seen = [request.headers["Authorization"] for request, _ in server.asked]
    assert seen == ["Bearer one", "Bearer two"]


async def test_missing_kubeconfig_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="--kubeconfig"):
        async with Client.connect(str(tmp_path / "none")):
            pass


async def test_error_has_the_words_of_the_server(tmp_path: Path) -> None:
    async def conflict(_: web.Request) -> web.Response:
        status = {"kind": "Status", "reason": "Conflict", "message": "the object was modified"}
        return web.json_response(status, status=409)

    async with talking(tmp_path, conflict) as (client, _):
        with pytest.raises(ApiError) as caught:
            await client.replace("/x", {})
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    assert caught.value.conflict
    assert client.requests["PUT", 409] == 1


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html>", id="HTML"),
        pytest.param(b'{"kind": "Thi', id="half an object"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"\xff", id="not UTF-8"),
    ],
)
async def test_answer_that_is_no_object_is_an_error(tmp_path: Path, body: bytes) -> None:
    async def junk(_: web.Request) -> web.Response:
        return web.Response(body=body)

    async with talking(tmp_path, junk) as (client, _):
        with pytest.raises(ApiError) as caught:
            await client.get("/x")
    assert (caught.value.status, caught.value.reason) == (0, "BadAnswer")


async def test_list_without_items_is_never_an_empty_one(tmp_path: Path) -> None:
    async with talking(tmp_path, ok) as (client, _):
        with pytest.raises(ApiError, match="without items"):
            await anext(client.list_pages("/x"))


async def test_hanging_server_costs_the_deadline_and_no_more(tmp_path: Path) -> None:
    async with talking(tmp_path, stuck) as (client, _):
        with pytest.raises(ApiError) as caught:
            await client.get("/x", timeout_s=0.05)
    assert (caught.value.status, caught.value.reason) == (0, "Timeout")


async def test_closed_port_is_unreachable(tmp_path: Path) -> None:
    async with serve(ok) as server:
        config = kubeconfig(tmp_path, server.port)
    async with Client.connect(config) as client:
        with pytest.raises(ApiError) as caught:
            await client.get("/x")
    assert (caught.value.status, caught.value.reason) == (0, "Unreachable")
    assert client.requests["GET", 0] == 1


async def test_list_goes_on_page_by_page_with_the_collector_off(tmp_path: Path) -> None:
    async def page(request: web.Request) -> web.Response:
        assert request.query["limit"] == "2"
        assert request.query["fieldSelector"] == "spec.type=LoadBalancer"
        last = request.query.get("continue") == "more"
        meta = {"resourceVersion": "9"} | ({} if last else {"continue": "more"})
        items = [{"a": 3}] if last else [{"a": 1}, {"a": 2}]
        return web.json_response({"metadata": meta, "items": items})

    found: list[int] = []
    async with talking(tmp_path, page) as (client, _):
        pages = client.list_pages("/x", limit=2, field_selector="spec.type=LoadBalancer")
        async with aclosing(pages):
            async for each in pages:
                assert not gc.isenabled()
                found += [item["a"] for item in each.items]
                assert each.resource_version == "9"
    assert gc.isenabled()
    assert found == [1, 2, 3]


async def test_collector_runs_again_after_a_list_that_failed(tmp_path: Path) -> None:
    async with talking(tmp_path, ok) as (client, _):
        with pytest.raises(ApiError):
            await anext(client.list_pages("/x"))
    assert gc.isenabled()


@pytest.mark.parametrize("kind", list(Patch))
async def test_patch_names_its_kind(tmp_path: Path, kind: Patch) -> None:
    async with talking(tmp_path, ok) as (client, server):
        await client.patch("/x", {"a": 1}, kind, field_manager="herald")
    request, body = server.asked[0]
    assert request.headers["Content-Type"] == kind.value
    assert request.query["fieldManager"] == "herald"
    assert ("force" in request.query) == (kind is Patch.APPLY)
    assert json.loads(body) == {"a": 1}


async def test_delete_may_be_of_this_very_object_only(tmp_path: Path) -> None:
    async with talking(tmp_path, ok) as (client, server):
        await client.delete("/x", uid="u", resource_version="7")
        await client.delete("/x")
    assert json.loads(server.asked[0][1])["preconditions"] == {"uid": "u", "resourceVersion": "7"}
    assert server.asked[1][1] == ""


async def watch(client: Client, idle_s: float = 60.0) -> list[bytes]:
    lines = client.watch_lines("/x", resource_version="5", watch_s=300, idle_s=idle_s)
    async with aclosing(lines):
        return [line async for line in lines]


async def test_watch_gives_lines_and_half_a_line_as_it_came(tmp_path: Path) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        assert request.query["resourceVersion"] == "5"
        assert request.query["allowWatchBookmarks"] == "true"
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"type":"ADDED"}\n{"ty')
        return response

    async with talking(tmp_path, stream) as (client, _):
        assert await watch(client) == [b"", b'{"type":"ADDED"}\n', b'{"ty']


async def test_silent_watch_ends_with_a_timeout(tmp_path: Path) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        return await stuck(request)

    async with talking(tmp_path, silent) as (client, _):
        with pytest.raises(ApiError, match="Timeout"):
            await watch(client, idle_s=0.05)


async def test_watch_of_a_quiet_kind_ends_in_time(tmp_path: Path) -> None:
    async with embedded() as server:
        name = kubeconfig(tmp_path, int(server.url.rpartition(":")[2]))
        async with Client.connect(name) as client:
            await watch_of_a_quiet_kind_ends_in_time(client)


async def test_watch_that_is_refused_says_so(tmp_path: Path) -> None:
    async def gone(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "reason": "Expired"}, status=410)

    async with talking(tmp_path, gone) as (client, _):
        with pytest.raises(ApiError) as caught:
            await watch(client)
    assert caught.value.status == 410


async def test_line_longer_than_any_object_is_an_error_and_no_crash(tmp_path: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10):
            await response.write(b"x" * 2**20)
        return response

    async with talking(tmp_path, endless) as (client, _):
        with pytest.raises(ApiError, match="BadAnswer"):
            await watch(client)
