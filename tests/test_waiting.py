"""The tests' own waiting: it wakes by itself, and fails with what it saw last."""

import asyncio

import pytest

from tests.waiting import idle, until, until_stored


async def test_a_condition_is_judged_in_every_turn_of_the_loop() -> None:
    """A state that lasts one turn is not missed."""
    seen: list[int] = []

    async def change() -> None:
        for number in range(5):
            seen.append(number)
            await asyncio.get_running_loop().run_in_executor(None, int)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(change())
        await until(lambda: seen[-1:] == [3])
        assert seen == [0, 1, 2, 3]


async def test_what_never_comes_fails_with_the_last_answer() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.01 s: \[\]"):
        await until(list[int], limit_s=0.01)
    with pytest.raises(AssertionError, match="the reason"):
        await until(lambda: False, lambda: "the reason", limit_s=0.01)


async def test_an_error_of_the_condition_is_the_tests() -> None:
    looks: list[int] = []

    def look() -> bool:
        looks.append(1)
        if len(looks) == 2:
            raise LookupError("no such thing")
        return False

    with pytest.raises(LookupError):
        await until(look)


async def test_idle_lets_run_what_can() -> None:
    steps: list[str] = []

    async def walk() -> None:
        for step in "abc":
            steps.append(step)
            turned = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(turned.set_result, None)
            await turned

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(walk())
        await idle()
        assert steps == ["a", "b", "c"]


async def test_a_question_is_asked_again_after_a_write_only() -> None:
    revision = 1
    asked: list[int] = []

    async def question() -> bool:
        asked.append(revision)
        return revision == 3

    async def write() -> None:
        nonlocal revision
        while revision < 3:
            await idle()
            revision += 1

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        await until_stored(question, lambda: revision)

    assert asked == [1, 2, 3]
