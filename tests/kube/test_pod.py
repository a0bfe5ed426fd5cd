"""The frame of a daemon: probes, metrics, logs, signals and ports that are taken."""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from kube.pod import JsonFormatter, Pages, PodError, run, serving


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def page(port: int, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_probes_say_why_not(port: int) -> None:
    reasons = {"ready": "pools are not listed yet"}

    async def shown() -> dict[str, int]:
        return {"a": 1}

    pages = Pages(ready=lambda: reasons["ready"], json={"/status": shown})
    async with serving(pages, CollectorRegistry(), health_port=port, metrics_port=0):
        assert await page(port, "/readyz") == (503, "pools are not listed yet")
        reasons["ready"] = ""
        assert await page(port, "/readyz") == (200, "ok")
        assert await page(port, "/healthz") == (200, "ok")
        assert json.loads((await page(port, "/status"))[1]) == {"a": 1}
        assert (await page(port, "/metrics"))[0] == 404


async def test_metrics_are_those_of_the_registry(port: int) -> None:
    registry = CollectorRegistry()
    Counter("herald_things", "Things.", registry=registry).inc()
    with socket.create_server(("127.0.0.1", 0)) as free:
        metrics_port = free.getsockname()[1]
    pages = Pages(ready=str)
    async with serving(pages, registry, health_port=port, metrics_port=metrics_port):
        status, text = await page(metrics_port, "/metrics")
    assert status == 200
    assert "herald_things_total 1.0" in text


async def test_port_that_is_taken_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(PodError, match=f"port {taken}.*--health-port"):
            async with serving(
                Pages(ready=str), CollectorRegistry(), health_port=taken, metrics_port=0
            ):
                pass


def test_log_line_is_json_with_event_and_fields() -> None:
    record = logging.LogRecord("kube.x", logging.INFO, "f", 1, "moved", None, None)
    record.fields = {"address": "192.168.4.10", "level": "not mine"}
    line = json.loads(JsonFormatter().format(record))
    assert (line["event"], line["level"], line["logger"]) == ("moved", "info", "kube.x")
    assert line["address"] == "192.168.4.10"
    assert line["ts"].endswith("+00:00")


@pytest.mark.usefixtures("logs")
def test_sigterm_sets_the_event_and_the_main_ends_in_its_own_time() -> None:
    steps: list[str] = []

    async def main(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        steps.append("withdrawn")

    assert run(main) == 0
    assert steps == ["withdrawn"]


@pytest.mark.usefixtures("logs")
def test_second_signal_ends_a_main_that_hangs() -> None:
    async def main(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    assert run(main) == 1


@pytest.mark.usefixtures("logs")
@pytest.mark.parametrize("grouped", [False, True])
def test_error_for_people_is_one_line(capfd: pytest.CaptureFixture[str], *, grouped: bool) -> None:
    async def fail() -> None:
        raise PodError("no node name: give --node-name")

    async def main(_: asyncio.Event) -> None:
        if not grouped:
            await fail()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail())

    assert run(main) == 1
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["error"] for line in lines] == ["no node name: give --node-name"]


@pytest.mark.usefixtures("logs")
def test_crash_is_logged_with_its_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    async def main(_: asyncio.Event) -> None:
        raise KeyError("lost")

    assert run(main) == 1
    line = json.loads(capfd.readouterr().err.splitlines()[-1])
    assert line["event"] == "crashed"
    assert "KeyError" in line["exception"]


def test_values_of_the_cluster_load_no_http_library() -> None:
    """Tests and the command use them without paying for a client."""
    code = (
        "import sys, kube.store, kube.validation, kube.watch, kube.lease;"
        "assert not {'kubernetes', 'aiohttp', 'asyncio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
