"""What all tests share: less waiting, since the unit tests are there to be run all the time."""

import asyncio
import gc
import logging
import os
from collections.abc import Callable, Iterator, Mapping

import pytest
from hypothesis import HealthCheck, settings

from tests.lab.attempts import starved_runs
from tests.waiting import JudgingLoop


def pytest_configure() -> None:
    """Set up what all tests share, before any of them is imported.

    No authorities of the machine: tests talk to loopback and bring their own. Each client's TLS
    context would otherwise read them all, 22 ms a time.
    """
    os.environ["SSL_CERT_FILE"] = os.devnull
    os.environ["SSL_CERT_DIR"] = os.devnull
    _be_patient_with_examples()


def _be_patient_with_examples() -> None:
    """Let no example fail for its time, which is the machine's; try the same ones in each run.

    HERALD_FUZZ_RANDOM=1 looks for new ones.
    """
    settings.register_profile(
        "herald",
        settings(),
        deadline=None,
        derandomize=os.environ.get("HERALD_FUZZ_RANDOM") != "1",
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("herald")


def pytest_collection_finish() -> None:
    """Leave what was collected out of the collector's passes: it stays until the end anyway."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell of the runs that did not count, since the machine had no time for them."""
    ended = (each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind))
    for line in starved_runs(ended):
        terminalreporter.write_line(line)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give asynchronous tests a loop in which they need not poll."""
    return {"judging": JudgingLoop}


@pytest.fixture
def logs() -> Iterator[None]:
    """A daemon that runs takes the root logger over; give it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
