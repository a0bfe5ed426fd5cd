"""The frame of a small process: flags, log lines, pages."""

import argparse
import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kube.pod import JsonFormatter
from speaker.seam.pod import (
    JsonLines,
    add_flag,
    add_log_level,
    health_pages,
    metrics_text,
    serve_pages,
)
from tests.waiting import idle


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_flag(made, "--socket-dir", type=Path, required=True)
    add_flag(made, "--health-port", type=int, default=17474)
    add_log_level(made)
    return made


def test_a_flag_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERALD_SOCKET_DIR", "/run/herald")
    monkeypatch.setenv("HERALD_HEALTH_PORT", "1")

    assert parser().parse_args([]).socket_dir == Path("/run/herald")
    assert parser().parse_args(["--health-port", "2"]).health_port == 2


@pytest.mark.parametrize(
    "arguments", [[], ["--socket-dir", "x", "--log-level", "loud"]], ids=["missing", "level"]
)
def test_wrong_use_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(arguments)
    assert caught.value.code == 2


def test_a_log_line_is_one_json_object_with_its_fields() -> None:
    record = logging.LogRecord("speaker.x", logging.WARNING, "", 0, "moved", None, None)
    record.fields = {"address": "192.168.4.10"}

    line = json.loads(JsonLines().format(record))

    assert (line["event"], line["level"]) == ("moved", "warning")
    assert line["address"] == "192.168.4.10"


def test_a_log_line_has_the_keys_that_all_daemons_have() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "moved", None, None)

    assert json.loads(JsonLines().format(record)) == json.loads(JsonFormatter().format(record))


def test_labels_of_a_counter_stand_behind_its_name() -> None:
    text = metrics_text({"frames:nic=lan0,kind=arp": 3, "stalls": 0.5, 'odd:a="b': 1})

    assert text.splitlines() == [
        'frames{nic="lan0",kind="arp"} 3', 'odd{a="\\"b"} 1', "stalls 0.5",
    ]  # fmt: skip


@asynccontextmanager
async def serving(missing: list[str]) -> AsyncIterator[int]:
    """Serve the pages on a free port; `missing` may change meanwhile."""
    probe = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    pages = health_pages(lambda: ", ".join(missing), lambda: {"stalls": 1})
    task = asyncio.create_task(serve_pages(port, pages))
    await idle()  # it listens
    try:
        yield port
    finally:
        task.cancel()
        await asyncio.wait([task])


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        async with asyncio.timeout(60):
            return await reader.read()
    finally:
        writer.close()


async def test_readiness_names_what_is_missing() -> None:
    missing = ["the brain"]
    async with serving(missing) as port:
        answer = await ask(port, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503")
        assert answer.endswith(b"not ready: the brain\n")
        missing.clear()
        assert (await ask(port, b"GET /readyz?x HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"GET /metrics HTTP/1.1\r\n\r\n", b"200", id="metrics"),
        pytest.param(b"GET /nothing HTTP/1.1\r\n\r\n", b"404", id="unknown"),
        pytest.param(b"POST /metrics HTTP/1.1\r\n\r\n", b"400", id="method"),
        pytest.param(b"\xff\xff\r\n\r\n", b"400", id="junk"),
        pytest.param(b"\r\n\r\n", b"400", id="empty"),
    ],
)
async def test_any_request_is_answered(request_: bytes, status: bytes) -> None:
    async with serving([]) as port:
        assert (await ask(port, request_)).split()[1] == status


async def test_a_request_without_an_end_is_dropped_and_no_error() -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    async with serving([]) as port:
        assert await ask(port, b"x" * 20_000) == b""
        assert errors == []
        assert (await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n")).endswith(b"ok\n")
