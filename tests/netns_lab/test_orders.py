import asyncio
from pathlib import Path
from typing import Any

import pytest

from netns_lab.orders import Json, LabError, Progress, answers, give_order, serve_orders
from netns_lab.progress import Progress as Story
from tests.waiting import idle


async def carry_out(name: str, arguments: Json, progress: Progress) -> Any:
    if name == "double":
        await progress("thinking")
        return arguments["number"] * 2
    raise LabError(f"no order {name!r}")


async def give(path: Path, order: Json) -> list[Json]:
    return await asyncio.to_thread(lambda: list(give_order(path, order, 5)))


async def test_order_gives_progress_and_then_its_result(tmp_path: Path) -> None:
    path = tmp_path / "s"
    server = await serve_orders(path, carry_out)
    try:
        lines = await give(path, {"do": "double", "number": 21})
        assert lines == [{"progress": "thinking"}, {"ok": 42}]
        assert answers(path)
    finally:
        server.close()


@pytest.mark.parametrize(
    ("order", "says"),
    [
        pytest.param({"do": "nonsense"}, "no order 'nonsense'", id="unknown"),
        pytest.param({"do": "double"}, "number", id="argument missing"),
        pytest.param({"number": 1}, "do", id="no order at all"),
    ],
)
async def test_order_that_cannot_be_done_is_an_error(
    tmp_path: Path, order: Json, says: str
) -> None:
    server = await serve_orders(tmp_path / "s", carry_out)
    try:
        with pytest.raises(LabError, match=says):
            await give(tmp_path / "s", order)
    finally:
        server.close()


def test_nobody_to_ask_is_said_so(tmp_path: Path) -> None:
    assert not answers(tmp_path / "s")
    with pytest.raises(LabError, match="does not answer"):
        list(give_order(tmp_path / "s", {"do": "status"}, 1))


async def test_story_is_told_whole_to_those_who_come_late() -> None:
    story = Story()
    story.say("one")
    heard: list[str] = []

    async def listen() -> None:
        heard.extend([text async for text in story.follow()])

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(listen())
        await idle()
        story.say("two")
        story.finish()
    assert heard == ["one", "two"]
