"""The proxy between a client and the embedded API server, healthy and in every mode."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from netns_lab.control_plane.pki import Authority
from netns_lab.control_plane.server import EmbeddedServer, embedded
from netns_lab.faults.control import serve_control
from netns_lab.faults.modes import Fault, Mode, OrderError, parse_fault
from netns_lab.faults.proxy import FaultProxy, Upstream
from tests.waiting import until

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
SHORT, PATIENT = aiohttp.ClientTimeout(total=0.15), aiohttp.ClientTimeout(total=60.0)


class Bench:
    """A server, the proxy before it, and a client session on the proxy."""

    def __init__(self, server: EmbeddedServer, proxy: FaultProxy, session: Any) -> None:
        self.server = server
        self.proxy = proxy
        self.session: aiohttp.ClientSession = session

    async def status(self, path: str, **options: Any) -> int:
        async with self.session.get(path, **options) as response:
            await response.read()
            return response.status

    async def create(self, name: str, timeout: aiohttp.ClientTimeout = PATIENT) -> int:
        body = {"metadata": {"name": name}}
        async with self.session.post(CONFIGMAPS, json=body, timeout=timeout) as response:
            return response.status

    def stored(self) -> list[str]:
        return [key[1] for key in self.server.store.table("/configmaps").records]

    async def turn(self) -> None:
        """Ask the server itself something: by then the proxy has seen what happened before."""
        async with aiohttp.request("GET", f"{self.server.url}/version") as response:
            await response.read()

    def watch(self) -> Any:
        version = str(self.server.store.revision)
        return self.session.get(CONFIGMAPS, params={"watch": "1", "resourceVersion": version})


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    async with embedded() as server:
        upstream = urlsplit(server.url)
        proxy = FaultProxy(
            "127.0.0.1", 0, Upstream(str(upstream.hostname), int(upstream.port or 0))
        )
        await proxy.start()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{proxy.port}") as session:
                yield Bench(server, proxy, session)
        finally:
            await proxy.stop()


async def test_a_healthy_proxy_streams_events_as_they_happen() -> None:
    async with bench() as b, b.watch() as watch:
        assert await b.create("a") == 201
        event = json.loads(await watch.content.readline())

        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "a")


async def test_gone_ends_running_watches_and_answers_new_ones_410_while_lists_work() -> None:
    async with bench() as b, b.watch() as running:
        await b.proxy.set_fault(Fault(Mode.GONE))

        assert await running.content.readline() == b""
        async with b.watch() as again:
            event = json.loads(await again.content.readline())
            assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
            assert await again.content.readline() == b""
        assert await b.status(CONFIGMAPS) == 200


async def test_half_a_line_breaks_running_and_new_watches() -> None:
    async with bench() as b, b.watch() as running:
        await b.proxy.set_fault(Fault(Mode.HALF))

        for watch in (running, await b.watch()):
            with pytest.raises(aiohttp.ClientPayloadError):
                await watch.content.readline()
            watch.close()


async def test_half_an_answer_comes_only_to_the_verbs_that_are_named() -> None:
    async with bench() as b:
        await b.proxy.set_fault(Fault(Mode.HALF))
        assert await b.status(CONFIGMAPS) == 200
        await b.proxy.set_fault(Fault(Mode.HALF, verbs=("list",)))
        with pytest.raises(aiohttp.ClientPayloadError):
            await b.status(CONFIGMAPS)


async def test_in_a_hang_requests_take_effect_and_answers_come_when_it_ends() -> None:
    async with bench() as b, b.watch() as watch:
        await b.proxy.set_fault(Fault(Mode.HANG))
        asking = asyncio.create_task(b.create("unanswered"))
        await until(lambda: b.stored() == ["unanswered"])
        await b.turn()
        assert not asking.done()

        await b.proxy.set_fault(Fault())
        assert await asking == 201
        event = json.loads(await watch.content.readline())
        assert event["object"]["metadata"]["name"] == "unanswered"


async def test_in_an_outage_nothing_reaches_the_server_and_given_up_requests_never_do() -> None:
    async with bench() as b:
        await b.proxy.set_fault(Fault(Mode.OUTAGE))
        with pytest.raises(TimeoutError):
            await b.create("given-up", SHORT)
        patient = asyncio.create_task(b.status(CONFIGMAPS))
        await b.turn()
        await b.proxy.set_fault(Fault())

        assert await patient == 200
        assert b.stored() == []


async def test_slow_holds_answers_back() -> None:
    async with bench() as b:
        await b.proxy.set_fault(Fault(Mode.SLOW, delay_ms=30))
        loop = asyncio.get_running_loop()
        before = loop.time()

        assert await b.status(CONFIGMAPS) == 200
        assert loop.time() - before >= 0.029


@pytest.mark.parametrize("mode", [Mode.CLOSE, Mode.REFUSE])
async def test_closed_and_refused_fail_at_once_and_heal(mode: Mode) -> None:
    async with bench() as b, b.watch() as running:
        await b.proxy.set_fault(Fault(mode))
        with pytest.raises(aiohttp.ClientError):
            await running.content.readline()
        with pytest.raises(aiohttp.ClientError):
            await b.create("x")

        await b.proxy.set_fault(Fault())
        assert await b.create("y") == 201


async def test_an_error_can_concern_one_verb_of_one_resource_of_one_client() -> None:
    async with bench() as b:
        await b.proxy.set_fault(
            Fault(Mode.ERROR, match="/configmaps", verbs=("list",), client="brain", code=403)
        )
        brain = {"User-Agent": "brain/1"}

        assert await b.status(CONFIGMAPS, headers=brain) == 403
        assert await b.status(CONFIGMAPS) == 200
        assert await b.status("/api/v1/nodes", headers=brain) == 200
        assert await b.create("written") == 201


async def test_requests_are_counted_by_client_and_verb() -> None:
    async with bench() as b:
        await b.create("a")
        await b.status(CONFIGMAPS)
        await b.status(f"{CONFIGMAPS}/a")

        assert b.proxy.counts.as_json()["clients"] == {
            "127.0.0.1": {"create": 1, "list": 1, "get": 1}
        }


async def test_orders_on_the_socket_switch_count_and_explain_mistakes(tmp_path: Path) -> None:
    async with bench() as b:
        control = await serve_control(b.proxy, tmp_path / "faults.sock")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "faults.sock")

        async def order(**fields: Any) -> dict[str, Any]:
            writer.write(json.dumps(fields).encode() + b"\n")
            answer = json.loads(await reader.readline())
            assert isinstance(answer, dict)
            return answer

        assert (await order(mode="gone", match="/services"))["mode"] == "gone"
        assert (await order(get="fault"))["match"] == "/services"
        assert "there are: pass, gone" in (await order(mode="gon"))["error"]
        await b.status("/api/v1/services")
        assert (await order(get="counts"))["clients"]["127.0.0.1"] == {"list": 1}
        assert (await order(reset="counts")) == {"ok": True}
        assert (await order(get="counts"))["clients"] == {}
        writer.close()
        control.close()


@pytest.mark.parametrize(
    "order",
    [
        pytest.param({"mode": "refuse", "match": "/x"}, id="a closed port spares nobody"),
        pytest.param({"mode": "slow", "delay": 5}, id="unknown field"),
        pytest.param({"mode": "error", "code": "teapot"}, id="code in words"),
    ],
)
def test_orders_that_make_no_sense_are_refused(order: dict[str, Any]) -> None:
    with pytest.raises(OrderError):
        parse_fault(order)


async def test_over_tls_the_proxy_can_show_another_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    good = authority.issue("good", "server", hosts=("127.0.0.1",))
    bad = authority.issue("bad", "server", hosts=("127.0.0.1",), expired=True)
    listen = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    listen.load_cert_chain(good.certificate, good.key)
    trusting = ssl.create_default_context(cafile=authority.certificate)
    async with embedded() as server:
        upstream = urlsplit(server.url)
        to = Upstream(str(upstream.hostname), int(upstream.port or 0))
        proxy = FaultProxy("127.0.0.1", 0, to, listen)
        await proxy.start()
        url = f"https://127.0.0.1:{proxy.port}/version"
        try:
            async with aiohttp.request("GET", url, ssl=trusting) as response:
                assert response.status == 200
            proxy.use_certificate(bad.certificate, bad.key)
            with pytest.raises(aiohttp.ClientConnectorCertificateError, match="expired"):
                async with aiohttp.request("GET", url, ssl=trusting):
                    pass
        finally:
            await proxy.stop()
