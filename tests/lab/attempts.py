"""Tests that are run again when the machine starved the processes they are about.

An owner that gets no CPU for its detection time rightly loses its address. So a test of who owns
what can fail on a machine without time for it, whatever the code is like. As in the drills, a run
that was late counts only when it is the last one, and the summary tells of each that did not.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator

import pytest

ATTEMPTS = 3
PROPERTY = "starved"


class StarvedError(AssertionError):
    """A test failed while the machine gave a process of its lab no time."""


def once_more_when_starved(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Run a test again that failed while a process of its lab was late; the last run counts."""

    @functools.wraps(test)
    async def run(*, record_property: Callable[[str, object], None], **arguments: object) -> None:
        for _ in range(1, ATTEMPTS):
            try:
                return await test(**arguments)
            except StarvedError as error:
                record_property(PROPERTY, f"{error}: {error.__cause__}")
        return await test(**arguments)

    own = inspect.signature(test)
    added = inspect.Parameter("record_property", inspect.Parameter.KEYWORD_ONLY)
    parameters = [*own.parameters.values(), added]
    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # pytest's
    return run


def starved_runs(reports: Iterable[pytest.TestReport]) -> Iterator[str]:
    """Yield a line for each run that did not count."""
    for report in reports:
        for name, said in report.user_properties:
            if name == PROPERTY and report.when == "call":
                yield f"{report.nodeid}: once more, {str(said).splitlines()[0]}"
